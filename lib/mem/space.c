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

/* Where the first of *len bytes at *addr are, and how many go on there; *addr and *len move behind.
 */
static int space_take(const struct space *s, enum space_access access, uint64_t *addr,
		      uint64_t *len, struct mirror_run *piece, uint64_t *missed)
{
	struct space_run run;
	int err = s->find(s, *addr, access, &run);
	uint64_t offset;

	*missed = *addr;
	if (err)
		return err;
	offset = *addr - run.span.start;
	piece->host = run.span.host + offset;
	piece->len = smaller(*len, run.span.size - offset);
	*addr += piece->len;
	*len -= piece->len;
	return 0;
}

int space_translate(const struct space *s, uint64_t addr, uint64_t len, enum space_access access,
		    void **host, uint64_t *missed)
{
	unsigned char *end = NULL;

	if (addr + (len - 1) < addr)
		return -EFAULT;
	*host = NULL;
	while (len) {
		struct mirror_run piece;
		int err = space_take(s, access, &addr, &len, &piece, missed);

		if (err)
			return err;
		/* Ranges are apart in what they allow, but not in memory. */
		if (!*host)
			*host = end = piece.host;
		if (piece.host != end)
			return -EFAULT;
		end += piece.len;
	}
	return 0;
}

/* A piece goes on where the last run ends, or is a run of its own. */
static bool runs_add(struct mirror_run *runs, uint32_t *n, const struct mirror_run *piece)
{
	if (*n && runs[*n - 1].host + runs[*n - 1].len == piece->host) {
		runs[*n - 1].len += piece->len;
		return true;
	}
	if (*n == MIRROR_RUNS)
		return false;
	runs[(*n)++] = *piece;
	return true;
}

int space_gather(const struct space *s, uint64_t addr, uint64_t len, enum space_access access,
		 struct mirror_run *runs, uint32_t *n, uint64_t *missed)
{
	*n = 0;
	if (addr + (len - 1) < addr)
		return -EFAULT;
	while (len) {
		struct mirror_run piece;
		int err = space_take(s, access, &addr, &len, &piece, missed);

		if (err)
			return err;
		if (!runs_add(runs, n, &piece))
			return -E2BIG;
	}
	return 0;
}
