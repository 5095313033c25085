/* SPDX-License-Identifier: MIT */
/*
 * A region of guest memory, mapped.  Immutable; counts references; unmapped with the last one.
 */
#ifndef MEM_REGION_H
#define MEM_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mappings;

/* What the front-end says of a region (vhost-user "Memory region description"). */
struct region_info {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct region {
	struct region_info info;
	unsigned char *host; /* where info.guest_addr is mapped */
	int file;	     /* kept open, or -1 */
	/* The rest is region.c's. */
	dev_t dev; /* the file, as fstat(2) names it */
	ino_t ino;
	unsigned int refs;
	void *map;
	size_t map_len;
	struct mappings *mappings;
	struct mapping *slot;
};

/*
 * Map a region.  The fd stays the caller's.  On error *why says what is wrong, in words:
 * -EINVAL: values that cannot be (empty, wrapping, beyond the file), or no memory; -EDQUOT: beyond
 * the limit of mappings; -errno of fstat and mmap.
 */
int region_map(struct mappings *mappings, const struct region_info *info, int fd,
	       struct region **region, const char **why);

/*
 * Keep a descriptor of its file, too, if that is memory, whose close(2) waits for nobody, and there
 * is room for one.  Before anybody else has the region.
 */
void region_keep_file(struct region *region, int fd);

/* The same part of the same file at the same addresses. */
bool region_is_same(const struct region *a, const struct region *b);

struct region *region_ref(struct region *region);
void region_unref(struct region *region);

#endif
