/* SPDX-License-Identifier: MIT */
/* How many of each message and request there were, and how long they took. */
#ifndef TRACE_STATS_H
#define TRACE_STATS_H

#include "report.h"
#include "../vu-histogram.h"

enum { STATS_ROWS = 256, STATS_NAME = 48 };

struct stat_row {
	char name[STATS_NAME]; /* "GET_FEATURES", "channel IOTLB_MSG", "blk READ" */
	uint64_t n, failed, bytes;
	struct histogram latency;
};

struct stats {
	uint32_t n_rows;
	struct stat_row *rows[STATS_ROWS]; /* in the order in which they came */
	uint64_t messages, requests, bytes;
	struct histogram recent; /* latencies of requests since the last stats_live() */
	uint64_t live_at, live_messages, live_requests, live_bytes;
};

void stats_init(struct stats *s);
void stats_fini(struct stats *s);
void stats_message(struct stats *s, const struct message_line *line);
void stats_request(struct stats *s, const struct request_line *line);
/* A line about the time since the last one. */
void stats_live(struct stats *s, FILE *out);

#endif
