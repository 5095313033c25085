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
	struct iovec *seg; /* next to be filled */
	struct iovec *end; /* first that does not belong to us */
	uint64_t len;	   /* bytes of the part being walked: readable, then writable */
};

/* Nothing is to be taken now: no memory for segments, or not all of its memory is known. */
enum { CHAIN_STARVED = 1, CHAIN_WAITS };

/* chain.c: the parts that are rarely needed. */
int chain_add_slow(struct chain *c, uint64_t addr, uint64_t len, bool writable);
/* Let go of its segments: taken or not, it is free again. */
void chain_release(struct ring *ring, struct req *req);

/* A free request's segments are its own: pub.readable points to them, and block is 0. */
static inline void chain_begin(struct chain *c, struct ring *ring, struct req *req)
{
	c->ring = ring;
	c->req = req;
	c->seg = req->segs;
	c->end = (struct iovec *)(void *)((unsigned char *)req + ring->inline_end);
	c->len = 0;
}

/*
 * Add a buffer to the part that is being walked.  0; CHAIN_STARVED, CHAIN_WAITS; -EIO: broken.  The
 * common case is two comparisons: inside the region that the last one was in (written so that
 * nothing can wrap; a length of 0 takes the slow way).
 */
static inline int chain_add(struct chain *c, uint64_t addr, uint32_t len, uint32_t writable)
{
	const struct ring_window *w = &c->ring->window;
	uint64_t room = w->end - addr;

	if (unlikely(room > w->size || (uint64_t)len - 1 >= room || c->seg == c->end)) {
		/* A copy: so that c itself can stay in registers. */
		struct chain slow = *c;
		int err = chain_add_slow(&slow, addr, len, writable);

		c->seg = slow.seg;
		c->end = slow.end;
		c->len = slow.len;
		return err;
	}
	c->seg->iov_base = (void *)(uintptr_t)(addr + w->shift);
	c->seg->iov_len = len;
	c->seg++;
	c->len += len;
	return 0;
}

/*
 * A chain of one descriptor, as small requests have: all of its request at once.  What is checked
 * is what chain_add() checks, but for room, as there is always some for one segment (ring_check()).
 * False: nothing was done, and the walk has to see what it is.
 */
static inline bool chain_single(struct ring *ring, struct req *req, uint64_t addr, uint32_t len,
				bool writable)
{
	const struct ring_window *w = &ring->window;
	struct vu_req *pub = &req->pub;
	uint64_t room = w->end - addr;

	if (unlikely(room > w->size || (uint64_t)len - 1 >= room))
		return false;
	req->segs[0].iov_base = (void *)(uintptr_t)(addr + w->shift);
	req->segs[0].iov_len = len;
	if (writable) {
		pub->n_readable = 0;
		pub->n_writable = 1;
		pub->readable_len = 0;
		pub->writable_len = len;
		pub->writable = req->segs;
	} else {
		pub->n_readable = 1;
		pub->n_writable = 0;
		pub->readable_len = len;
		pub->writable_len = 0;
		pub->writable = req->segs + 1;
	}
	/* One store, of what is compared together when it is completed; it is 0 already. */
	req->state = REQ_OUT;
	req->odd = 0;
	return true;
}

/* The readable part is complete; chain_grow() keeps both pointers current. */
static inline void chain_end_readable(struct chain *c)
{
	struct vu_req *pub = &c->req->pub;

	pub->n_readable = (uint32_t)(c->seg - pub->readable);
	pub->readable_len = c->len;
	pub->writable = c->seg;
	c->len = 0;
}

/* The chain is complete: its request is handed out. */
static inline void chain_end(struct chain *c)
{
	struct req *req = c->req;
	struct vu_req *pub = &req->pub;

	pub->n_writable = (uint32_t)(c->seg - pub->writable);
	pub->writable_len = c->len;
	req->state = REQ_OUT;
}

#endif
