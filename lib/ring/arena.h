/* SPDX-License-Identifier: MIT */
/*
 * Segment lists of chains that do not fit into their request: blocks of a few sizes, allocated
 * when the ring starts (untouched pages cost nothing).  Queue thread only.
 */
#ifndef RING_ARENA_H
#define RING_ARENA_H

#include <stdint.h>
#include <sys/uio.h>

enum { ARENA_CLASSES = 8 };

/* One size of block. */
struct arena_class {
	struct iovec *blocks;
	void *free;	 /* list through the first bytes of freed blocks */
	uint32_t unused; /* blocks never handed out yet: the last `unused` ones */
	uint32_t segs;	 /* segments in a block */
	uint32_t n;
};

struct arena {
	struct arena_class classes[ARENA_CLASSES];
	uint32_t n_classes;
};

/* Blocks for up to requests chains of up to max_segs segments.  -ENOMEM. */
int arena_init(struct arena *arena, uint32_t requests, uint32_t max_segs);
void arena_fini(struct arena *arena);

/* A block of that class, or NULL while all are in use. */
struct iovec *arena_take(struct arena *arena, uint32_t index);
void arena_put(struct arena *arena, uint32_t index, struct iovec *block);

#endif
