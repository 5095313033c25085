/* SPDX-License-Identifier: MIT */
/*
 * The driver side of a split ring (virtio 1.3 §2.7).
 *
 * Invariants: slots off the free list belong to exactly one chain; split.avail_idx runs ahead of
 * the ring's index by what was added and not yet published.
 */
#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "frontend/driver.h"

/* Shared fields are accessed as atomics: the device runs on another thread or in another process.
 */
#define SHARED16(p) ((_Atomic uint16_t *)(void *)(p))

enum { SPLIT_MAX_SIZE = 32768 };

static size_t split_avail_bytes(const struct driver_ring *r)
{
	return sizeof(struct driver_split_avail) + (r->size + 1) * sizeof(uint16_t);
}

static size_t split_used_bytes(const struct driver_ring *r)
{
	return sizeof(struct driver_split_used) + r->size * sizeof(struct driver_split_used_elem) +
	       sizeof(uint16_t);
}

static int split_init(struct driver_ring *r)
{
	struct driver_split *s = &r->split;

	if (!r->size || r->size > SPLIT_MAX_SIZE || r->size & r->mask)
		return -EINVAL;
	r->desc_gpa = guest_alloc(r->guest, r->size * sizeof(*s->desc), 16);
	r->avail_gpa = guest_alloc(r->guest, split_avail_bytes(r), 2);
	/* A cache line of its own: the two sides write to different ones. */
	r->used_gpa = guest_alloc(r->guest, split_used_bytes(r), 64);
	s->desc = guest_ptr(r->guest, r->desc_gpa, r->size * sizeof(*s->desc));
	s->avail = guest_ptr(r->guest, r->avail_gpa, split_avail_bytes(r));
	s->used = guest_ptr(r->guest, r->used_gpa, split_used_bytes(r));
	return s->desc && s->avail && s->used ? 0 : -ENOMEM;
}

static void split_reset(struct driver_ring *r)
{
	struct driver_split *s = &r->split;

	memset(s->desc, 0, r->size * sizeof(*s->desc));
	memset(s->avail, 0, split_avail_bytes(r));
	memset(s->used, 0, split_used_bytes(r));
	s->avail_idx = s->kicked = s->last_used = 0;
}

static void split_fill(const struct driver_ring *r, struct driver_split_desc *d,
		       const struct driver_seg *seg, uint16_t flags, uint32_t next)
{
	d->addr = htole64(seg->gpa + r->iova_offset);
	d->len = htole32(seg->len);
	d->flags = htole16(flags | (seg->write ? DRIVER_DESC_WRITE : 0));
	d->next = htole16((uint16_t)next);
}

static void split_write_table(const struct driver_ring *r, struct driver_split_desc *table,
			      const struct driver_seg *segs, uint32_t n)
{
	uint32_t i;

	for (i = 0; i + 1 < n; i++)
		split_fill(r, &table[i], &segs[i], DRIVER_DESC_NEXT, i + 1);
	if (n)
		split_fill(r, &table[i], &segs[i], 0, 0);
}

/* The chain at head, of n slots up to last, is off the free list and goes into the avail ring. */
static int split_take(struct driver_ring *r, uint32_t last, uint32_t n, void *cookie)
{
	uint32_t head = r->free_head;

	r->free_head = r->slots[last].next;
	r->n_free -= n;
	r->slots[head].n = n;
	r->slots[head].cookie = cookie;
	r->split.avail->ring[r->split.avail_idx++ & r->mask] = htole16((uint16_t)head);
	return (int)head;
}

static int split_add(struct driver_ring *r, const struct driver_seg *segs, uint32_t n, void *cookie)
{
	uint32_t i, slot = r->free_head;

	if (!n)
		return -EINVAL;
	if (n > r->n_free)
		return -ENOSPC;
	for (i = 0; i + 1 < n; i++) {
		split_fill(r, &r->split.desc[slot], &segs[i], DRIVER_DESC_NEXT,
			   r->slots[slot].next);
		slot = r->slots[slot].next;
	}
	split_fill(r, &r->split.desc[slot], &segs[i], 0, 0);
	return split_take(r, slot, n, cookie);
}

static int split_add_table(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
			   uint64_t table, uint32_t table_bytes, void *cookie)
{
	const struct driver_seg indirect = {.gpa = table, .len = table_bytes};
	uint32_t i, slot = r->free_head;

	if (n >= r->n_free)
		return -ENOSPC;
	for (i = 0; i < n; i++) {
		split_fill(r, &r->split.desc[slot], &segs[i], DRIVER_DESC_NEXT,
			   r->slots[slot].next);
		slot = r->slots[slot].next;
	}
	split_fill(r, &r->split.desc[slot], &indirect, DRIVER_DESC_INDIRECT, 0);
	return split_take(r, slot, n + 1, cookie);
}

static void split_publish(struct driver_ring *r)
{
	/* Pairs with the device's acquire load of the avail index. */
	atomic_store_explicit(SHARED16(&r->split.avail->idx), htole16(r->split.avail_idx),
			      memory_order_release);
}

