/* SPDX-License-Identifier: MIT */
/*
 * Shared mappings with a page on each side that nobody may touch: an access that leaves a mapping
 * faults, instead of meeting whatever the kernel put next to it.  Any thread.
 */
#ifndef MEM_GUARDED_H
#define MEM_GUARDED_H

#include <stddef.h>
#include <stdint.h>

/*
 * Map len bytes of fd from offset on, read and write, shared.  Both are multiples of page, which is
 * the file's page size.  MAP_FAILED with errno.
 */
void *guarded_map(int fd, uint64_t offset, size_t len, size_t page);
void guarded_unmap(void *map, size_t len);

/* Room for mappings that are put there with MAP_FIXED or MREMAP_FIXED.  MAP_FAILED with errno. */
void *guarded_reserve(size_t len);
/* Give it back, but for a part of it that may be somebody else's by now. */
void guarded_unmap_but(void *map, size_t len, void *lost, size_t lost_len);

#endif
