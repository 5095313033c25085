/* SPDX-License-Identifier: MIT */
/* Counts.  Owns its rows; names beyond STATS_ROWS are not counted. */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

void stats_init(struct stats *s)
{
	memset(s, 0, sizeof(*s));
	histogram_reset(&s->recent);
	s->live_at = trace_now();
}

void stats_fini(struct stats *s)
{
	for (uint32_t i = 0; i < s->n_rows; i++)
		free(s->rows[i]);
}

static struct stat_row *stats_row(struct stats *s, const char *group, const char *name)
{
	char whole[STATS_NAME];
	struct stat_row *row;

	snprintf(whole, sizeof(whole), "%s%s%s", group, *group ? " " : "", name);
	for (uint32_t i = 0; i < s->n_rows; i++)
		if (!strcmp(s->rows[i]->name, whole))
			return s->rows[i];
	if (s->n_rows == STATS_ROWS)
		return NULL;
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	memcpy(row->name, whole, sizeof(whole));
	histogram_reset(&row->latency);
	s->rows[s->n_rows++] = row;
	return row;
}

/* Did it say that the request failed? */
static bool reply_failed(const struct message_line *line)
{
	uint64_t value = 0;

	if (!line->ack || !line->fits)
		return false;
	memcpy(&value, line->payload, sizeof(value));
	return value;
}

void stats_message(struct stats *s, const struct message_line *line)
{
	char id[24];
	struct stat_row *row;

	snprintf(id, sizeof(id), "message %u", line->hdr->request);
	row = stats_row(s, line->channel ? "channel" : "", line->row ? line->row->name : id);
	s->messages++;
	if (!row)
		return;
	if (!line->reply) {
		row->n++;
	} else if (line->matched) {
		row->failed += reply_failed(line);
		histogram_add(&row->latency, line->took);
	}
}

void stats_request(struct stats *s, const struct request_line *line)
{
	struct stat_row *row = stats_row(s, line->type ? line->type : "queue", line->name);

	s->requests++;
	s->bytes += line->out + line->used;
	if (line->timed)
		histogram_add(&s->recent, line->took);
	if (!row)
		return;
	row->n++;
	row->failed += line->failed;
	row->bytes += line->out + line->used;
	if (line->timed)
		histogram_add(&row->latency, line->took);
}

void stats_live(struct stats *s, FILE *out)
{
	uint64_t now = trace_now();
	double seconds = (double)(now - s->live_at) / 1e9;

	if (seconds <= 0)
		return;
	fprintf(out, "%.0f messages/s, %.0f requests/s, %.1f MB/s",
		(double)(s->messages - s->live_messages) / seconds,
		(double)(s->requests - s->live_requests) / seconds,
		(double)(s->bytes - s->live_bytes) / seconds / 1e6);
	if (s->recent.n)
		fprintf(out, ", p50 %.1f µs, p99 %.1f, max %.1f",
			(double)histogram_percentile(&s->recent, 0.5) / 1e3,
			(double)histogram_percentile(&s->recent, 0.99) / 1e3,
			(double)s->recent.max / 1e3);
	fputc('\n', out);
	fflush(out);
	s->live_at = now;
	s->live_messages = s->messages;
	s->live_requests = s->requests;
	s->live_bytes = s->bytes;
	histogram_reset(&s->recent);
}
