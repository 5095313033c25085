/* SPDX-License-Identifier: MIT */
/* The end of a request, inlined into the data path.  Queue thread. */
#ifndef RING_COMPLETE_H
#define RING_COMPLETE_H

#include <errno.h>

#include "ring/ring.h"
#include "ring/split.h"

/* ring.c: give back what a request held besides itself. */
void ring_drop_slow(struct ring *ring, struct req *req);

/* The request is nobody's any more. */
static inline void ring_drop(struct ring *ring, struct req *req)
{
	req->outstanding = false;
	ring->outstanding--;
	if (unlikely(req->block || req->table != ring->table))
		ring_drop_slow(ring, req);
}

/* Finish a request.  -ERANGE; 0.  Made visible by ring_publish(). */
static inline int ring_complete(struct ring *ring, struct req *req, uint64_t written)
{
	if (unlikely(written > req->pub.writable_len))
		return -ERANGE;
	if (likely(ring->is_live))
		split_push(ring, req->id, written > UINT32_MAX ? UINT32_MAX : (uint32_t)written);
	ring_drop(ring, req);
	return 0;
}

#endif