static bool split_wants_kick(struct driver_ring *r)
{
	struct driver_split *s = &r->split;
	uint16_t from = s->kicked, event;

	s->kicked = s->avail_idx;
	/* Pairs with the device's fence between asking for kicks and looking once more. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!r->event_idx)
		return !(le16toh(atomic_load_explicit(SHARED16(&s->used->flags),
						      memory_order_relaxed)) &
			 DRIVER_USED_NO_NOTIFY);
	event = le16toh(
		atomic_load_explicit(SHARED16(driver_split_avail_event(r)), memory_order_relaxed));
	/* virtio 1.3 §2.7.10.1: did the index pass the event since the last decision? */
	return (uint16_t)(s->avail_idx - event - 1) < (uint16_t)(s->avail_idx - from);
}

static uint16_t split_used_idx(struct driver_ring *r)
{
	/* Pairs with the device's release store of the used index. */
	return le16toh(atomic_load_explicit(SHARED16(&r->split.used->idx), memory_order_acquire));
}

static void split_give_back(struct driver_ring *r, uint32_t head)
{
	uint32_t i, last = head;

	for (i = 1; i < r->slots[head].n; i++)
		last = r->slots[last].next;
	r->n_free += r->slots[head].n;
	r->slots[head].n = 0;
	r->slots[last].next = r->free_head;
	r->free_head = head;
}

static void split_update_event(struct driver_ring *r)
{
	uint16_t event = r->split.last_used;

	/* Half a lap away is as far as an event index can be: no call until then. */
	if (!r->interrupts)
		event += 0x8000;
	atomic_store_explicit(SHARED16(driver_split_used_event(r)), htole16(event),
			      memory_order_relaxed);
}

/* The chains used up to now, at most max. */
static int split_collect_some(struct driver_ring *r, struct driver_used *used, uint32_t max)
{
	struct driver_split *s = &r->split;
	uint16_t idx = split_used_idx(r);
	uint32_t n = 0;

	while (n < max && s->last_used != idx) {
		const struct driver_split_used_elem *e = &s->used->ring[s->last_used & r->mask];
		uint32_t id = le32toh(e->id);

		if (id >= r->size || !r->slots[id].n)
			return -EPROTO;
		used[n++] = (struct driver_used){id, le32toh(e->len), r->slots[id].cookie};
		split_give_back(r, id);
		s->last_used++;
	}
	return (int)n;
}

static int split_collect(struct driver_ring *r, struct driver_used *used, uint32_t max)
{
	uint32_t n = 0;
	int some;

	do {
		some = split_collect_some(r, used + n, max - n);
		if (some < 0)
			return some;
		n += (uint32_t)some;
		if (!some || !r->event_idx)
			break;
		split_update_event(r);
		/* What was used before the device could see the new event index gets no call. */
		atomic_thread_fence(memory_order_seq_cst);
	} while (n < max && split_used_idx(r) != r->split.last_used);
	return (int)n;
}

static bool split_has_used(struct driver_ring *r)
{
	return split_used_idx(r) != r->split.last_used;
}

static bool split_set_interrupts(struct driver_ring *r, bool on)
{
	r->interrupts = on;
	if (r->event_idx)
		split_update_event(r);
	else
		atomic_store_explicit(SHARED16(&r->split.avail->flags),
				      htole16(on ? 0 : DRIVER_AVAIL_NO_INTERRUPT),
				      memory_order_relaxed);
	/* Pairs with the device's fence between publishing and deciding to call. */
	atomic_thread_fence(memory_order_seq_cst);
	return split_has_used(r);
}

static void split_recover_base(struct driver_ring *r)
{
	r->base = split_used_idx(r);
}

static void split_set_base(struct driver_ring *r, uint32_t base)
{
	struct driver_split *s = &r->split;

	s->avail_idx = s->kicked = s->last_used = (uint16_t)base;
	s->avail->idx = s->used->idx = htole16((uint16_t)base);
	r->base = base;
}

static uint32_t split_base_after(const struct driver_ring *r, uint32_t chains, uint32_t n)
{
	(void)r;
	(void)n;
	return (uint16_t)chains;
}

static void split_call_after(struct driver_ring *r, uint32_t chains, uint32_t n)
{
	(void)n;
	*driver_split_used_event(r) = htole16((uint16_t)(r->split.last_used + chains));
}

const struct driver_layout driver_layout_split = {
	.init = split_init,
	.reset = split_reset,
	.add = split_add,
	.add_table = split_add_table,
	.write_table = split_write_table,
	.publish = split_publish,
	.wants_kick = split_wants_kick,
	.collect = split_collect,
	.has_used = split_has_used,
	.set_interrupts = split_set_interrupts,
	.recover_base = split_recover_base,
	.set_base = split_set_base,
	.base_after = split_base_after,
	.call_after = split_call_after,
};

uint16_t *driver_split_used_event(struct driver_ring *r)
{
	return &r->split.avail->ring[r->size];
}

uint16_t *driver_split_avail_event(struct driver_ring *r)
{
	return (uint16_t *)(void *)&r->split.used->ring[r->size];
}

void driver_split_offer(struct driver_ring *r, uint16_t head)
{
	r->split.avail->ring[r->split.avail_idx++ & r->mask] = htole16(head);
}

void driver_split_write_desc(struct driver_ring *r, uint32_t i, uint64_t addr, uint32_t len,
			     uint16_t flags, uint16_t next)
{
	r->split.desc[i] = (struct driver_split_desc){
		.addr = htole64(addr),
		.len = htole32(len),
		.flags = htole16(flags),
		.next = htole16(next),
	};
}
