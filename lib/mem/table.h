/* SPDX-License-Identifier: MIT */
/*
 * A table: an immutable snapshot of all regions, sorted for look-up by guest address and by user
 * address.  Rings and outstanding requests hold references; a change makes a new table.
 */
#ifndef MEM_TABLE_H
#define MEM_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/region.h"

enum { TABLE_MAX_REGIONS = 509 };

/* A run of addresses and where it is mapped.  size 0 (of a zeroed span) contains nothing. */
struct span {
	uint64_t start;
	uint64_t size;
	unsigned char *host;
};

struct table;

/* Which of its two addresses a look-up means. */
enum table_space { TABLE_GUEST, TABLE_USER };

/* A table of these regions (references are taken).  -EEXIST: two overlap; -ENOMEM; -ENOSPC. */
int table_new(struct region *const *regions, uint32_t n, struct table **table);
/* old (may be NULL) and one more; errors as above. */
int table_with(const struct table *old, struct region *region, struct table **table);
/* Has it the same region, mapped for itself? */
bool table_has(const struct table *table, const struct region *region);
/* old without the region of this guest address, user address and size.  -ENOENT; -ENOMEM. */
int table_without(const struct table *old, const struct region_info *info, struct table **table);

struct table *table_ref(struct table *table);
void table_unref(struct table *table);
uint32_t table_regions(const struct table *table);

/*
 * Is there nothing but zeros where memory begins, in the first 2 MiB of guest addresses?  Any guest
 * that runs has left something there: vectors, firmware, a kernel and what it was told.
 */
bool table_is_blank(const struct table *table);

/* The spans in their order, from 0; index is below table_regions(). */
const struct span *table_span(const struct table *table, enum table_space space, uint32_t index);

/* The span that contains addr, or NULL. */
const struct span *table_find(const struct table *table, enum table_space space, uint64_t addr);

/* The guest address of what is mapped there; false: it is none of this table's memory. */
bool table_guest_addr(const struct table *table, const void *host, uint64_t *addr);

/*
 * The file of the region that has this guest address, and where in the file that is; -ENOENT: there
 * is none, or it was not kept.
 */
int table_file(const struct table *table, uint64_t addr, uint64_t *offset);

/* Where len bytes at addr are mapped in one piece, or NULL. */
void *table_translate(const struct table *table, enum table_space space, uint64_t addr,
		      uint64_t len);

#endif
