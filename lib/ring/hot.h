/* SPDX-License-Identifier: MIT */
/*
 * The data path's half of a ring's contract (see ring.h), inlined into its callers.  Queue thread.
 */
#ifndef RING_HOT_H
#define RING_HOT_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/probe.h"
#include "ring/inflight.h"
#include "ring/packed.h"
#include "ring/ring.h"
#include "ring/split.h"
#include "ring/split_big.h"

/* ring.c: what follows if there is no short way. */
int ring_take_slow(struct ring *ring, struct vu_req **reqs, uint32_t max);
bool ring_arm_slow(struct ring *ring);
void ring_disarm_slow(struct ring *ring);
/* ring.c: give back what a request held besides itself. */
void ring_drop_odd(struct ring *ring, struct req *req);
/* order.c: finish a request, or hold it until those before it are finished. */
void order_complete(struct ring *ring, struct req *req, uint32_t written);

/* Take up to max requests: how many (1 and up); 0: nothing, or starved; -EIO: broken. */
static inline int ring_take(struct ring *ring, struct vu_req **reqs, uint32_t max)
{
	if (likely(ring->way == RING_SPLIT))
		return split_take(ring, reqs, max);
	return likely(ring->way == RING_PACKED) ? packed_take(ring, reqs, max)
						: ring_take_slow(ring, reqs, max);
}

/*
 * Has the driver made more available since the last look or take?  1; 0; -EIO: broken.  Of a packed
 * ring, what nobody took after a look that found it may be told once more.
 */
static inline int ring_look(struct ring *ring)
{
	if (likely(ring->way == RING_SPLIT))
		return split_refresh(ring);
	if (unlikely(!ring->is_live))
		return -EIO;
	if (unlikely(ring->big_endian))
		return split_big_refresh(ring);
	return ring->packed ? packed_look(ring) : split_refresh(ring);
}

/* Write the used entry of a request; ring_publish() makes it visible. */
static inline void ring_push(struct ring *ring, const struct req *req, uint32_t written)
{
	if (ring->packed)
		packed_push(ring, req, written);
	else if (unlikely(ring->big_endian))
		split_big_push(ring, req, written);
	else
		split_push(ring, req, written);
	if (unlikely(ring->log))
		inflight_pushed(ring, req);
}

/* The request is nobody's any more. */
static inline void ring_drop(struct ring *ring, struct req *req)
{
	req->state = REQ_FREE;
	ring->done++;
	if (ring->packed)
		packed_free(ring, req);
	if (unlikely(req->odd))
		ring_drop_odd(ring, req);
}

/* Finish a request.  -ERANGE; 0.  Made visible by ring_publish(). */
static inline int ring_complete(struct ring *ring, struct req *req, uint64_t written)
{
	uint32_t len = written > UINT32_MAX ? UINT32_MAX : (uint32_t)written;

	if (unlikely(written > req->pub.writable_len))
		return -ERANGE;
	if (unlikely(ring->marks.config.is_on))
		marks_request(ring, req, written);
	if (unlikely(req->pub.flags & VU_REQ_TOO_LONG))
		len = 0;
	if (likely(ring->is_live)) {
		if (unlikely(ring->order)) {
			order_complete(ring, req, len);
			return 0;
		}
		ring_push(ring, req, len);
	}
	ring_drop(ring, req);
	return 0;
}

/* The device has it, and letting go of it takes nothing more: both in one comparison. */
static inline bool req_is_out_plainly(const struct req *req)
{
	static const uint8_t plain[2] = {REQ_OUT, 0};

	_Static_assert(offsetof(struct req, odd) == offsetof(struct req, state) + 1, "one word");
	return !memcmp((const unsigned char *)req + offsetof(struct req, state), plain,
		       sizeof(plain));
}

/*
 * Finish one of this ring and let the driver see it; false: not done, something is out of the
 * ordinary.  If it is no more than there is room for, a used entry can say it.
 */
