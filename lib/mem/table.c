/* SPDX-License-Identifier: MIT */
/* Region snapshots: two sorted arrays of spans over the same regions. */
#include "mem/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_BEGINNING = 2 << 20 }; /* of memory: table_is_blank() */

struct table {
	unsigned int refs;
	uint32_t n;
	struct span *spans[2];	 /* by enum table_space */
	struct region **regions; /* in the order of their host addresses */
};

static int span_compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int region_compare(const void *a, const void *b)
{
	const struct region *const *x = a, *const *y = b;

	return (*x)->host < (*y)->host ? -1 : (*x)->host > (*y)->host;
}

/* Sorted spans of one address space; -EEXIST if two of them share an address. */
static int table_sort(struct table *t, enum table_space space)
{
	struct span *spans = t->spans[space];

	for (uint32_t i = 0; i < t->n; i++) {
		const struct region *r = t->regions[i];

		spans[i].start = space == TABLE_GUEST ? r->info.guest_addr : r->info.user_addr;
		spans[i].size = r->info.size;
		spans[i].host = r->host;
	}
	qsort(spans, t->n, sizeof(*spans), span_compare);
	for (uint32_t i = 1; i < t->n; i++)
		if (spans[i].start - spans[i - 1].start < spans[i - 1].size)
			return -EEXIST;
	return 0;
}

int table_new(struct region *const *regions, uint32_t n, struct table **out)
{
	struct table *t;
	int err;

	if (n > TABLE_MAX_REGIONS)
		return -ENOSPC;
	t = calloc(1, sizeof(*t) + n * (2 * sizeof(struct span) + sizeof(struct region *)));
	if (!t)
		return -ENOMEM;
	t->refs = 1;
	t->n = n;
	t->spans[TABLE_GUEST] = (struct span *)(t + 1);
	t->spans[TABLE_USER] = t->spans[TABLE_GUEST] + n;
	t->regions = (struct region **)(t->spans[TABLE_USER] + n);
	for (uint32_t i = 0; i < n; i++)
		t->regions[i] = region_ref(regions[i]);
	qsort(t->regions, n, sizeof(struct region *), region_compare);
	err = table_sort(t, TABLE_GUEST);
	if (!err)
		err = table_sort(t, TABLE_USER);
	if (err) {
		table_unref(t);
		return err;
	}
	*out = t;
	return 0;
}

int table_with(const struct table *old, struct region *region, struct table **out)
{
	struct region *regions[TABLE_MAX_REGIONS];
	uint32_t n = table_regions(old);

	if (n == TABLE_MAX_REGIONS)
		return -ENOSPC;
	if (n)
		memcpy(regions, old->regions, n * sizeof(regions[0]));
	regions[n] = region;
	return table_new(regions, n + 1, out);
}

bool table_has(const struct table *table, const struct region *region)
{
	for (uint32_t i = 0; i < table_regions(table); i++)
		if (region_is_same(table->regions[i], region))
			return true;
	return false;
}

int table_without(const struct table *old, const struct region_info *info, struct table **out)
{
	struct region *regions[TABLE_MAX_REGIONS];
	uint32_t n = 0;

	for (uint32_t i = 0; i < table_regions(old); i++) {
		const struct region_info *have = &old->regions[i]->info;

		/* vhost-user REM_MEM_REG: the mmap offset is ignored. */
		if (have->guest_addr != info->guest_addr || have->user_addr != info->user_addr ||
		    have->size != info->size)
			regions[n++] = old->regions[i];
	}
	if (n == table_regions(old))
		return -ENOENT;
	return table_new(regions, n, out);
}

struct table *table_ref(struct table *table)
{
	__atomic_fetch_add(&table->refs, 1, __ATOMIC_RELAXED);
	return table;
}

void table_unref(struct table *table)
{
	if (!table || __atomic_fetch_sub(&table->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	for (uint32_t i = 0; i < table->n; i++)
		region_unref(table->regions[i]);
	free(table);
}

uint32_t table_regions(const struct table *table)
{
	return table ? table->n : 0;
}

bool table_is_blank(const struct table *t)
{
	const struct span *first = t->spans[TABLE_GUEST];
	uint64_t len = t->n ? first->size : 0;

	if (len > TABLE_BEGINNING)
		len = TABLE_BEGINNING;
	for (uint64_t i = 0; i < len; i++)
		/* The guest writes at the same time. */
		if (__atomic_load_n(&first->host[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

const struct span *table_span(const struct table *table, enum table_space space, uint32_t index)
{
	return &table->spans[space][index];
}

const struct span *table_find(const struct table *table, enum table_space space, uint64_t addr)
{
	uint32_t low = 0, high = table_regions(table);
	const struct span *span;

	/* The last span that starts at or below addr. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (table->spans[space][mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	span = &table->spans[space][low - 1];
	return addr - span->start < span->size ? span : NULL;
}

/* The region that has what is mapped there, or NULL. */
static const struct region *table_region(const struct table *table, const void *host)
{
	uint32_t low = 0, high = table_regions(table);
	const struct region *region;

	/* The last region that is mapped at or below it. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if ((uintptr_t)table->regions[mid]->host <= (uintptr_t)host)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	region = table->regions[low - 1];
	return (uintptr_t)host - (uintptr_t)region->host < region->info.size ? region : NULL;
}

bool table_guest_addr(const struct table *table, const void *host, uint64_t *addr)
{
	const struct region *region = table_region(table, host);

	if (!region)
		return false;
	*addr = region->info.guest_addr + ((uintptr_t)host - (uintptr_t)region->host);
	return true;
}

int table_file(const struct table *table, uint64_t addr, uint64_t *offset)
{
	const struct span *span = table_find(table, TABLE_GUEST, addr);
	const struct region *region = span ? table_region(table, span->host) : NULL;

	if (!region || region->file < 0)
		return -ENOENT;
	*offset = region->info.mmap_offset + (addr - span->start);
	return region->file;
}

void *table_translate(const struct table *table, enum table_space space, uint64_t addr,
		      uint64_t len)
{
	const struct span *span = table_find(table, space, addr);
	uint64_t offset;

	if (!span)
		return NULL;
	offset = addr - span->start;
	return len <= span->size - offset ? span->host + offset : NULL;
}
