/* SPDX-License-Identifier: MIT */
/*
 * The packed layout: virtio 1.3 §2.8.  Queue thread.
 *
 * One ring of descriptors that driver and device write in turn; two small areas say when each
 * wants to hear of the other.  A chain takes consecutive slots; the last one has its buffer id.
 */
#include "ring/packed.h"

#include <errno.h>

#include "base/probe.h"
#include "ring/chain.h"
#include "ring/indirect.h"
#include "ring/inflight.h"

uint64_t packed_desc_bytes(uint32_t size)
{
	return (uint64_t)size * sizeof(struct packed_desc);
}

uint64_t packed_event_bytes(void)
{
	return 2 * sizeof(uint16_t);
}

/* vhost-user "Vring descriptor indices for packed virtqueues". */
static struct packed_pos packed_pos_of(uint32_t half)
{
	return (struct packed_pos){half & PACKED_SLOT_MASK, half >> PACKED_WRAP_SHIFT & 1};
}

static uint32_t packed_half_of(struct packed_pos at)
{
	return at.slot | (uint32_t)at.wrap << PACKED_WRAP_SHIFT;
}

bool packed_base_fits(uint32_t base, uint32_t size)
{
	return packed_pos_of(base).slot < size && packed_pos_of(base >> 16).slot < size;
}

/*
 * User-mode Linux says 0 for a ring that was never used, though its wrap counters begin with 1
 * (§2.8.1).  A ring that really got to slot 0 of a lap with wrap counter 0 has descriptors of the
 * lap before: those that were used, and those available anew, have the USED flag.
 */
static bool packed_is_fresh(const struct ring *r)
{
	for (uint32_t i = 0; i < r->size; i++)
		if (le16_read_once(&packed_ring(r)[i].flags) & PACKED_F_USED)
			return false;
	return true;
}

void packed_begin(struct ring *r)
{
	r->avail = packed_pos_of(r->config.base);
	r->used = packed_pos_of(r->config.base >> 16);
	if (r->is_live && !r->config.base && packed_is_fresh(r))
		r->avail.wrap = r->used.wrap = true;
	r->seen = r->avail;
}

uint32_t packed_base(const struct ring *r)
{
	return packed_half_of(r->avail) | packed_half_of(r->used) << 16;
}

/* A descriptor, read once into private memory. */
struct packed_copy {
	uint64_t addr;
	uint32_t len;
	uint32_t rest; /* id, flags << 16 */
};

enum { PACKED_WRITE = DESC_F_WRITE << 16, PACKED_INDIRECT = DESC_F_INDIRECT << 16 };

static inline struct packed_copy packed_read(const struct packed_desc *d)
{
	return (struct packed_copy){
		.addr = le64_read_once(&d->addr),
		.len = le32_read_once(&d->len),
		.rest = le32_read_once((const uint32_t *)(const void *)&d->id),
	};
}

static inline bool copy_has(struct packed_copy d, uint32_t flags)
{
	return d.rest & flags << 16;
}

static int packed_bad_order(struct ring *r)
{
	return ring_break(r, "a readable buffer after a writable one");
}

static int packed_not_alone(struct ring *r)
{
	return ring_break(r, "an indirect descriptor that is not alone");
}

static int packed_too_long(struct ring *r)
{
	return ring_break(r, "a chain longer than what is free of the ring");
}

/* A whole chain of descriptors in an array, of which only address, length and WRITE count. */
static int packed_walk_array(struct chain *out, const struct packed_desc *d, uint32_t n)
{
	const struct packed_desc *end = d + n;
	struct chain c = *out;
	int err = 0;

	for (; d < end; d++) {
		struct packed_copy copy = packed_read(d);

		if (copy_has(copy, DESC_F_WRITE))
			break;
		err = chain_add(&c, copy.addr, copy.len, false);
		if (unlikely(err))
			goto out;
	}
	chain_end_readable(&c);
	for (; d < end; d++) {
		struct packed_copy copy = packed_read(d);

		if (unlikely(!copy_has(copy, DESC_F_WRITE)))
			err = packed_bad_order(c.ring);
		else
			err = chain_add(&c, copy.addr, copy.len, true);
		if (unlikely(err))
			goto out;
	}
out:
	*out = c;
	return err;
}

/* §2.8.7: a table of descriptors, which is the whole chain. */
static int packed_walk_table(struct chain *c, uint64_t addr, uint32_t len)
{
	const void *table;
	uint32_t n;
	int err = indirect_open(c->ring, addr, len, &table, &n);

	return unlikely(err) ? err : packed_walk_array(c, table, n);
}

/*
 * The request for the next chain; it stays on the stack until that is taken.  There is one: each
 * that is outstanding has at least one slot.
 */
static inline struct req *packed_unused(struct ring *r)
{
	if (unlikely(!r->n_free))
		r->free_reqs[r->n_free++] = pool_begin(r, r->begun);
	return r->free_reqs[r->n_free - 1];
}

