/* SPDX-License-Identifier: MIT */
/* The packed layout (virtio 1.3 §2.8).  Contract: see ring.h. */
#ifndef RING_PACKED_H
#define RING_PACKED_H

#include "base/atomics.h"
#include "ring/ring.h"

/* Flags of a descriptor besides NEXT, WRITE and INDIRECT (§2.8.1). */
enum { PACKED_F_AVAIL = 1 << 7, PACKED_F_USED = 1 << 15 };
/* §2.8.10: the event areas are two 16-bit words, and what their flags say. */
enum { PACKED_OFF_WRAP, PACKED_FLAGS };
enum { PACKED_EVENT_ENABLE, PACKED_EVENT_DISABLE, PACKED_EVENT_DESC };
enum { PACKED_WRAP_SHIFT = 15, PACKED_SLOT_MASK = (1 << PACKED_WRAP_SHIFT) - 1 };

/* §2.8.13; little-endian. */
struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

uint64_t packed_desc_bytes(uint32_t size);
uint64_t packed_event_bytes(void);

/* Is this a base that a ring of that size can have? */
bool packed_base_fits(uint32_t base, uint32_t size);
void packed_begin(struct ring *ring);
uint32_t packed_base(const struct ring *ring);
int packed_take(struct ring *ring, struct vu_req **reqs, uint32_t max);
/* packed_noted.c: the same of a ring with an in-flight log. */
int packed_take_logged(struct ring *ring, struct vu_req **reqs, uint32_t max);
/*
 * ... and of a chain in there: n descriptors in log->noted, entries `entry` to `last` of the log.
 * 0, CHAIN_STARVED, -EIO.  Its slots count as taken already.
 */
int packed_take_noted(struct ring *ring, uint32_t n, uint16_t entry, uint16_t last,
		      struct req **req);
/* See ring_look() and ring_arm(). */
int packed_look(struct ring *ring);
bool packed_arm(struct ring *ring);
void packed_put_back(struct ring *ring, const struct req *req);

/* For packed_noted.c.  Break the ring; -EIO. */
int packed_not_alone(struct ring *ring);
int packed_too_long(struct ring *ring);
/* Walk the table that a descriptor points to, or n descriptors.  0, CHAIN_STARVED, ... , -EIO. */
int packed_walk_table(struct ring *ring, struct req *req, const struct packed_desc *d);
int packed_walk_copy(struct ring *ring, struct req *req, const struct packed_desc *d, uint32_t n);
/* A take has ended, and not because there was no more: how far that goes is not known. */
void packed_see_more(struct ring *ring);

static inline struct packed_desc *packed_ring(const struct ring *r)
{
	return (struct packed_desc *)r->desc;
}

/* Move a slot on, or its wrap counter over. */
static inline void packed_advance(const struct ring *r, struct packed_pos *at, uint32_t slots)
{
	uint32_t slot = at->slot + slots;

	at->slot = slot;
	if (slot >= r->size) {
		at->slot = slot - r->size;
		at->lap ^= PACKED_F_AVAIL | PACKED_F_USED;
	}
}

/* Acquire pairs with the driver's wmb before it writes the flags (Linux virtqueue_add_packed). */
static inline uint16_t packed_flags(const struct packed_desc *d)
{
	return le16_load_acquire(&d->flags);
}

/* The lap with this wrap counter: both flags of a slot that is used are as it is. */
static inline uint32_t packed_lap(bool wrap)
{
	return wrap ? PACKED_F_AVAIL | PACKED_F_USED : 0;
}

static inline bool packed_wrap(struct packed_pos at)
{
	return at.lap;
}

/* The two flags of a slot that is available on this lap: AVAIL is the wrap counter, USED is not. */
static inline uint32_t packed_flags_available(uint32_t lap)
{
	return lap ^ PACKED_F_USED;
}

static inline bool packed_flags_say(uint32_t flags, uint32_t wanted)
{
	return (flags & (PACKED_F_AVAIL | PACKED_F_USED)) == wanted;
}

static inline bool packed_is_available(const struct ring *r, struct packed_pos at)
{
	return packed_flags_say(packed_flags(&packed_ring(r)[at.slot]),
				packed_flags_available(at.lap));
}

