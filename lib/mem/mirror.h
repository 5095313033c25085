/* SPDX-License-Identifier: MIT */
/*
 * Runs of guest memory that are apart, mapped once more, side by side: for what has to be in one
 * piece where it is looked at.  Whole pages only, but for where the first run begins and the last
 * one ends.  Immutable; one owner; it outlives the regions that it was made of.  Any thread.
 */
#ifndef MEM_MIRROR_H
#define MEM_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

/* The longest area of a ring has 512 KiB: more runs of whole pages it is never in. */
enum { MIRROR_RUNS = 130 };

struct mappings;
struct mirror;

/* Where a region has it. */
struct mirror_run {
	unsigned char *host;
	uint64_t len;
};

/*
 * These bytes, in one piece; n is 2 to MIRROR_RUNS.  -EINVAL: their borders are no borders of
 * pages; -EDQUOT: the device has as many as it may; -errno of mmap and mremap, which refuses parts
 * of huge pages.
 */
int mirror_new(struct mappings *mappings, const struct mirror_run *runs, uint32_t n,
	       struct mirror **mirror);
void mirror_free(struct mirror *mirror);

/* Is it one of these runs? */
bool mirror_shows(const struct mirror *mirror, const struct mirror_run *runs, uint32_t n);
/* Where its first byte is. */
void *mirror_host(const struct mirror *mirror);
/* Where its region has a byte of it; *len bytes go on there. */
const void *mirror_origin(const struct mirror *mirror, const void *host, uint64_t *len);

#endif
