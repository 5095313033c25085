/* SPDX-License-Identifier: MIT */
/*
 * Packed rings (virtio 1.3 §2.8), watched.  A used descriptor overwrites the first of its chain, so
 * what was not seen while it was available is known by its id alone; its length in the ring shows
 * in what follows, which has the same id.
 */
#include <endian.h>
#include <stdatomic.h>

#include "vring.h"

enum { AVAIL = 1 << 7, USED = 1 << 15, SLOT_MASK = 0x7fff, WRAP_SHIFT = 15 };

static bool packed_read(struct vring *v, uint32_t at, struct seen_desc *d)
{
	if (!memory_read(v->memory, MEMORY_USER, v->desc + at * sizeof(*d), d, sizeof(*d))) {
		vring_stuck(v);
		return false;
	}
	d->addr = le64toh(d->addr);
	d->len = le32toh(d->len);
	d->first = le16toh(d->first);
	d->second = le16toh(d->second);
	atomic_thread_fence(memory_order_seq_cst);
	return true;
}

/* Its flags are written last and so have to be read first: twice does it. */
static bool packed_is(struct vring *v, uint32_t at, bool wrap, bool used, struct seen_desc *d)
{
	for (int i = 0; i < 2; i++) {
		if (!packed_read(v, at, d))
			return false;
		if (!!(d->second & AVAIL) != wrap || !!(d->second & USED) != (used ? wrap : !wrap))
			return false;
	}
	return true;
}

/*
 * User-mode Linux says 0 of a ring that was never used, though wrap counters begin with 1 (§2.8.1).
 * A ring that did get there has descriptors of the lap before, which have the USED flag.
 */
void vring_packed_begin(struct vring *v, uint32_t base)
{
	struct seen_desc d;

	v->avail_at = (base & SLOT_MASK) % v->num;
	v->avail_wrap = base >> WRAP_SHIFT & 1;
	v->used_at = (base >> 16 & SLOT_MASK) % v->num;
	v->used_wrap = base >> 16 >> WRAP_SHIFT & 1;
	for (uint32_t i = 0; !base && i < v->num; i++)
		if (!memory_read(v->memory, MEMORY_USER, v->desc + i * sizeof(d), &d, sizeof(d)) ||
		    le16toh(d.second) & USED)
			return;
	if (!base)
		v->avail_wrap = v->used_wrap = true;
}

static void packed_advance(const struct vring *v, uint32_t *at, bool *wrap, uint32_t n)
{
	*at += n;
	if (*at >= v->num) {
		*at -= v->num;
		*wrap = !*wrap;
	}
}

/* The chain at this place, into s: how many descriptors, and its id; 0: it cannot be read. */
static uint32_t packed_walk(struct vring *v, uint32_t at, struct seen *s, uint32_t *id)
{
	uint32_t n;

	for (n = 1; n <= v->num && v->budget; n++, v->budget--) {
		struct seen_desc d;

		if (!packed_read(v, at, &d))
			return 0;
		*id = d.first;
		if (d.second & SEEN_INDIRECT)
			seen_add_table(s, v->memory, d.addr, d.len, true, &v->budget);
		else
			seen_add(s, d.addr, d.len, d.second & SEEN_WRITE);
		if (!(d.second & SEEN_NEXT))
			return n;
		at = at + 1 == v->num ? 0 : at + 1;
	}
	s->flaw = "its chain is longer than the ring, or too long to be looked at";
	return n - 1 ? n - 1 : 1;
}

static bool packed_take(struct vring *v)
{
	struct seen s = {0};
	struct seen_desc d;
	uint32_t id = 0;

	if (!packed_is(v, v->avail_at, v->avail_wrap, false, &d))
		return false;
	s.n_descs = packed_walk(v, v->avail_at, &s, &id);
	if (!s.n_descs)
		return false;
	if (id < v->num)
		vring_available(v, id, &s);
	else
		v->user.note(v->user.opaque, "guest", "a buffer id is beyond the ring");
	packed_advance(v, &v->avail_at, &v->avail_wrap, s.n_descs);
	return true;
}

/* Of a request that was not seen in time: how much of the ring was its. */
static uint32_t packed_length(struct vring *v, uint32_t at, bool wrap, uint32_t id)
{
	struct seen rest = {0};
	struct seen_desc d;
	uint32_t n = 0, last = 0;

	packed_advance(v, &at, &wrap, 1);
	if (packed_is(v, at, wrap, false, &d))
		n = packed_walk(v, at, &rest, &last);
	return n && last == id && n < v->num ? n + 1 : 1;
}

static bool packed_complete(struct vring *v)
{
	bool behind = v->used_at == v->avail_at && v->used_wrap == v->avail_wrap;
	struct seen_desc d;
	uint32_t n;

	if (!packed_is(v, v->used_at, v->used_wrap, true, &d))
		return false;
	if (d.first >= v->num) {
		v->user.note(v->user.opaque, "back-end", "a used id is beyond the ring");
		n = 1;
	} else if (v->seen[d.first] && v->seen[d.first]->n_descs) {
		n = v->seen[d.first]->n_descs;
		vring_completed(v, d.first, d.len);
	} else {
		n = packed_length(v, v->used_at, v->used_wrap, d.first);
		vring_completed(v, d.first, d.len);
	}
	packed_advance(v, &v->used_at, &v->used_wrap, n);
	if (behind) {
		v->avail_at = v->used_at;
		v->avail_wrap = v->used_wrap;
	}
	return true;
}

bool vring_packed_look(struct vring *v)
{
	bool any = false, more = true;

	/* At most what the ring has: a guest that goes on is for the next look. */
	for (uint32_t steps = 0; more && steps < v->num; steps++) {
		more = packed_take(v);
		more = packed_complete(v) || more;
		any = any || more;
	}
	return any;
}
