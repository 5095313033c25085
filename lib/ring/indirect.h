/* SPDX-License-Identifier: MIT */
/* Indirect tables: 16-byte descriptors somewhere in guest memory, whatever the layout. */
#ifndef RING_INDIRECT_H
#define RING_INDIRECT_H

#include "ring/ring.h"

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4, DESC_BYTES = 16 };

/*
 * The table of len bytes at addr: in place if it is in one piece and aligned, else a copy of it.
 * 0, or -EIO: broken.
 */
int indirect_open(struct ring *ring, uint64_t addr, uint32_t len, const void **table, uint32_t *n);

#endif
