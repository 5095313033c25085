/* SPDX-License-Identifier: MIT */
/* Blocks of segments in sizes that grow by four.  See arena.h. */
#include "ring/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_SEGS = 32,
	/* What one size may take; the pages are only touched as far as blocks are used. */
	CLASS_BYTES = 1 << 20,
};

int arena_init(struct arena *arena, uint32_t requests, uint32_t max_segs)
{
	uint32_t segs = FIRST_SEGS;

	memset(arena, 0, sizeof(*arena));
	do {
		struct arena_class *c = &arena->classes[arena->n_classes];
		uint32_t n;

		c->segs = segs < max_segs ? segs : max_segs;
		n = CLASS_BYTES / (c->segs * (uint32_t)sizeof(struct iovec));
		c->n = n < 1 ? 1 : n < requests ? n : requests;
		c->unused = c->n;
		c->blocks = malloc((size_t)c->n * c->segs * sizeof(struct iovec));
		if (!c->blocks) {
			arena_fini(arena);
			return -ENOMEM;
		}
		arena->n_classes++;
		segs *= 4;
	} while (arena->classes[arena->n_classes - 1].segs < max_segs);
	return 0;
}

void arena_fini(struct arena *arena)
{
	for (uint32_t i = 0; i < arena->n_classes; i++)
		free(arena->classes[i].blocks);
	arena->n_classes = 0;
}

struct iovec *arena_take(struct arena *arena, uint32_t index)
{
	struct arena_class *c = &arena->classes[index];
	void *block = c->free;

	if (block) {
		memcpy(&c->free, block, sizeof(c->free));
		return block;
	}
	if (!c->unused)
		return NULL;
	return &c->blocks[(c->n - c->unused--) * c->segs];
}

void arena_put(struct arena *arena, uint32_t index, struct iovec *block)
{
	struct arena_class *c = &arena->classes[index];

	memcpy(block, &c->free, sizeof(c->free));
	c->free = block;
}