/*
 * With an in-flight log chains are walked in a private copy, log->noted, which is also what the
 * log gets, and what was found in one is walked the same way.  As packed_walk().
 */
static int packed_walk_noted(struct ring *r, struct req *req, uint32_t n)
{
	const struct packed_desc *noted = r->log->noted;
	struct packed_copy last = packed_read(&noted[n - 1]);
	struct chain c;
	int err;

	for (uint32_t i = 0; i < n; i++)
		if (copy_has(packed_read(&noted[i]), DESC_F_INDIRECT) &&
		    (n > 1 || copy_has(last, DESC_F_NEXT)))
			return packed_not_alone(r);
	chain_begin(&c, r, req);
	if (copy_has(last, DESC_F_INDIRECT))
		err = packed_walk_table(&c, last.addr, last.len);
	else
		err = packed_walk_array(&c, noted, n);
	if (err)
		return err < 0 ? err : 0;
	req->id = (uint16_t)last.rest;
	req->slots = (uint16_t)n;
	chain_end(&c);
	return (int)n;
}

/* Copy a chain from the ring to log->noted, each descriptor once; its slots, or -EIO. */
static int packed_note(struct ring *r, uint32_t slot, uint32_t room)
{
	struct packed_pos at = {slot, false};

	for (uint32_t n = 0; n < room; n++) {
		struct packed_copy copy = packed_read(&packed_ring(r)[at.slot]);
		struct packed_desc *to = &r->log->noted[n];

		to->addr = LE64(copy.addr);
		to->len = LE32(copy.len);
		to->id = LE16((uint16_t)copy.rest);
		to->flags = LE16((uint16_t)(copy.rest >> 16));
		if (!copy_has(copy, DESC_F_NEXT))
			return (int)n + 1;
		packed_advance(r, &at, 1);
	}
	return packed_too_long(r);
}

static int packed_walk_logged(struct ring *r, struct req *req, uint32_t slot, uint32_t room)
{
	int n = packed_note(r, slot, room);

	return n < 0 ? n : packed_walk_noted(r, req, (uint32_t)n);
}

int packed_take_noted(struct ring *r, uint32_t n, uint16_t entry, uint16_t last, struct req **out)
{
	struct req *req = packed_unused(r);
	int slots = packed_walk_noted(r, req, n);

	if (slots <= 0) {
		chain_release(r, req);
		return slots < 0 ? slots : CHAIN_STARVED;
	}
	ring_took(r, req);
	r->n_free--;
	r->taken++;
	req->pos = r->next_pos;
	req->log_entry = entry;
	req->log_last = last;
	*out = req;
	return 0;
}

/*
 * Walk the chain that begins at a slot into its request: readable descriptors, then writable ones;
 * part is what is being walked, 0 or PACKED_WRITE.  room: slots that are not in use.  Its slots;
 * 0: CHAIN_STARVED; -EIO.
 *
 * The id is the driver's own: it is given back to it and indexes nothing here, whatever it is.
 */
static inline __attribute__((always_inline)) int packed_walk(struct ring *r, struct req *req,
							     uint32_t slot, uint32_t room)
{
	const struct packed_desc *d = packed_ring(r) + slot, *end = packed_ring(r) + r->size;
	uint32_t part = 0, left = room;
	struct packed_copy copy;
	struct chain c;
	int err;

	chain_begin(&c, r, req);
	for (;;) {
		copy = packed_read(d);
		if ((copy.rest & (PACKED_WRITE | PACKED_INDIRECT)) != part) {
			if (unlikely(copy_has(copy, DESC_F_INDIRECT))) {
				/* A copy: so that c itself can stay in registers. */
				struct chain table = c;

				if (left != room || copy_has(copy, DESC_F_NEXT))
					return packed_not_alone(r);
				err = packed_walk_table(&table, copy.addr, copy.len);
				if (unlikely(err))
					return err < 0 ? err : 0;
				c.seg = table.seg;
				c.len = table.len;
				break;
			}
			if (unlikely(part))
				return packed_bad_order(r);
			chain_end_readable(&c);
			part = PACKED_WRITE;
		}
		err = chain_add(&c, copy.addr, copy.len, part);
		if (unlikely(err))
			return err < 0 ? err : 0;
		if (!copy_has(copy, DESC_F_NEXT)) {
			if (unlikely(!part))
				chain_end_readable(&c);
			break;
		}
		if (unlikely(!--left))
			return packed_too_long(r);
		if (unlikely(++d == end))
			d = packed_ring(r);
	}
	req->id = (uint16_t)copy.rest;
	req->slots = (uint16_t)(room - left + 1);
	chain_end(&c);
	return req->slots;
}

