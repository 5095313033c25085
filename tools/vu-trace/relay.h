/* SPDX-License-Identifier: MIT */
/*
 * One direction of one connection.  Collects a message, hands it to its owner to be looked at, and
 * sends it on: the same bytes, the same descriptors at the same bytes, one sendmsg(2) a message.
 * Nothing more is read until that is done, so the sender feels the receiver's slowness and nothing
 * piles up here.
 *
 * Whole messages, because many a back-end reads no message that comes in pieces; and no read goes
 * beyond a message, because descriptors belong to the bytes that they come with.
 */
#ifndef TRACE_RELAY_H
#define TRACE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/spec.h"

enum {
	RELAY_BYTES = 64 << 10, /* larger messages pass in pieces that nobody looks at */
	RELAY_FDS = 512,
	RELAY_MARKS = 16,
	RELAY_STUCK_MS = 100, /* then the beginning of a message is sent without its end */
};

/* n descriptors that came with the byte at this place. */
struct relay_mark {
	size_t at;
	uint32_t n;
};

struct relay {
	int from, to; /* the owner's */
	bool ended;   /* nothing more will come */
	bool whole;   /* what is held is complete, and on its way */
	size_t got, sent;
	uint64_t skip;		/* bytes of a large message that are still to come */
	uint64_t since;		/* when the first byte of what is held came */
	uint32_t n_marks, mark; /* mark: the next to be sent */
	struct relay_mark marks[RELAY_MARKS];
	uint32_t n_fds, fd; /* fd: the next to be sent */
	int fds[RELAY_FDS]; /* owned */
	_Alignas(8) unsigned char bytes[RELAY_BYTES];
};

enum relay_result {
	RELAY_NOTHING, /* not yet */
	RELAY_MESSAGE, /* a whole message is held: header, payload, fds */
	RELAY_LARGE,   /* the header of one that is too large to be held whole */
	RELAY_PIECE,   /* more of it */
	RELAY_CUT,     /* the sender ended in the middle of a message: its beginning is held */
	RELAY_END,     /* the sender ended */
};

void relay_init(struct relay *r, int from, int to);
void relay_fini(struct relay *r);

/* enum relay_result, or -errno. After anything but NOTHING and END: relay_send(). */
int relay_read(struct relay *r);
/* Send what is held.  0: all is sent; 1: the receiver is full; -errno: it is gone. */
int relay_send(struct relay *r);

bool relay_wants_read(const struct relay *r);
bool relay_wants_write(const struct relay *r);
/*
 * A message began and does not end: let its beginning go, if it has no descriptors (which its end
 * may say how to treat).  Results of relay_send().
 */
int relay_stuck(struct relay *r, uint64_t now);
/* Does relay_stuck() have to be called? */
bool relay_may_stick(const struct relay *r);

const struct wire_header *relay_header(const struct relay *r);
const unsigned char *relay_payload(const struct relay *r);
/* Did descriptors come with another byte than the first? */
bool relay_has_late_fds(const struct relay *r);

#endif
