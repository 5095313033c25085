/* SPDX-License-Identifier: MIT */
/*
 * The driver side of a packed ring (virtio 1.3 §2.8).
 *
 * Invariants: a chain's descriptors are consecutive from `at` on; an id is the first slot of the
 * free list, and slots[id].n says how many descriptors its chain has; the flags of the first
 * descriptor since the last publish are kept back, and those of the others are not looked at
 * before, as devices go in order.
 */
#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "frontend/driver.h"

/* Shared fields are accessed as atomics: the device runs on another thread or in another process.
 */
#define SHARED16(p) ((_Atomic uint16_t *)(void *)(p))

enum { PACKED_MAX_SIZE = 32768, PACKED_WRAP = 1 << 15 };

static uint16_t packed_load(const uint16_t *p, memory_order order)
{
	return le16toh(atomic_load_explicit((const _Atomic uint16_t *)(const void *)p, order));
}

static int packed_init(struct driver_ring *r)
{
	struct driver_packed *p = &r->packed;

	if (!r->size || r->size > PACKED_MAX_SIZE)
		return -EINVAL;
	r->desc_gpa = guest_alloc(r->guest, r->size * sizeof(*p->desc), 16);
	/* Cache lines of their own: the two sides write to different ones. */
	r->avail_gpa = guest_alloc(r->guest, sizeof(*p->driver), 64);
	r->used_gpa = guest_alloc(r->guest, sizeof(*p->device), 64);
	p->desc = guest_ptr(r->guest, r->desc_gpa, r->size * sizeof(*p->desc));
	p->driver = guest_ptr(r->guest, r->avail_gpa, sizeof(*p->driver));
	p->device = guest_ptr(r->guest, r->used_gpa, sizeof(*p->device));
	return p->desc && p->driver && p->device ? 0 : -ENOMEM;
}

static uint16_t packed_half(struct driver_packed_pos at)
{
	return (uint16_t)(at.slot | (at.wrap ? PACKED_WRAP : 0));
}

static void packed_advance(const struct driver_ring *r, struct driver_packed_pos *at, uint32_t n)
{
	at->slot += n;
	if (at->slot >= r->size) {
		at->slot -= r->size;
		at->wrap = !at->wrap;
	}
}

/* Both halves must be the same: nothing is in flight. */
static void packed_set_base(struct driver_ring *r, uint32_t base)
{
	struct driver_packed *p = &r->packed;

	p->at = (struct driver_packed_pos){base & (PACKED_WRAP - 1), base & PACKED_WRAP};
	p->used = p->at;
	p->batch = NULL;
	p->added = p->published = p->kicked = 0;
	r->base = base;
	/* What was used in this lap, and in the one before. */
	for (uint32_t i = 0; i < r->size; i++) {
		bool wrap = i < p->at.slot ? p->at.wrap : !p->at.wrap;

		p->desc[i].flags = htole16(wrap ? DRIVER_PACKED_AVAIL | DRIVER_PACKED_USED : 0);
	}
}

static void packed_reset(struct driver_ring *r)
{
	struct driver_packed *p = &r->packed;

	memset(p->desc, 0, r->size * sizeof(*p->desc));
	memset(p->driver, 0, sizeof(*p->driver));
	memset(p->device, 0, sizeof(*p->device));
	packed_set_base(r, PACKED_WRAP | (uint32_t)PACKED_WRAP << 16);
}

/* The flags that make a descriptor at this place available. */
static uint16_t packed_avail_flags(struct driver_packed_pos at)
{
	return at.wrap ? DRIVER_PACKED_AVAIL : DRIVER_PACKED_USED;
}

/* A descriptor at the next free slot; flags without those of §2.8.1. */
static void packed_fill(struct driver_ring *r, uint64_t addr, uint32_t len, uint16_t id,
			uint16_t flags)
{
	struct driver_packed *p = &r->packed;
	struct driver_packed_desc *d = &p->desc[p->at.slot];

	d->addr = htole64(addr + r->iova_offset);
	d->len = htole32(len);
	d->id = htole16(id);
	flags = htole16(flags | packed_avail_flags(p->at));
	if (p->batch) {
		atomic_store_explicit(SHARED16(&d->flags), flags, memory_order_relaxed);
	} else {
		p->batch = d;
		p->batch_flags = flags;
	}
	packed_advance(r, &p->at, 1);
	p->added++;
}

static uint16_t packed_direction(const struct driver_seg *seg)
{
	return seg->write ? DRIVER_DESC_WRITE : 0;
}

