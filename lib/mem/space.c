/* SPDX-License-Identifier: MIT */
/* Look-ups for rings. */
#include "mem/space.h"

#include <errno.h>

#include "mem/iotlb.h"
#include "mem/mirror.h"

static int space_find_in_table(const struct space *s, uint64_t addr, enum space_access access,
			       struct space_run *run)
{
	const struct span *span = table_find(s->table, s->kind, addr);

	(void)access;
	if (!span)
		return -EFAULT;
	run->span = *span;
	run->access = SPACE_BOTH;
	return 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Whatever is not there may be there when the front-end was asked: the other direction, too, and
 * what is translated to memory that is gone.
 */
static int space_find_translated(const struct space *s, uint64_t addr, enum space_access access,
				 struct space_run *run)
{
	const struct iotlb_range *r = iotlb_find(s->iotlb, addr);
	const struct span *span;
	uint64_t target, at, before, behind;

	if (!r || access & ~r->access)
		return SPACE_MISS;
	target = r->target + (addr - r->first);
	span = table_find(s->table, s->kind, target);
	if (!span)
		return SPACE_MISS;
	at = target - span->start;
	before = smaller(addr - r->first, at);
	behind = smaller(r->last - addr, span->size - 1 - at);
	run->span.start = addr - before;
	run->span.size = before + behind + 1;
	run->span.host = span->host + (at - before);
	run->access = (enum space_access)r->access;
	return 0;
}

void space_init(struct space *s, const struct table *table, enum table_space kind)
{
	s->find = space_find_in_table;
	s->table = table;
	s->kind = kind;
	s->iotlb = NULL;
}

void space_init_translated(struct space *s, const struct table *table, enum table_space kind,
			   const struct iotlb *iotlb)
{
	space_init(s, table, kind);
	s->find = space_find_translated;
	s->iotlb = iotlb;
}

int space_translate(const struct space *s, uint64_t addr, uint64_t len, enum space_access access,
		    void **host, uint64_t *missed)
{
	unsigned char *end = NULL;

	if (addr + (len - 1) < addr)
		return -EFAULT;
	*host = NULL;
	while (len) {
		struct space_run run;
		int err = s->find(s, addr, access, &run);
		uint64_t offset, piece;

		*missed = addr;
		if (err)
			return err;
		offset = addr - run.span.start;
		/* Ranges are apart in what they allow, but not in memory. */
		if (!*host)
			*host = end = run.span.host + offset;
		if (run.span.host + offset != end)
			return -EFAULT;
		piece = smaller(len, run.span.size - offset);
		end += piece;
		addr += piece;
		len -= piece;
	}
	return 0;
}

/* len bytes at host go on where the last run ends, or are a run of their own. */
static bool runs_add(struct mirror_run *runs, uint32_t *n, unsigned char *host, uint64_t len)
{
	if (*n && runs[*n - 1].host + runs[*n - 1].len == host) {
		runs[*n - 1].len += len;
		return true;
	}
	if (*n == MIRROR_RUNS)
		return false;
	runs[(*n)++] = (struct mirror_run){host, len};
	return true;
}

int space_gather(const struct space *s, uint64_t addr, uint64_t len, enum space_access access,
		 struct mirror_run *runs, uint32_t *n, uint64_t *missed)
{
	*n = 0;
	if (addr + (len - 1) < addr)
		return -EFAULT;
	while (len) {
		struct space_run run;
		int err = s->find(s, addr, access, &run);
		uint64_t offset, piece;

		*missed = addr;
		if (err)
			return err;
		offset = addr - run.span.start;
		piece = smaller(len, run.span.size - offset);
		if (!runs_add(runs, n, run.span.host + offset, piece))
			return -E2BIG;
		addr += piece;
		len -= piece;
	}
	return 0;
}
