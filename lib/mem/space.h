/* SPDX-License-Identifier: MIT */
/*
 * A space: where a ring finds what its addresses mean.  Behind it is a table; what stands between
 * may know only part of it, may allow only one direction, and may have to ask first (an IOMMU's
 * translations): a look-up says so.  Queue thread.
 */
#ifndef MEM_SPACE_H
#define MEM_SPACE_H

#include <stdint.h>

#include "mem/table.h"

struct iotlb;
struct mirror_run;

/* What the device shall do there. */
enum space_access { SPACE_READ = 1, SPACE_WRITE = 2, SPACE_BOTH = SPACE_READ | SPACE_WRITE };

/* It is not known yet, and was asked for: look again when memory has changed. */
enum { SPACE_MISS = 1 };

/* What was found: the run of addresses that it is in, and what may be done there. */
struct space_run {
	struct span span;
	enum space_access access;
};

struct space {
	/* 0; SPACE_MISS; -EFAULT: outside, or not allowed. */
	int (*find)(const struct space *space, uint64_t addr, enum space_access access,
		    struct space_run *run);
	const struct table *table; /* not a reference of its own */
	enum table_space kind;	   /* which of the table's addresses these are, or are made of */
	const struct iotlb *iotlb; /* translations; not a reference of its own */
};

/* The table itself: everything is known, and allowed. */
void space_init(struct space *space, const struct table *table, enum table_space kind);

/* Addresses that an IOMMU translates to the table's. */
void space_init_translated(struct space *space, const struct table *table, enum table_space kind,
			   const struct iotlb *iotlb);

/*
 * Where len bytes at addr are in one piece.  0; SPACE_MISS: *missed is the first address that is
 * not known; -EFAULT: they are not in one piece.
 */
int space_translate(const struct space *space, uint64_t addr, uint64_t len,
		    enum space_access access, void **host, uint64_t *missed);

/*
 * In what runs len bytes at addr are, which may be apart: *n of them, at most MIRROR_RUNS.  As
 * space_translate(), but -EFAULT: they are not all there; -E2BIG: they are in more runs.
 */
int space_gather(const struct space *space, uint64_t addr, uint64_t len, enum space_access access,
		 struct mirror_run *runs, uint32_t *n, uint64_t *missed);

#endif
