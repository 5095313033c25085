/* SPDX-License-Identifier: MIT */
/*
 * Many requests finished at once, as nearly all of them are: nothing about them is out of the
 * ordinary.  Queue thread.
 *
 * A function of its own for each layout, called once for a batch: its loop has the registers for
 * itself.
 */
#include "ring/hot.h"

/* Is it no more than there is room for, and can a used entry say it? */
static inline bool req_may_say(const struct req *req, uint64_t written)
{
	return !(written >> 32) && written <= req->pub.writable_len;
}

/* Is there nothing more to do about its completion than to write the used entry? */
static inline bool req_is_plain(const struct req *req, const struct ring *ring, uint64_t written)
{
	return req->ring == ring && req->state == REQ_OUT && req_may_say(req, written);
}

uint32_t ring_complete_split(struct ring *ring, struct vu_req *const *reqs, const uint64_t *written,
			     uint32_t n, struct ring_sums *sums)
{
	struct split_used *entries = split_entries(ring);
	uint32_t pos = ring->used_pos, mask = ring->mask, i;
	uint64_t readable = 0, total = 0;

	for (i = 0; i < n; i++) {
		struct req *req = (struct req *)reqs[i];
		uint64_t len = written[i];

		if (unlikely(!req_is_plain(req, ring, len)))
			break;
		readable += req->pub.readable_len;
		total += len;
		entries[(pos + i) & mask] =
			(struct split_used){LE32((uint32_t)req->id), LE32((uint32_t)len)};
		req->state = REQ_FREE;
		RING_PROBE(complete, ring, req, len);
		if (unlikely(req->odd))
			ring_drop_odd(ring, req);
	}
	ring->used_pos = pos + i;
	ring->done += i;
	split_publish(ring);
	*sums = (struct ring_sums){readable, total};
	return i;
}

/*
 * The same of a packed ring.  The flags make a used descriptor visible: as drivers go in order,
 * those of the first are written last.
 */
uint32_t ring_complete_packed(struct ring *ring, struct vu_req *const *reqs,
			      const uint64_t *written, uint32_t n, struct ring_sums *sums)
{
	struct packed_desc *first = packed_ring(ring) + ring->used.slot, *d = first;
	struct packed_desc *end = packed_ring(ring) + ring->size;
	uint32_t lap = ring->used.lap;
	uint64_t readable = 0, total = 0;
	uint16_t first_flags = 0;
	uint32_t slots = 0, i;

	for (i = 0; i < n; i++) {
		struct req *req = (struct req *)reqs[i];
		uint64_t len = written[i];
		uint16_t flags;

		if (unlikely(!req_is_plain(req, ring, len)))
			break;
		readable += req->pub.readable_len;
		total += len;
		flags = packed_fill_at(d, lap, req, (uint32_t)len);
		if (i)
			le16_write_once(&d->flags, flags);
		else
			first_flags = flags;
		slots += req->slots;
		d += req->slots;
		if (unlikely(d >= end)) {
			d -= ring->size;
			lap ^= PACKED_F_AVAIL | PACKED_F_USED;
		}
		req->state = REQ_FREE;
		pool_put(ring, req);
		RING_PROBE(complete, ring, req, len);
		if (unlikely(req->odd))
			ring_drop_odd(ring, req);
	}
	if (likely(i))
		/* Release: see packed_publish(). */
		le16_store_release(&first->flags, first_flags);
	packed_advance(ring, &ring->used, slots);
	ring->used_pos += slots;
	ring->outstanding_slots -= slots;
	ring->done += i;
	*sums = (struct ring_sums){readable, total};
	return i;
}
