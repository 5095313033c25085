/* SPDX-License-Identifier: MIT */
/* One JSON object a line. */
#include <inttypes.h>

#include "report.h"
#include "stats.h"
#include "values.h"

static void json_begin(struct report *r, const char *event, uint64_t at, uint32_t session)
{
	uint64_t real = r->real + (at - r->began);

	fprintf(r->out, "{\"event\":\"%s\",\"time\":%" PRIu64 ".%09u,\"session\":%u", event,
		real / 1000000000, (unsigned int)(real % 1000000000), session);
}

static void json_fds(FILE *out, const struct message_line *line)
{
	fputs(",\"fds\":[", out);
	for (uint32_t i = 0; i < line->n_fds && i < REPORT_FDS; i++) {
		const struct fd_words *fd = &line->fds[i];

		fprintf(out, "%s{\"kind\":", i ? "," : "");
		values_json_string(out, fd->kind);
		fputs(",\"name\":", out);
		values_json_string(out, fd->name);
		if (fd->size)
			fprintf(out, ",\"size\":%" PRIu64, fd->size);
		fputc('}', out);
	}
	fprintf(out, "],\"num_fds\":%u", line->n_fds);
}

static void json_bits(FILE *out, const char *bits)
{
	fputs(",\"bits\":[\"", out);
	for (; *bits; bits++)
		fputs(*bits == ' ' ? "\",\"" : (char[]){*bits, '\0'}, out);
	fputs("\"]", out);
}

static void json_message(struct report *r, const struct message_line *line)
{
	char values[VALUES_TEXT], bits[512];

	json_begin(r, "message", line->at, line->session);
	fprintf(r->out, ",\"from\":\"%s\",\"channel\":\"%s\",\"name\":", side_name(line->from),
		line->channel ? "backend" : "main");
	if (line->row)
		fprintf(r->out, "\"%s\"", line->row->name);
	else
		fputs("null", r->out);
	fprintf(r->out, ",\"id\":%u,\"flags\":%u,\"size\":%u,\"reply\":%s,\"need_reply\":%s",
		line->hdr->request, line->hdr->flags, line->hdr->size,
		line->reply ? "true" : "false",
		line->hdr->flags & WIRE_NEED_REPLY ? "true" : "false");
	if (line->ack)
		fputs(",\"ack\":true", r->out);
	values_text(line, values, sizeof(values));
	fputs(",\"values\":", r->out);
	values_json(r->out, values);
	values_bits(line, bits, sizeof(bits));
	if (*bits)
		json_bits(r->out, bits);
	json_fds(r->out, line);
	if (line->matched)
		fprintf(r->out, ",\"latency_us\":%.3f", (double)line->took / 1e3);
	fputs("}\n", r->out);
}

static void json_request(struct report *r, const struct request_line *line)
{
	json_begin(r, "request", line->at, line->session);
	fprintf(r->out, ",\"queue\":%u,\"type\":", line->queue);
	if (line->type)
		fprintf(r->out, "\"%s\"", line->type);
	else
		fputs("null", r->out);
	fputs(",\"name\":", r->out);
	values_json_string(r->out, line->name);
	fputs(",\"text\":", r->out);
	values_json_string(r->out, line->text);
	fputs(",\"result\":", r->out);
	values_json_string(r->out, line->result);
	fprintf(r->out,
		",\"failed\":%s,\"segments\":%u,\"out\":%" PRIu64 ",\"in\":%" PRIu64 ",\"used\":%u",
		line->failed ? "true" : "false", line->segments, line->out, line->in, line->used);
	if (line->timed)
		fprintf(r->out, ",\"latency_us\":%.3f", (double)line->took / 1e3);
	fputs("}\n", r->out);
}

static void json_event(struct report *r, const char *kind, uint32_t session, const char *by,
		       const char *text)
{
	json_begin(r, kind, trace_now(), session);
	if (by) {
		fputs(",\"by\":", r->out);
		values_json_string(r->out, by);
	}
	fputs(",\"text\":", r->out);
	values_json_string(r->out, text);
	fputs("}\n", r->out);
}

static void json_row(FILE *out, const struct stat_row *row)
{
	fprintf(out, "{\"name\":");
	values_json_string(out, row->name);
	fprintf(out, ",\"count\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"bytes\":%" PRIu64, row->n,
		row->failed, row->bytes);
	if (row->latency.n)
		fprintf(out,
			",\"latency_us\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}",
			(double)histogram_percentile(&row->latency, 0.5) / 1e3,
			(double)histogram_percentile(&row->latency, 0.9) / 1e3,
			(double)histogram_percentile(&row->latency, 0.99) / 1e3,
			(double)row->latency.max / 1e3);
	fputc('}', out);
}

static void json_summary(struct report *r)
{
	json_begin(r, "summary", trace_now(), 0);
	fputs(",\"rows\":[", r->out);
	for (uint32_t i = 0; i < r->stats->n_rows; i++) {
		if (i)
			fputc(',', r->out);
		json_row(r->out, r->stats->rows[i]);
	}
	fprintf(r->out, "],\"violations\":%" PRIu64 "}\n", r->violations);
}

const struct printer print_json = {json_message, json_request, json_event, json_summary};
