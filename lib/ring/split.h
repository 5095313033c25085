/* SPDX-License-Identifier: MIT */
/* The split layout (virtio 1.3 §2.7).  Contract: see ring.h. */
#ifndef RING_SPLIT_H
#define RING_SPLIT_H

#include <errno.h>

#include "base/atomics.h"
#include "ring/ring.h"

/* virtio 1.3 §2.7.5; little-endian. */
struct split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

enum { SPLIT_AVAIL_F_NO_INTERRUPT = 1, SPLIT_USED_F_NO_NOTIFY = 1 };
/* 16-bit words at the start of the driver and device areas; the entries follow. */
enum { SPLIT_FLAGS, SPLIT_IDX, SPLIT_RING };

/* virtio 1.3 §2.7.8 */
struct split_used {
	uint32_t id;
	uint32_t len;
};

/* Bytes and alignment of the three areas for a ring of that size. */
uint64_t split_desc_bytes(uint32_t size);
uint64_t split_driver_bytes(uint32_t size);
uint64_t split_device_bytes(uint32_t size);

/* Take up the positions of config.base and of the used ring. */
void split_begin(struct ring *ring);
uint32_t split_base(const struct ring *ring);
int split_take(struct ring *ring, struct vu_req **reqs, uint32_t max);
int split_bad_index(struct ring *ring);
/* Take the chain that begins there, whatever the available ring says: of an in-flight log. */
int split_take_head(struct ring *ring, uint16_t head, struct req **req);

/* Read the driver's index: how many are there to be taken?  More than can be break the ring. */
static inline uint32_t split_see(struct ring *r)
{
	/* Acquire pairs with the driver's wmb before it moves idx (Linux
	 * virtqueue_add_split): the entry and its descriptors are seen. */
	uint16_t idx = le16_load_acquire(&r->driver[SPLIT_IDX]);
	uint32_t n = (uint16_t)(idx - r->next_pos);

	if (unlikely(n + ring_outstanding(r) > r->size)) {
		split_bad_index(r);
		return 0;
	}
	r->avail_idx = idx;
	return n;
}

/* 1: it moved; 0; -EIO. */
static inline int split_refresh(struct ring *r)
{
	uint16_t before = r->avail_idx;

	if (unlikely(!split_see(r) && !r->is_live))
		return -EIO;
	return r->avail_idx != before;
}

static inline struct split_used *split_entries(const struct ring *r)
{
	/* The area is 4-aligned and begins with two words: so are the entries. */
	return (struct split_used *)(void *)(r->device + SPLIT_RING);
}

/* Write a used entry; split_publish() makes it visible. */
static inline void split_push(struct ring *r, const struct req *req, uint32_t written)
{
	struct split_used *used = &split_entries(r)[r->used_pos++ & r->mask];

	used->id = LE32((uint32_t)req->id);
	used->len = LE32(written);
}

/* Push and publish one: what is known is not read again. */
static inline void split_use(struct ring *r, const struct req *req, uint32_t written)
{
	uint16_t *words = r->device;
	uint32_t pos = r->used_pos;
	struct split_used *used = &split_entries(r)[pos++ & r->mask];

	used->id = LE32((uint32_t)req->id);
	used->len = LE32(written);
	r->used_pos = pos;
	/* Release: see split_publish(). */
	le16_store_release(&words[SPLIT_IDX], (uint16_t)pos);
}

static inline void split_publish(struct ring *r)
{
	/* Release pairs with the driver's rmb after it read idx (Linux
	 * virtqueue_get_buf_ctx_split): it sees the entry and the data. */
	le16_store_release(&r->device[SPLIT_IDX], (uint16_t)r->used_pos);
}

static inline const uint16_t *split_used_event(const struct ring *r)
{
	return r->driver + SPLIT_RING + r->size;
}

/* What was published up to used_pos, and at the last decision up to `from`: interrupt? */
static inline bool split_wants_signal(struct ring *r, uint32_t from)
{
	uint32_t to = r->used_pos;
	uint16_t event;

	/* We published and now read what the driver wants; it writes what it wants and then
	 * reads our index (Linux virtqueue_enable_cb_prepare, virtqueue_poll). */
	full_fence();
	if (!r->used_event)
		return !(le16_read_once(&r->driver[SPLIT_FLAGS]) & SPLIT_AVAIL_F_NO_INTERRUPT);
	event = le16_read_once(r->used_event);
	/* virtio 1.3 §2.7.7.2: was the entry it waits for among the new ones? */
	return (uint16_t)(to - event - 1) < to - from;
}

static inline uint16_t *split_avail_event(const struct ring *r)
{
	return r->device + SPLIT_RING + r->size * (sizeof(struct split_used) / sizeof(uint16_t));
}

static inline bool split_arm(struct ring *r)
{
	if (r->event_idx)
		le16_write_once(split_avail_event(r), r->avail_idx);
	else
		le16_write_once(&r->device[SPLIT_FLAGS], 0);
	/* We said what we want and now look; the driver moves idx and then reads what we want
	 * (Linux virtqueue_kick_prepare_split). */
	full_fence();
	return le16_read_once(&r->driver[SPLIT_IDX]) != r->avail_idx;
}

static inline void split_disarm(struct ring *r)
{
	/* With EVENT_IDX the old event stays behind and asks for nothing. */
	if (!r->event_idx)
		le16_write_once(&r->device[SPLIT_FLAGS], SPLIT_USED_F_NO_NOTIFY);
}

#endif