/* Only address, length and WRITE mean something in a table (§2.8.7). */
static void packed_write_table(const struct driver_ring *r, struct driver_split_desc *table,
			       const struct driver_seg *segs, uint32_t n)
{
	struct driver_packed_desc *d = (struct driver_packed_desc *)(void *)table;

	for (uint32_t i = 0; i < n; i++)
		d[i] = (struct driver_packed_desc){
			.addr = htole64(segs[i].gpa + r->iova_offset),
			.len = htole32(segs[i].len),
			.flags = htole16(packed_direction(&segs[i])),
		};
}

/* The next id, for a chain of n descriptors. */
static uint32_t packed_take_id(struct driver_ring *r, uint32_t n, void *cookie)
{
	uint32_t id = r->free_head;

	r->free_head = r->slots[id].next;
	r->n_free -= n;
	r->slots[id].n = n;
	r->slots[id].cookie = cookie;
	return id;
}

static int packed_add(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
		      void *cookie)
{
	uint32_t i, id;

	if (!n)
		return -EINVAL;
	if (n > r->n_free)
		return -ENOSPC;
	id = packed_take_id(r, n, cookie);
	for (i = 0; i + 1 < n; i++)
		packed_fill(r, segs[i].gpa, segs[i].len, (uint16_t)id,
			    packed_direction(&segs[i]) | DRIVER_DESC_NEXT);
	packed_fill(r, segs[i].gpa, segs[i].len, (uint16_t)id, packed_direction(&segs[i]));
	return (int)id;
}

/* §2.8.7 allows no direct ones in front: n is not 0 only to see what a device makes of them. */
static int packed_add_table(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
			    uint64_t table, uint32_t table_bytes, void *cookie)
{
	uint32_t id;

	if (n >= r->n_free)
		return -ENOSPC;
	id = packed_take_id(r, n + 1, cookie);
	for (uint32_t i = 0; i < n; i++)
		packed_fill(r, segs[i].gpa, segs[i].len, (uint16_t)id,
			    packed_direction(&segs[i]) | DRIVER_DESC_NEXT);
	packed_fill(r, table, table_bytes, (uint16_t)id, DRIVER_DESC_INDIRECT);
	return (int)id;
}

static void packed_publish(struct driver_ring *r)
{
	struct driver_packed *p = &r->packed;

	if (!p->batch)
		return;
	/* Pairs with the device's acquire load of the flags. */
	atomic_store_explicit(SHARED16(&p->batch->flags), p->batch_flags, memory_order_release);
	p->batch = NULL;
	p->published = p->added;
}

static bool packed_wants_kick(struct driver_ring *r)
{
	struct driver_packed *p = &r->packed;
	uint32_t n = p->published - p->kicked;
	uint16_t flags, off_wrap, event;

	p->kicked = p->published;
	/* Pairs with the device's fence between asking for kicks and looking once more. */
	atomic_thread_fence(memory_order_seq_cst);
	flags = packed_load(&p->device->flags, memory_order_acquire);
	if (!r->event_idx || flags != DRIVER_EVENT_DESC)
		return flags != DRIVER_EVENT_DISABLE && (n || !r->event_idx);
	if (n > r->size)
		return true;
	off_wrap = packed_load(&p->device->off_wrap, memory_order_relaxed);
	event = off_wrap & (PACKED_WRAP - 1);
	if (!(off_wrap & PACKED_WRAP) != !p->at.wrap)
		event = (uint16_t)(event - r->size);
	/* §2.8.10: is the slot that the device waits for among the new ones? */
	return (uint16_t)(p->at.slot - event - 1) < n;
}

static bool packed_is_used(const struct driver_ring *r, struct driver_packed_pos at,
			   uint16_t *flags)
{
	/* Pairs with the device's release store of a batch's first flags. */
	*flags = packed_load(&r->packed.desc[at.slot].flags, memory_order_acquire);
	return !(*flags & DRIVER_PACKED_AVAIL) == !at.wrap &&
	       !(*flags & DRIVER_PACKED_USED) == !at.wrap;
}

static void packed_update_event(struct driver_ring *r)
{
	struct driver_packed *p = &r->packed;

	atomic_store_explicit(SHARED16(&p->driver->off_wrap), htole16(packed_half(p->used)),
			      memory_order_relaxed);
	/* Pairs with the device's acquire load of the flags. */
	atomic_store_explicit(SHARED16(&p->driver->flags), htole16(DRIVER_EVENT_DESC),
			      memory_order_release);
}

