/* SPDX-License-Identifier: MIT */
/*
 * Packed rings with an in-flight log: chains are walked in a private copy, log->noted, which is
 * also what the log gets, and what was found in one is walked the same way.  Queue thread.
 */
#include "base/probe.h"
#include "ring/chain.h"
#include "ring/indirect.h"
#include "ring/inflight.h"
#include "ring/packed.h"

/* Copy the chain at the next slot, each descriptor once; its slots, or -EIO. */
static int packed_note(struct ring *r)
{
	uint32_t room = r->size - r->outstanding_slots;
	struct packed_pos at = r->avail;

	for (uint32_t n = 0; n < room; n++) {
		const struct packed_desc *d = &packed_ring(r)[at.slot];
		uint16_t flags = le16_read_once(&d->flags);

		r->log->noted[n] = (struct packed_desc){
			.addr = LE64(le64_read_once(&d->addr)),
			.len = LE32(le32_read_once(&d->len)),
			.id = LE16(le16_read_once(&d->id)),
			.flags = LE16(flags),
		};
		if (!(flags & DESC_F_NEXT))
			return (int)n + 1;
		packed_advance(r, &at, 1);
	}
	return packed_too_long(r);
}

/* Walk what was noted.  0, CHAIN_STARVED, CHAIN_WAITS, -EIO. */
static int packed_walk_noted(struct ring *r, struct req *req, uint32_t n)
{
	const struct packed_desc *noted = r->log->noted;
	uint16_t last = LE16(noted[n - 1].flags);

	for (uint32_t i = 0; i < n; i++)
		if (LE16(noted[i].flags) & DESC_F_INDIRECT && (n > 1 || last & DESC_F_NEXT))
			return packed_not_alone(r);
	return last & DESC_F_INDIRECT ? packed_walk_table(r, req, noted)
				      : packed_walk_copy(r, req, noted, n);
}

/* Make a request of what was noted.  As packed_walk_noted(). */
static int packed_take_chain(struct ring *r, uint32_t n, struct req **out)
{
	struct req *req = pool_take(r);
	int err;

	err = packed_walk_noted(r, req, n);
	if (err) {
		chain_release(r, req);
		pool_put(r, req);
		return err;
	}
	req->id = LE16(r->log->noted[n - 1].id);
	req->slots = (uint16_t)n;
	req->pos = r->next_pos;
	ring_took(r, req);
	*out = req;
	return 0;
}

int packed_take_noted(struct ring *r, uint32_t n, uint16_t entry, uint16_t last, struct req **out)
{
	int err = packed_take_chain(r, n, out);

	if (err)
		return err < 0 ? err : CHAIN_STARVED;
	packed_took(r, 1, 0);
	(*out)->log_entry = entry;
	(*out)->log_last = last;
	return 0;
}

int packed_take_logged(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	int err = 0;
	uint32_t n;

	for (n = 0; n < max && packed_is_available(r, r->avail); n++) {
		int slots = packed_note(r);
		struct req *req;

		err = slots < 0 ? slots : packed_take_chain(r, (uint32_t)slots, &req);
		if (err)
			break;
		r->next_pos += (uint32_t)slots;
		packed_took(r, 1, (uint32_t)slots);
		reqs[n] = &req->pub;
		RING_PROBE(take, r, req, req->pub.readable_len);
	}
	if (n == max || err)
		packed_see_more(r);
	return n ? (int)n : err < 0 ? err : 0;
}
