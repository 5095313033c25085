/* SPDX-License-Identifier: MIT */
/* Lines for people. */
#include <string.h>
#include <time.h>

#include "report.h"
#include "stats.h"
#include "values.h"

static void print_time(struct report *r, uint64_t at, uint32_t session)
{
	uint64_t since = at - r->began;

	if (r->clock) {
		uint64_t real = r->real + since;
		time_t seconds = (time_t)(real / 1000000000);
		struct tm tm;
		char text[16];

		localtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
		fprintf(r->out, "%s.%06u", text, (unsigned int)(real / 1000 % 1000000));
	} else {
		fprintf(r->out, "%4llu.%06u", (unsigned long long)(since / 1000000000),
			(unsigned int)(since / 1000 % 1000000));
	}
	if (session)
		fprintf(r->out, " %u ", session);
	else
		fputs(" - ", r->out);
}

static void print_took(FILE *out, uint64_t ns)
{
	if (ns < 10000000)
		fprintf(out, "%.1f µs", (double)ns / 1e3);
	else
		fprintf(out, "%.1f ms", (double)ns / 1e6);
}

static void print_fds(FILE *out, const struct message_line *line)
{
	for (uint32_t i = 0; i < line->n_fds && i < REPORT_FDS; i++) {
		char text[FD_KIND + FD_NAME + 32];

		describe_fd_text(&line->fds[i], text, sizeof(text));
		fprintf(out, ", %s%s", i ? "" : line->n_fds > 1 ? "fds " : "fd ", text);
	}
	if (line->n_fds > REPORT_FDS)
		fprintf(out, " and %u more", line->n_fds - REPORT_FDS);
}

static void print_ack(FILE *out, const struct message_line *line)
{
	uint64_t value;

	memcpy(&value, line->payload, sizeof(value));
	if (value)
		fprintf(out, " failed: 0x%llx", (unsigned long long)value);
	else
		fputs(" ok", out);
}

static void text_message(struct report *r, const struct message_line *line)
{
	char values[VALUES_TEXT], bits[512], id[32];
	const char *name = line->row ? line->row->name : id;

	snprintf(id, sizeof(id), "message %u", line->hdr->request);
	print_time(r, line->at, line->session);
	fprintf(r->out, "%s %s%s", line->from == FRONT_END ? "→" : "←",
		line->channel ? "channel: " : "", name);
	if (line->ack && line->fits) {
		print_ack(r->out, line);
	} else if (line->fits) {
		values_text(line, values, sizeof(values));
		values_bits(line, bits, sizeof(bits));
		fprintf(r->out, "(%s%s%s)", values, *bits ? " = " : "", bits);
	} else {
		fprintf(r->out, "(%u bytes)", line->hdr->size);
	}
	print_fds(r->out, line);
	if (!line->reply && line->hdr->flags & WIRE_NEED_REPLY)
		fputs(", needs a reply", r->out);
	if (line->matched) {
		fputs(", ", r->out);
		print_took(r->out, line->took);
	}
	fputc('\n', r->out);
}

static void text_request(struct report *r, const struct request_line *line)
{
	print_time(r, line->at, line->session);
	fprintf(r->out, "  queue %u: %s%s%s → %s", line->queue, line->name, *line->text ? " " : "",
		line->text, line->result);
	if (line->timed) {
		fputc(' ', r->out);
		print_took(r->out, line->took);
	}
	fprintf(r->out, " (%u segments, %llu bytes to the device, %llu from it, used %u)\n",
		line->segments, (unsigned long long)line->out, (unsigned long long)line->in,
		line->used);
}

static void text_event(struct report *r, const char *kind, uint32_t session, const char *by,
		       const char *text)
{
	print_time(r, trace_now(), session);
	fprintf(r->out, "%s %s%s%s%s\n", *kind == 'v' ? "!!" : "--",
		*kind == 'v' ? "violation by the " : "", by ? by : "", by ? ": " : "", text);
}

static void print_row(FILE *out, const struct stat_row *row)
{
	fprintf(out, "%-32s %10llu %8llu", row->name, (unsigned long long)row->n,
		(unsigned long long)row->failed);
	if (row->latency.n) {
		fprintf(out, " %10.1f %10.1f %10.1f %10.1f",
			(double)histogram_percentile(&row->latency, 0.5) / 1e3,
			(double)histogram_percentile(&row->latency, 0.9) / 1e3,
			(double)histogram_percentile(&row->latency, 0.99) / 1e3,
			(double)row->latency.max / 1e3);
	}
	if (row->bytes)
		fprintf(out, "  %llu bytes", (unsigned long long)row->bytes);
	fputc('\n', out);
}

static void text_summary(struct report *r)
{
	const struct stats *stats = r->stats;

	fprintf(r->out, "%-32s %10s %8s %10s %10s %10s %10s\n", "", "count", "failed", "p50 µs",
		"p90", "p99", "max");
	for (uint32_t i = 0; i < stats->n_rows; i++)
		print_row(r->out, stats->rows[i]);
	fprintf(r->out, "violations: %llu\n", (unsigned long long)r->violations);
}

const struct printer print_text = {text_message, text_request, text_event, text_summary};
