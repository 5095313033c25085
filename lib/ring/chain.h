/* SPDX-License-Identifier: MIT */
/*
 * The chain walker: turns descriptors, one after the other, into the segments of a request, with
 * every limit.  Inlined into each layout's loop.
 */
#ifndef RING_CHAIN_H
#define RING_CHAIN_H

#include "ring/ring.h"

/* A walk in progress; lives in registers as far as possible. */
struct chain {
	struct ring *ring;
	struct req *req;
	struct iovec *segs;
	uint32_t n;
	uint32_t cap;
	uint64_t len; /* bytes of the part being walked: readable, then writable */
	struct span span;
};

enum { CHAIN_STARVED = 1 };

/* ring.c: the parts that are rarely needed. */
int chain_add_slow(struct chain *c, uint64_t addr, uint64_t len);
void chain_release(struct ring *ring, struct req *req);

static inline void chain_begin(struct chain *c, struct ring *ring, struct req *req)
{
	c->ring = ring;
	c->req = req;
	c->segs = req->segs;
	c->n = 0;
	c->cap = ring->inline_segs;
	c->len = 0;
	c->span = ring->span;
	req->block = 0;
}

/*
 * Add a buffer.  0; CHAIN_STARVED: no memory for its segments now, take nothing; -EIO: broken.
 * The common case is one comparison: inside the region that the last one was in (written so that
 * nothing can wrap; a length of 0 takes the slow way).
 */
static inline int chain_add(struct chain *c, uint64_t addr, uint32_t len)
{
	uint64_t offset = addr - c->span.start;

	if (unlikely(offset >= c->span.size || (uint64_t)len - 1 >= c->span.size - offset ||
		     c->n == c->cap))
		return chain_add_slow(c, addr, len);
	c->segs[c->n].iov_base = c->span.host + offset;
	c->segs[c->n].iov_len = len;
	c->n++;
	c->len += len;
	return 0;
}

/* The readable part is complete. */
static inline void chain_end_readable(struct chain *c)
{
	c->req->pub.n_readable = c->n;
	c->req->pub.readable_len = c->len;
	c->len = 0;
}

/* The chain is complete. */
static inline void chain_end(struct chain *c)
{
	struct vu_req *pub = &c->req->pub;

	c->ring->span = c->span;
	pub->readable = c->segs;
	pub->writable = c->segs + pub->n_readable;
	pub->n_writable = c->n - pub->n_readable;
	pub->writable_len = c->len;
	pub->flags = 0;
}

#endif