/* The chains used up to now, at most max. */
static int packed_collect_some(struct driver_ring *r, struct driver_used *used, uint32_t max)
{
	struct driver_packed *p = &r->packed;
	uint16_t flags;
	uint32_t n = 0;

	while (n < max && packed_is_used(r, p->used, &flags)) {
		const struct driver_packed_desc *d = &p->desc[p->used.slot];
		uint32_t id = le16toh(d->id);
		struct driver_slot *slot;

		if (id >= r->size || !r->slots[id].n)
			return -EPROTO;
		slot = &r->slots[id];
		/* §2.8.4: without WRITE there is no length. */
		used[n++] = (struct driver_used){
			id, flags & DRIVER_DESC_WRITE ? le32toh(d->len) : 0, slot->cookie};
		packed_advance(r, &p->used, slot->n);
		r->n_free += slot->n;
		slot->n = 0;
		slot->next = r->free_head;
		r->free_head = id;
	}
	return (int)n;
}

static int packed_collect(struct driver_ring *r, struct driver_used *used, uint32_t max)
{
	uint16_t flags;
	uint32_t n = 0;
	int some;

	do {
		some = packed_collect_some(r, used + n, max - n);
		if (some < 0)
			return some;
		n += (uint32_t)some;
		if (!some || !r->event_idx || !r->interrupts)
			break;
		packed_update_event(r);
		/* What was used before the device could see the new event gets no call. */
		atomic_thread_fence(memory_order_seq_cst);
	} while (n < max && packed_is_used(r, r->packed.used, &flags));
	return (int)n;
}

static bool packed_has_used(struct driver_ring *r)
{
	uint16_t flags;

	return packed_is_used(r, r->packed.used, &flags);
}

static bool packed_set_interrupts(struct driver_ring *r, bool on)
{
	r->interrupts = on;
	if (on && r->event_idx)
		packed_update_event(r);
	else
		atomic_store_explicit(SHARED16(&r->packed.driver->flags),
				      htole16(on ? DRIVER_EVENT_ENABLE : DRIVER_EVENT_DISABLE),
				      memory_order_relaxed);
	/* Pairs with the device's fence between publishing and deciding to call. */
	atomic_thread_fence(memory_order_seq_cst);
	return packed_has_used(r);
}

/*
 * Used descriptors say how far the device came.  That is all the ring knows: if it completed out of
 * order, a used descriptor lies where an older chain was that is still to be done, and only an
 * in-flight log can tell of that one.
 */
static void packed_recover_base(struct driver_ring *r)
{
	struct driver_packed_pos at = r->packed.used;
	uint32_t left = r->size;
	uint16_t flags;

	while (left && packed_is_used(r, at, &flags)) {
		uint32_t id = le16toh(r->packed.desc[at.slot].id);

		if (id >= r->size || !r->slots[id].n || r->slots[id].n > left)
			break;
		left -= r->slots[id].n;
		packed_advance(r, &at, r->slots[id].n);
	}
	r->base = packed_half(at) | (uint32_t)packed_half(at) << 16;
}

static uint32_t packed_base_after(const struct driver_ring *r, uint32_t chains, uint32_t n)
{
	uint32_t entries = chains * n;
	struct driver_packed_pos at = {entries % r->size, entries / r->size % 2 == 0};

	return packed_half(at) | (uint32_t)packed_half(at) << 16;
}

static void packed_call_after(struct driver_ring *r, uint32_t chains, uint32_t n)
{
	struct driver_packed_pos at = r->packed.used;

	packed_advance(r, &at, chains * n);
	r->packed.driver->off_wrap = htole16(packed_half(at));
	r->packed.driver->flags = htole16(DRIVER_EVENT_DESC);
}

const struct driver_layout driver_layout_packed = {
	.init = packed_init,
	.reset = packed_reset,
	.add = packed_add,
	.add_table = packed_add_table,
	.write_table = packed_write_table,
	.publish = packed_publish,
	.wants_kick = packed_wants_kick,
	.collect = packed_collect,
	.has_used = packed_has_used,
	.set_interrupts = packed_set_interrupts,
	.recover_base = packed_recover_base,
	.set_base = packed_set_base,
	.base_after = packed_base_after,
	.call_after = packed_call_after,
};

void driver_packed_offer(struct driver_ring *r, uint64_t addr, uint32_t len, uint16_t id,
			 uint16_t flags)
{
	packed_fill(r, addr, len, id, flags);
}
