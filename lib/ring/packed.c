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
	return (struct packed_pos){half & PACKED_SLOT_MASK,
				   packed_lap(half >> PACKED_WRAP_SHIFT & 1)};
}

static uint32_t packed_half_of(struct packed_pos at)
{
	return at.slot | (uint32_t)packed_wrap(at) << PACKED_WRAP_SHIFT;
}

bool packed_base_fits(uint32_t base, uint32_t size)
{
	return packed_pos_of(base).slot < size && packed_pos_of(base >> 16).slot < size;
}

/*
 * User-mode Linux says 0 for a ring that was never used, though its wrap counters begin with 1
 * (§2.8.1), and DPDK's virtio-user 0x8000, of which the used half is 0.  A ring that really got to
 * slot 0 of a lap with wrap counter 0 has descriptors of the lap before: those that were used, and
 * those available anew, have the USED flag.
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
	if (r->is_live && !(r->config.base & ~(UINT32_C(1) << PACKED_WRAP_SHIFT)) &&
	    packed_is_fresh(r))
		r->avail.lap = r->used.lap = packed_lap(true);
	r->seen = r->avail;
}

uint32_t packed_base(const struct ring *r)
{
	return packed_half_of(r->avail) | packed_half_of(r->used) << 16;
}

static int packed_bad_order(struct ring *r)
{
	return ring_break(r, "a readable buffer after a writable one");
}

int packed_not_alone(struct ring *r)
{
	return ring_break(r, "an indirect descriptor that is not alone");
}

int packed_too_long(struct ring *r)
{
	return ring_break(r, "a chain longer than what is free of the ring");
}

/* Add what d points to; its flags were read, its address and length are read here, once. */
static inline int packed_add(struct chain *c, const struct packed_desc *d, uint32_t part)
{
	return chain_add(c, le64_read_once(&d->addr), le32_read_once(&d->len), part);
}

/* A whole chain of descriptors in an array, of which only address, length and WRITE count. */
static inline __attribute__((always_inline)) int
packed_walk_array(struct ring *r, struct req *req, const struct packed_desc *d, uint32_t n)
{
	const struct packed_desc *end = d + n;
	struct chain c;
	int err;

	chain_begin(&c, r, req);
	for (; d < end; d++) {
		if (le16_read_once(&d->flags) & DESC_F_WRITE)
			break;
		err = packed_add(&c, d, 0);
		if (unlikely(err))
			return err;
	}
	chain_end_readable(&c);
	for (; d < end; d++) {
		if (unlikely(!(le16_read_once(&d->flags) & DESC_F_WRITE)))
			return packed_bad_order(r);
		err = packed_add(&c, d, DESC_F_WRITE);
		if (unlikely(err))
			return err;
	}
	chain_end(&c);
	return 0;
}

int packed_walk_copy(struct ring *r, struct req *req, const struct packed_desc *d, uint32_t n)
{
	return packed_walk_array(r, req, d, n);
}

/* §2.8.7: the table of descriptors that d points to, which is the whole chain. */
int packed_walk_table(struct ring *r, struct req *req, const struct packed_desc *d)
{
	const void *table;
	uint32_t n;
	int err = indirect_open(r, le64_read_once(&d->addr), le32_read_once(&d->len), &table, &n);

	return unlikely(err) ? err : packed_walk_array(r, req, table, n);
}

/*
 * Where a take has got to.  It has a place of its own, so that the ring's is written once for all
 * that is taken.
 */
struct packed_cursor {
	const struct packed_desc *d; /* the slot that is next */
	uint32_t run;		     /* slots from there that are not in use, to the ring's end */
	uint32_t from;		     /* run when the chain began, as if there were no end */
	uint32_t wanted;	     /* the flags of what is available, on this lap */
};

static inline struct packed_cursor packed_cursor(const struct ring *r)
{
	uint32_t room = r->size - r->outstanding_slots, run = r->size - r->avail.slot;

	return (struct packed_cursor){
		.d = packed_ring(r) + r->avail.slot,
		.run = run < room ? run : room,
		.wanted = packed_flags_available(r->avail.lap),
	};
}

/*
 * Its run is over.  If that is the ring's end, go on at its start, where as many slots are not in
 * use as lie between those that are and where the take began.  Is there any?
 */
static inline bool packed_go_round(const struct ring *r, struct packed_cursor *at)
{
	if (at->d != packed_ring(r) + r->size)
		return false;
	at->d = packed_ring(r);
	at->wanted ^= PACKED_F_AVAIL | PACKED_F_USED;
	at->run = r->avail.slot - r->outstanding_slots;
	at->from += at->run;
	return at->run;
}

