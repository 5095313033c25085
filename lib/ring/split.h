/* SPDX-License-Identifier: MIT */
/* The split layout (virtio 1.3 §2.7).  Contract: see ring.h. */
#ifndef RING_SPLIT_H
#define RING_SPLIT_H

#include "base/atomics.h"
#include "ring/ring.h"

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };

/* virtio 1.3 §2.7.5; little-endian. */
struct split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

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
int split_take(struct ring *ring, struct vu_req **reqs, uint32_t max);
void split_publish(struct ring *ring);
bool split_wants_signal(struct ring *ring);
bool split_arm(struct ring *ring);
void split_disarm(struct ring *ring);
bool split_look(struct ring *ring);
uint32_t split_base(const struct ring *ring);

/* Write a used entry; split_publish() makes it visible. */
static inline void split_push(struct ring *r, uint16_t id, uint32_t written)
{
	/* The area is 4-aligned and begins with two words: so are the entries. */
	struct split_used *used = (struct split_used *)(void *)(r->device + SPLIT_RING);

	used += r->used_pos++ & (r->size - 1);
	used->id = LE32((uint32_t)id);
	used->len = LE32(written);
}

#endif
