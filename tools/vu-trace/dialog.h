/* SPDX-License-Identifier: MIT */
/*
 * What both sides of a connection said to each other so far: features, and the requests that wait
 * for a reply.  Sees each message as it passes; changes none.
 */
#ifndef TRACE_DIALOG_H
#define TRACE_DIALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "report.h"

enum { LANE_MOST = 64 };

/* A request that wants a reply. */
struct asked {
	const struct message *row; /* NULL: id has none */
	uint32_t id;
	uint64_t at;
	enum wire_layout layout; /* of the reply */
	bool ack;
	uint32_t max_fds;
};

/* Those of one socket, the oldest first: replies come in the same order. */
struct lane {
	struct asked waiting[LANE_MOST];
	uint32_t n;
};

struct dialog {
	struct report *report;
	uint32_t number;
	uint64_t offered, features; /* virtio features: of GET_FEATURES and SET_FEATURES */
	uint64_t offered_protocol, protocol;
	bool knows_offered, knows_offered_protocol;
	bool postcopy; /* between POSTCOPY_LISTEN and POSTCOPY_END: tables are answered */
	bool has_inflight;
	struct lane main, channel;
	const char *type; /* of the device, or NULL */
};

/* A message on its way. */
struct passing {
	enum side from;
	bool channel;
	const struct wire_header *hdr;
	const unsigned char *payload; /* all hdr->size bytes */
	const int *fds;
	uint32_t n_fds;
	bool late_fds; /* some came after the first byte */
	uint64_t at;
};

void dialog_init(struct dialog *s, struct report *report, uint32_t number);
/* One message: lines about it, and what follows from it. */
void dialog_message(struct dialog *s, const struct passing *msg);
/* One that is too large to be looked at: its header. */
void dialog_large(struct dialog *s, const struct passing *msg);
/* That side ended in the middle of a message. */
void dialog_cut(struct dialog *s, enum side by, bool channel);
/* Both are gone: who did not answer? */
void dialog_end(struct dialog *s);

bool dialog_has(const struct dialog *s, unsigned int protocol_feature);
/* Is this message a request, and not a reply? */
bool passing_is_request(const struct passing *msg);

/* check.c: lines about what is not allowed. */
void check_request(struct dialog *s, const struct passing *msg, const struct message *row,
		   bool fits);
/* asked: what it answers, or NULL. */
void check_reply(struct dialog *s, const struct passing *msg, const struct asked *asked, bool fits);
/* A later request was answered first. */
void check_passed_over(struct dialog *s, bool channel, const struct asked *asked);
/* "GET_FEATURES", "message 77" */
const char *check_name(const struct message *row, uint32_t id, char *buf, size_t size);

#endif
