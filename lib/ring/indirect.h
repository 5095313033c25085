/* SPDX-License-Identifier: MIT */
/* Indirect tables: 16-byte descriptors somewhere in guest memory, whatever the layout. */
#ifndef RING_INDIRECT_H
#define RING_INDIRECT_H

#include "ring/ring.h"

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4, DESC_BYTES = 16 };

/* indirect.c: indirect_open() when it is not where the last buffer was. */
int indirect_open_slow(struct ring *ring, uint64_t addr, uint32_t len, const void **table,
		       uint32_t *n);

/*
 * The table of len bytes at addr: in place if it is in one piece and aligned, else a copy of it.
 * 0; CHAIN_WAITS; -EIO: broken.
 */
static inline int indirect_open(struct ring *r, uint64_t addr, uint32_t len, const void **table,
				uint32_t *n)
{
	uint64_t room = r->window.end - addr;
	uintptr_t host = addr + r->window.shift;

	/* As chain_add(). */
	if (likely(r->indirect && !(len % DESC_BYTES) && !(host % sizeof(uint64_t)) &&
		   room <= r->window.size && (uint64_t)len - 1 < room)) {
		*table = (const void *)host;
		*n = len / DESC_BYTES;
		return 0;
	}
	return indirect_open_slow(r, addr, len, table, n);
}

#endif