/*
 * Walk the chain whose first descriptor's flags were read into its request: readable descriptors,
 * then writable ones; part is what is being walked, 0 or DESC_F_WRITE, and in flags WRITE means
 * that a descriptor is of the other part.  0; CHAIN_STARVED, CHAIN_WAITS; -EIO.
 */
static inline __attribute__((always_inline)) int
packed_walk(struct ring *r, struct req *req, struct packed_cursor *at, uint32_t flags)
{
	uint32_t part = 0;
	struct chain c;
	int err;

	chain_begin(&c, r, req);
	for (;;) {
		if (flags & (DESC_F_WRITE | DESC_F_INDIRECT)) {
			/* One that is alone is no walk's: packed_walk_chain(). */
			if (unlikely(flags & DESC_F_INDIRECT))
				return packed_not_alone(r);
			if (unlikely(part))
				return packed_bad_order(r);
			chain_end_readable(&c);
			part = DESC_F_WRITE;
		}
		err = packed_add(&c, at->d, part);
		if (unlikely(err))
			return err;
		at->d++;
		at->run--;
		if (!(flags & DESC_F_NEXT))
			break;
		if (unlikely(!at->run) && !packed_go_round(r, at))
			return packed_too_long(r);
		flags = le16_read_once(&at->d->flags) ^ part;
	}
	if (unlikely(!part))
		chain_end_readable(&c);
	chain_end(&c);
	return 0;
}

/*
 * The chain that begins there, whose flags were read: one descriptor, a table, or more.  As
 * packed_walk(), which sees what something is that is out of the ordinary.
 *
 * The id is the driver's own: it is given back to it and indexes nothing here, whatever it is.
 */
static inline __attribute__((always_inline)) int
packed_walk_chain(struct ring *r, struct req *req, struct packed_cursor *at, uint32_t flags)
{
	const struct packed_desc *d = at->d;
	int err = 0;

	if (flags & DESC_F_NEXT)
		return packed_walk(r, req, at, flags);
	if (unlikely(flags & DESC_F_INDIRECT))
		err = packed_walk_table(r, req, d);
	else if (unlikely(!chain_single(r, req, le64_read_once(&d->addr), le32_read_once(&d->len),
					flags & DESC_F_WRITE)))
		return packed_walk(r, req, at, flags);
	at->d++;
	at->run--;
	return err;
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

/* Taking is looking: what is taken was seen, and found out only when somebody asks. */
static void packed_see_taken(struct ring *r)
{
	if ((int32_t)(r->next_pos - r->seen_pos) < 0)
		return;
	r->seen_pos = r->next_pos;
	r->seen = r->avail;
}

void packed_see_more(struct ring *r)
{
	packed_see_taken(r);
	if (r->seen_pos == r->next_pos || r->starved || r->waits)
		packed_see(r);
}

/* All slots are in use; only a driver that takes back what it gave can say otherwise. */
static __attribute__((noinline)) int packed_is_full(struct ring *r, const struct packed_desc *d,
						    uint32_t wanted)
{
	return packed_flags_say(packed_flags(d), wanted) ? packed_too_long(r) : 0;
}

int packed_take(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	struct packed_cursor at = packed_cursor(r);
	uint32_t before = r->next_pos, n;
	int err = 0;

	for (n = 0; n < max; n++) {
		struct req *req;
		uint32_t flags;

		if (unlikely(!at.run) && !packed_go_round(r, &at)) {
			err = packed_is_full(r, at.d, at.wanted);
			break;
		}
		flags = packed_flags(at.d);
		if (!packed_flags_say(flags, at.wanted))
			return packed_took(r, n, r->next_pos - before);
		req = pool_take(r);
		at.from = at.run;
		err = packed_walk_chain(r, req, &at, flags);
		if (unlikely(err)) {
			chain_release(r, req);
			pool_put(r, req);
			break;
		}
		/* The last one has the id. */
		req->id = le16_read_once(&at.d[-1].id);
		req->slots = (uint16_t)(at.from - at.run);
		req->pos = r->next_pos;
		r->next_pos += at.from - at.run;
		if (unlikely(r->has_extras))
			ring_took(r, req);
		RING_PROBE(take, r, req, req->pub.readable_len);
		reqs[n] = &req->pub;
	}
	packed_took(r, n, r->next_pos - before);
	packed_see_more(r);
	return err < 0 && !n ? err : (int)n;
}

void packed_put_back(struct ring *r, const struct req *req)
{
	packed_see_taken(r);
	r->next_pos -= req->slots;
	if (r->avail.slot < req->slots) {
		r->avail.slot += r->size;
		r->avail.lap ^= PACKED_F_AVAIL | PACKED_F_USED;
	}
	r->avail.slot -= req->slots;
}

int packed_look(struct ring *r)
{
	packed_see_taken(r);
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

	packed_see_taken(r);
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