/* So many requests more are taken, of so many slots; how many requests. */
static inline int packed_took(struct ring *r, uint32_t n, uint32_t slots)
{
	packed_advance(r, &r->avail, slots);
	r->taken += n;
	r->outstanding_slots += slots;
	return (int)n;
}

/* Write the id and length of a used descriptor; returns the flags that make it visible. */
static inline uint16_t packed_fill_at(struct packed_desc *d, uint32_t flags, const struct req *req,
				      uint32_t written)
{
	d->id = LE16(req->id);
	d->len = LE32(written);
	/* WRITE: len means something (§2.8.4) */
	return (uint16_t)(flags + 2 * (written != 0));
}

/* ... of the next one. */
static inline uint16_t packed_fill(struct ring *r, const struct req *req, uint32_t written)
{
	uint16_t flags = packed_fill_at(&packed_ring(r)[r->used.slot], r->used.lap, req, written);

	packed_advance(r, &r->used, req->slots);
	r->used_pos += req->slots;
	return flags;
}

/*
 * Write a used descriptor.  The flags make it visible: those of a batch's first are kept back
 * until packed_publish(), and as drivers go in order, the others are not looked at before.
 */
static inline void packed_push(struct ring *r, const struct req *req, uint32_t written)
{
	uint32_t slot = r->used.slot;
	uint16_t flags = packed_fill(r, req, written);

	if (r->is_batch) {
		le16_write_once(&packed_ring(r)[slot].flags, flags);
	} else {
		r->is_batch = true;
		r->batch_slot = slot;
		r->batch_flags = flags;
	}
}

/*
 * Push and publish one, and have done with it.  Should a batch be pushed and not published, it is
 * in front, and the driver looks at that first.
 */
static inline void packed_use(struct ring *r, struct req *req, uint32_t written)
{
	struct packed_pos used = r->used;
	struct packed_desc *d = &packed_ring(r)[used.slot];
	uint32_t slots = req->slots;

	/* Release: see packed_publish(). */
	le16_store_release(&d->flags, packed_fill_at(d, used.lap, req, written));
	packed_advance(r, &used, slots);
	r->used = used;
	r->used_pos += slots;
	r->outstanding_slots -= slots;
	pool_put(r, req);
}

static inline void packed_publish(struct ring *r)
{
	if (!r->is_batch)
		return;
	r->is_batch = false;
	/* Release pairs with the driver's rmb after it read the flags (Linux
	 * virtqueue_get_buf_ctx_packed): it sees the batch and the data. */
	le16_store_release(&packed_ring(r)[r->batch_slot].flags, r->batch_flags);
}

/* A request and its slots are free again. */
static inline void packed_free(struct ring *r, struct req *req)
{
	r->outstanding_slots -= req->slots;
	pool_put(r, req);
}

/* As split_wants_signal(). */
static inline bool packed_wants_signal(const struct ring *r, uint32_t from)
{
	uint32_t to = r->used_pos;
	uint16_t flags, off_wrap, event;

	/* We published and now read what the driver wants; it writes what it wants and then looks
	 * for used descriptors (Linux virtqueue_enable_cb_prepare_packed, virtqueue_poll). */
	full_fence();
	flags = le16_load_acquire(&r->driver[PACKED_FLAGS]);
	if (flags == PACKED_EVENT_DISABLE)
		return false;
	if (flags != PACKED_EVENT_DESC || !r->event_idx || to - from >= r->size)
		return true;
	off_wrap = le16_read_once(&r->driver[PACKED_OFF_WRAP]);
	event = off_wrap & PACKED_SLOT_MASK;
	if (off_wrap >> PACKED_WRAP_SHIFT != packed_wrap(r->used))
		event = (uint16_t)(event - r->size);
	/* §2.8.10: was the slot that it waits for among the new ones? */
	return (uint16_t)((uint16_t)r->used.slot - event - 1) < (uint16_t)(to - from);
}

static inline void packed_disarm(struct ring *r)
{
	le16_write_once(&r->device[PACKED_FLAGS], PACKED_EVENT_DISABLE);
}

#endif
