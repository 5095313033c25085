/* SPDX-License-Identifier: MIT */
/* The split layout (virtio 1.3 §2.7).  Contract: see ring.h. */
#ifndef RING_SPLIT_H
#define RING_SPLIT_H

#include "ring/ring.h"

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };

/* virtio 1.3 §2.7.5; little-endian. */
struct split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* Bytes and alignment of the three areas for a ring of that size. */
uint64_t split_desc_bytes(uint32_t size);
uint64_t split_driver_bytes(uint32_t size);
uint64_t split_device_bytes(uint32_t size);

/* Take up the positions of config.base and of the used ring. */
void split_begin(struct ring *ring);
int split_next(struct ring *ring, struct req **req);
void split_push(struct ring *ring, uint16_t id, uint32_t written);
void split_publish(struct ring *ring);
bool split_wants_signal(struct ring *ring);
bool split_arm(struct ring *ring);
void split_disarm(struct ring *ring);
bool split_look(struct ring *ring);
uint32_t split_base(const struct ring *ring);

#endif