/* Move on what we have seen to the first slot that is not available. */
static bool packed_see(struct ring *r)
{
	uint32_t before = r->seen_pos;

	while (r->seen_pos - r->next_pos + r->outstanding_slots < r->size &&
	       packed_is_available(r, r->seen)) {
		packed_advance(r, &r->seen, 1);
		r->seen_pos++;
	}
	return r->seen_pos != before;
}

/* Taking is looking: as far as the first slot that is not available, which may not be known. */
static inline void packed_took(struct ring *r, bool is_more)
{
	if ((int32_t)(r->next_pos - r->seen_pos) >= 0) {
		r->seen_pos = r->next_pos;
		r->seen = r->avail;
	}
	if (unlikely(is_more) && (r->seen_pos == r->next_pos || r->starved || r->waits))
		packed_see(r);
}

/*
 * The chain that begins at d, whose flags were read: one descriptor is all of it at once.  If it is
 * more, the walk begins anew, and knows nothing of what was read here.  As packed_walk().
 */
static inline __attribute__((always_inline)) int packed_walk_chain(struct ring *r, struct req *req,
								   const struct packed_desc *d,
								   uint16_t flags, uint32_t room)
{
	if (!(flags & (DESC_F_NEXT | DESC_F_INDIRECT)) &&
	    likely(chain_single(r, req, le64_read_once(&d->addr), le32_read_once(&d->len),
				flags & DESC_F_WRITE))) {
		req->id = le16_read_once(&d->id);
		req->slots = 1;
		return 1;
	}
	return packed_walk(r, req, r->avail.slot, room);
}

/*
 * Take the chain at the next slot, which is d, and whose flags say that it is available.  Its
 * slots; 0: CHAIN_STARVED; -EIO.
 */
static inline __attribute__((always_inline)) int
packed_take_one(struct ring *r, const struct packed_desc *d, uint16_t flags, struct req **out)
{
	uint32_t room = r->size - r->outstanding_slots;
	struct req *req;
	int slots;

	/* Only a driver that takes back what it gave can get here. */
	if (unlikely(!room))
		return packed_too_long(r);
	req = packed_unused(r);
	slots = unlikely(r->log) ? packed_walk_logged(r, req, r->avail.slot, room)
				 : packed_walk_chain(r, req, d, flags, room);
	if (unlikely(slots <= 0)) {
		chain_release(r, req);
		return slots;
	}
	if (unlikely(r->has_extras))
		ring_took(r, req);
	r->n_free--;
	r->taken++;
	req->pos = r->next_pos;
	r->next_pos += (uint32_t)slots;
	r->outstanding_slots += (uint32_t)slots;
	packed_advance(r, &r->avail, (uint32_t)slots);
	*out = req;
	return slots;
}

int packed_take(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	struct vu_req **const first = reqs, **const end = reqs + max;
	struct req *req = NULL;
	int slots = 1;

	if (unlikely(!r->is_live))
		return -EIO;
	for (; reqs != end; reqs++) {
		const struct packed_desc *d = packed_ring(r) + r->avail.slot;
		uint16_t flags = packed_flags(d);

		if (!packed_flags_say(flags, r->avail.wrap))
			break;
		slots = packed_take_one(r, d, flags, &req);
		if (unlikely(slots <= 0))
			break;
		*reqs = &req->pub;
		RING_PROBE(take, r, req, req->pub.readable_len);
	}
	packed_took(r, reqs == end || slots <= 0);
	return likely(reqs != first) ? (int)(reqs - first) : slots < 0 ? slots : 0;
}

void packed_put_back(struct ring *r, const struct req *req)
{
	r->next_pos -= req->slots;
	if (r->avail.slot < req->slots) {
		r->avail.slot += r->size;
		r->avail.wrap = !r->avail.wrap;
	}
	r->avail.slot -= req->slots;
}

int packed_look(struct ring *r)
{
	if (r->seen_pos != r->next_pos)
		return packed_see(r);
	/* Usually nothing is left from before, and all of it is about to be taken: how far it goes
	 * need not be seen twice.  Should it be left instead, that is told once more. */
	if (!packed_is_available(r, r->avail))
		return 0;
	packed_advance(r, &r->seen, 1);
	r->seen_pos++;
	return 1;
}

bool packed_arm(struct ring *r)
{
	uint16_t *event = r->device;

	if (r->event_idx) {
		le16_write_once(&event[PACKED_OFF_WRAP], (uint16_t)packed_half_of(r->seen));
		/* Release: the driver reads flags, then off_wrap, or both at once. */
		le16_store_release(&event[PACKED_FLAGS], PACKED_EVENT_DESC);
	} else {
		le16_write_once(&event[PACKED_FLAGS], PACKED_EVENT_ENABLE);
	}
	/* We said what we want and now look; the driver writes descriptors and then reads what we
	 * want (Linux virtqueue_kick_prepare_packed). */
	full_fence();
	return r->seen_pos - r->next_pos + r->outstanding_slots < r->size &&
	       packed_is_available(r, r->seen);
}
