/* SPDX-License-Identifier: MIT */
/*
 * What vu-trace has to say.  Each kind of line is one function; who prints it is a table of
 * functions (print_text.c, print_json.c), and stats.c counts it.
 */
#ifndef TRACE_REPORT_H
#define TRACE_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "describe_fd.h"
#include "trace.h"
#include "vhost_user/messages.h"

enum { REPORT_FDS = 16 }; /* of a message; more are counted */

struct stats;
struct report;

/* A message that passed. */
struct message_line {
	uint64_t at; /* ns */
	uint32_t session;
	enum side from;
	bool channel; /* on the back-end channel */
	const struct wire_header *hdr;
	const unsigned char *payload;
	const struct message *row; /* NULL: no such id */
	enum wire_layout layout;   /* of the payload */
	bool fits;		   /* the layout fits, so it can be decoded */
	bool reply, ack;	   /* ack: a u64 that is no reply of the message's own */
	bool matched;		   /* a reply to a request that was seen */
	uint64_t took;		   /* ns, if matched */
	uint32_t n_fds;
	struct fd_words fds[REPORT_FDS];
	const char *type; /* of the device, or NULL */
};

/* A request on a ring that was completed. */
struct request_line {
	uint64_t at; /* ns */
	uint32_t session, queue;
	const char *type;   /* of the device, or NULL */
	const char *name;   /* "READ", constant */
	const char *text;   /* "sector 2048 len 4096" */
	const char *result; /* "OK" */
	bool failed;
	uint32_t segments;
	uint64_t out, in; /* bytes of the segments that the device reads, and writes */
	uint32_t used;	  /* bytes that the device says it wrote */
	bool timed;	  /* whether took is known */
	uint64_t took;	  /* ns */
};

struct printer {
	void (*message)(struct report *r, const struct message_line *line);
	void (*request)(struct report *r, const struct request_line *line);
	/* kind: "violation", "note", "session"; by: who did it, or NULL. */
	void (*event)(struct report *r, const char *kind, uint32_t session, const char *by,
		      const char *text);
	void (*summary)(struct report *r);
};

extern const struct printer print_text, print_json;

struct report {
	const struct printer *printer;
	bool quiet; /* no lines for messages and requests */
	FILE *out;
	bool clock;	/* text: the time of day instead of seconds since the start */
	uint64_t began; /* ns */
	uint64_t real;	/* CLOCK_REALTIME at that moment, ns */
	bool summary;	/* print one at the end */
	uint64_t violations;
	struct stats *stats;
};

void report_message(struct report *r, const struct message_line *line);
void report_request(struct report *r, const struct request_line *line);
void report_violation(struct report *r, uint32_t session, enum side by, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Odd, but not forbidden; or by the guest. */
void report_note(struct report *r, uint32_t session, const char *by, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void report_session(struct report *r, uint32_t session, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void report_summary(struct report *r);
/* Everything is out; a reader that is gone does not matter. */
void report_flush(struct report *r);

#endif
