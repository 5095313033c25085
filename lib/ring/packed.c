/* SPDX-License-Identifier: MIT */
/*
 * The packed layout: virtio 1.3 §2.8.  Queue thread.
 *
 * One ring of descriptors that driver and device write in turn; two small areas say when each
 * wants to hear of the other.  A chain takes consecutive slots; the last one has its buffer id.
 */
#include "ring/packed.h"

#include <errno.h>

#include "ring/chain.h"
#include "ring/indirect.h"

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

void packed_begin(struct ring *r)
{
	r->avail = packed_pos_of(r->config.base);
	r->used = packed_pos_of(r->config.base >> 16);
	r->seen = r->avail;
}

uint32_t packed_base(const struct ring *r)
{
	return packed_half_of(r->avail) | packed_half_of(r->used) << 16;
}

/* A descriptor, read once; see struct split_copy. */
struct packed_copy {
	uint64_t addr;
	uint64_t rest; /* len, id << 32, flags << 48 */
};

static inline struct packed_copy packed_read(const struct packed_desc *d)
{
	return (struct packed_copy){
		.addr = le64_read_once(&d->addr),
		.rest = le64_read_once((const uint64_t *)(const void *)&d->len),
	};
}

static inline uint32_t copy_len(struct packed_copy d)
{
	return (uint32_t)d.rest;
}

static inline uint16_t copy_id(struct packed_copy d)
{
	return (uint16_t)(d.rest >> 32);
}

static inline bool copy_has(struct packed_copy d, uint64_t flag)
{
	return d.rest & flag << 48;
}

/* One buffer of a chain; *is_writing becomes true with the first writable one. */
static inline int packed_add(struct chain *c, struct packed_copy d, bool *is_writing)
{
	if (copy_has(d, DESC_F_WRITE)) {
		if (!*is_writing)
			chain_end_readable(c);
		*is_writing = true;
	} else if (unlikely(*is_writing)) {
		return ring_break(c->ring, "a readable buffer after a writable one");
	}
	return chain_add(c, d.addr, copy_len(d));
}

/* §2.8.7: a table of descriptors in order, of which only address, length and WRITE count. */
static int packed_walk_table(struct chain *c, struct packed_copy d, bool *is_writing)
{
	const struct packed_desc *table;
	uint32_t n;
	int err;

	if (copy_has(d, DESC_F_NEXT))
		return ring_break(c->ring, "an indirect descriptor that is not alone");
	err = indirect_open(c->ring, d.addr, copy_len(d), (const void **)&table, &n);
	for (uint32_t i = 0; i < n && !err; i++)
		err = packed_add(c, packed_read(&table[i]), is_writing);
	return err;
}

/* Walk the chain at r->avail into its request.  0, CHAIN_STARVED, -EIO. */
static inline int packed_walk(struct ring *r, struct req *req)
{
	struct packed_pos at = r->avail;
	const struct packed_desc *ring = packed_ring(r);
	bool is_writing = false;
	struct packed_copy d;
	uint32_t slots = 0;
	struct chain c;
	int err;

	chain_begin(&c, r, req);
	for (;;) {
		d = packed_read(&ring[at.slot]);
		if (unlikely(++slots + r->outstanding_slots > r->size))
			return ring_break(r, "a chain longer than what is free of the ring");
		if (unlikely(copy_has(d, DESC_F_INDIRECT))) {
			struct chain slow = c;

			if (slots > 1)
				return ring_break(r, "an indirect descriptor that is not alone");
			err = packed_walk_table(&slow, d, &is_writing);
			c = slow;
		} else {
			err = packed_add(&c, d, &is_writing);
		}
		if (unlikely(err))
			return err;
		if (!copy_has(d, DESC_F_NEXT))
			break;
		packed_advance(r, &at, 1);
	}
	if (!is_writing)
		chain_end_readable(&c);
	req->id = copy_id(d);
	req->slots = (uint16_t)slots;
	chain_end(&c);
	return 0;
}

int packed_take(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	uint32_t n = 0;
	int err = 0;

	if (unlikely(!r->is_live))
		return -EIO;
	for (; n < max && packed_is_available(r, r->avail); n++) {
		struct req *req;

		if (unlikely(!r->n_free)) {
			err = ring_break(r, "more requests than the ring has slots");
			break;
		}
		req = ring_req(r, r->free_reqs[r->n_free - 1]);
		err = packed_walk(r, req);
		if (unlikely(err)) {
			chain_release(r, req);
			break;
		}
		r->n_free--;
		req->pos = r->next_pos;
		r->next_pos += req->slots;
		r->outstanding_slots += req->slots;
		packed_advance(r, &r->avail, req->slots);
		reqs[n] = &req->pub;
	}
	if ((int32_t)(r->next_pos - r->seen_pos) > 0) {
		r->seen_pos = r->next_pos;
		r->seen = r->avail;
	}
	return n ? (int)n : err < 0 ? err : 0;
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

int packed_look(struct ring *r)
{
	/* Usually nothing is left from before, and one look is enough to know. */
	if (r->seen_pos == r->next_pos) {
		if (!packed_is_available(r, r->avail))
			return 0;
		/* The same as last time: it is left on purpose.  See how far that goes. */
		if (r->look_pos == r->next_pos && r->has_looked)
			return packed_see(r);
		r->look_pos = r->next_pos;
		r->has_looked = true;
		return 1;
	}
	return packed_see(r);
}

bool packed_arm(struct ring *r)
{
	uint16_t *event = r->device;

	/* What is left in the ring on purpose is nothing to be told of. */
	if (r->has_looked && r->look_pos == r->next_pos)
		packed_see(r);
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

bool packed_wants_signal(struct ring *r, uint32_t from)
{
	uint16_t flags, off_wrap, event, to = (uint16_t)r->used.slot;

	/* We published and now read what the driver wants; it writes what it wants and then looks
	 * for used descriptors (Linux virtqueue_enable_cb_prepare_packed, virtqueue_poll). */
	full_fence();
	flags = le16_load_acquire(&r->driver[PACKED_FLAGS]);
	if (flags == PACKED_EVENT_DISABLE)
		return false;
	if (flags != PACKED_EVENT_DESC || !r->event_idx || r->used_pos - from >= r->size)
		return true;
	off_wrap = le16_read_once(&r->driver[PACKED_OFF_WRAP]);
	event = off_wrap & PACKED_SLOT_MASK;
	if (off_wrap >> PACKED_WRAP_SHIFT != r->used.wrap)
		event = (uint16_t)(event - r->size);
	/* §2.8.10: was the slot that it waits for among the new ones? */
	return (uint16_t)(to - event - 1) < (uint16_t)(r->used_pos - from);
}
