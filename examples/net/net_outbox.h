/* SPDX-License-Identifier: MIT */
/*
 * Frames on their way to a socket, many for a system call: each behind its length, as in QEMU's
 * streams.
 *
 * They are a batch at first, which is where the guest has it, and not copied.  What the socket does
 * not take of it is copied before the guest gets its buffers back: the rest, which goes out before
 * there is a batch again.  A guest's memory that the kernel cannot read is part of the rest, too.
 */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include <stdbool.h>

#include "net_header.h"

enum { OUTBOX_FRAMES = 64, OUTBOX_PIECES = 1024, OUTBOX_BYTES = 4 * (NET_PREFIX + NET_MAX_FRAME) };

struct net_outbox {
	uint32_t frames, pieces; /* of the batch */
	size_t bytes;
	struct iovec piece[OUTBOX_PIECES];
	uint32_t first[OUTBOX_FRAMES + 1]; /* piece of each frame: its length; and of the end */
	unsigned char prefix[OUTBOX_FRAMES][NET_PREFIX];
	size_t rest_at, rest_len;
	unsigned char rest[OUTBOX_BYTES];
};

/* A packet as net_end_ops.send has it; false: there is no room, the batch has to go first. */
bool net_outbox_add(struct net_outbox *o, const struct iovec *iov, int n);
/* The batch is over: its first done bytes are out, the others become the rest. */
void net_outbox_keep(struct net_outbox *o, size_t done);
/* Bytes of its first n frames. */
size_t net_outbox_bytes(const struct net_outbox *o, uint32_t n);
bool net_outbox_has_rest(const struct net_outbox *o);
/* So much of the rest is out. */
void net_outbox_advance(struct net_outbox *o, size_t done);
void net_outbox_clear(struct net_outbox *o);

#endif