static inline bool ring_complete_one(struct ring *ring, struct req *req, uint64_t written)
{
	if (unlikely(!req_is_out_plainly(req) || written > req->pub.writable_len))
		return false;
	if (likely(ring->way == RING_SPLIT)) {
		split_use(ring, req, (uint32_t)written);
	} else if (likely(ring->way == RING_PACKED)) {
		packed_use(ring, req, (uint32_t)written);
	} else {
		return false;
	}
	req->state = REQ_FREE;
	ring->done++;
	return true;
}

/* What a batch of completions amounts to, for the counters. */
struct ring_sums {
	uint64_t readable;
	uint64_t written;
};

/*
 * batch.c: finish requests as far as nothing about them is out of the ordinary, and let the driver
 * see them; returns how many.
 */
uint32_t ring_complete_split(struct ring *ring, struct vu_req *const *reqs, const uint64_t *written,
			     uint32_t n, struct ring_sums *sums);
uint32_t ring_complete_packed(struct ring *ring, struct vu_req *const *reqs,
			      const uint64_t *written, uint32_t n, struct ring_sums *sums);

/* As the two; 0 if the ring has no short way. */
static inline uint32_t ring_complete_plain(struct ring *ring, struct vu_req *const *reqs,
					   const uint64_t *written, uint32_t n,
					   struct ring_sums *sums)
{
	if (likely(ring->way == RING_SPLIT))
		return ring_complete_split(ring, reqs, written, n, sums);
	if (likely(ring->way == RING_PACKED))
		return ring_complete_packed(ring, reqs, written, n, sums);
	*sums = (struct ring_sums){0, 0};
	return 0;
}

/* Let the driver see what was completed. */
static inline void ring_publish(struct ring *ring)
{
	if (unlikely(!ring->is_live))
		return;
	if (unlikely(ring->marks.config.is_on))
		marks_pushed(ring);
	if (ring->packed)
		packed_publish(ring);
	else if (unlikely(ring->big_endian))
		split_big_publish(ring);
	else
		split_publish(ring);
	if (unlikely(ring->marks.config.is_on))
		marks_published(ring);
	if (unlikely(ring->log))
		inflight_published(ring);
}

/* Was anything published since the last decision? */
static inline bool ring_is_unsignalled(const struct ring *ring)
{
	return ring->used_pos != ring->signal_pos &&
	       likely(ring->way != RING_SLOW || ring->is_live);
}

/*
 * One decision for everything published since the last one: does the driver want an interrupt?  Of
 * a ring that has a short way, and ring_is_unsignalled().
 */
static inline bool ring_wants_signal_short(struct ring *ring)
{
	uint32_t from = ring->signal_pos;

	ring->signal_pos = ring->used_pos;
	return likely(ring->way == RING_SPLIT) ? split_wants_signal(ring, from)
					       : packed_wants_signal(ring, from);
}

/* ... of any ring. */
static inline bool ring_wants_signal(struct ring *ring)
{
	uint32_t from = ring->signal_pos;

	if (!ring_is_unsignalled(ring))
		return false;
	ring->signal_pos = ring->used_pos;
	if (unlikely(!ring->signal_valid)) {
		/* We do not know since when the driver has been waiting. */
		ring->signal_valid = true;
		ring_choose_way(ring);
		return true;
	}
	if (ring->packed)
		return packed_wants_signal(ring, from);
	return unlikely(ring->big_endian) ? split_big_wants_signal(ring, from)
					  : split_wants_signal(ring, from);
}

/*
 * Ask for notifications.  True if something came since the last look, or the ring broke: nothing
 * need be waited for.
 */
static inline bool ring_arm(struct ring *ring)
{
	if (likely(ring->way == RING_SPLIT))
		return split_arm(ring);
	return ring->way == RING_PACKED ? packed_arm(ring) : ring_arm_slow(ring);
}

/* Notifications are not needed for now. */
static inline void ring_disarm(struct ring *ring)
{
	if (likely(ring->way == RING_SPLIT))
		split_disarm(ring);
	else if (ring->way == RING_PACKED)
		packed_disarm(ring);
	else
		ring_disarm_slow(ring);
}

#endif
