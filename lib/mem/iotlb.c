/* SPDX-License-Identifier: MIT */
/* Translations: a sorted array of ranges that do not overlap. */
#include "mem/iotlb.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct iotlb {
	unsigned int refs;
	uint32_t n;
	struct iotlb_range ranges[];
};

/* What takes the place of the ranges that a change overlaps. */
struct iotlb_patch {
	uint32_t from, to;	      /* ... which are these, to is not one of them */
	struct iotlb_range ranges[3]; /* what is left before it, what is new, what is left behind */
	uint32_t n;
};

static bool range_is_legal(const struct iotlb_range *r)
{
	return r->first <= r->last && r->target + (r->last - r->first) >= r->target &&
	       r->access <= 3;
}

/* Does b go on where a ends, in both kinds of addresses?  Behind the end of 2^64 nothing does. */
static bool range_goes_on(const struct iotlb_range *a, const struct iotlb_range *b)
{
	return a->access == b->access && b->first && a->last + 1 == b->first && b->target &&
	       a->target + (a->last - a->first) + 1 == b->target;
}

/* Does a say all that b says? */
static bool range_has(const struct iotlb_range *a, const struct iotlb_range *b)
{
	return a->access == b->access && a->first <= b->first && b->last <= a->last &&
	       b->target - a->target == b->first - a->first;
}

/* The first range that ends at addr or behind it. */
static uint32_t iotlb_at(const struct iotlb *t, uint64_t addr)
{
	uint32_t low = 0, high = iotlb_ranges(t);

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (t->ranges[mid].last < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct iotlb_range *iotlb_find(const struct iotlb *t, uint64_t addr)
{
	uint32_t at = iotlb_at(t, addr);

	return at < iotlb_ranges(t) && t->ranges[at].first <= addr ? &t->ranges[at] : NULL;
}

/* Add a range behind the others, or make the last one longer. */
static void patch_add(struct iotlb_patch *p, const struct iotlb_range *range)
{
	if (p->n && range_goes_on(&p->ranges[p->n - 1], range))
		p->ranges[p->n - 1].last = range->last;
	else
		p->ranges[p->n++] = *range;
}

/* What was added may go on in the ranges before and behind the patch. */
static void patch_join(struct iotlb_patch *p, const struct iotlb *t)
{
	struct iotlb_range *first = &p->ranges[0], *last = &p->ranges[p->n - 1];

	if (p->from && range_goes_on(&t->ranges[p->from - 1], first)) {
		p->from--;
		first->first = t->ranges[p->from].first;
		first->target = t->ranges[p->from].target;
	}
	if (p->to < iotlb_ranges(t) && range_goes_on(last, &t->ranges[p->to]))
		last->last = t->ranges[p->to++].last;
}

/* Cut first to last out of t, and put a range there, which may be NULL. */
static void iotlb_patch(const struct iotlb *t, uint64_t first, uint64_t last,
			const struct iotlb_range *put, struct iotlb_patch *p)
{
	p->n = 0;
	p->from = p->to = iotlb_at(t, first);
	while (p->to < iotlb_ranges(t) && t->ranges[p->to].first <= last)
		p->to++;
	if (p->from < p->to && t->ranges[p->from].first < first) {
		struct iotlb_range left = t->ranges[p->from];

		left.last = first - 1;
		patch_add(p, &left);
	}
	if (put)
		patch_add(p, put);
	if (p->from < p->to && t->ranges[p->to - 1].last > last) {
		struct iotlb_range right = t->ranges[p->to - 1];

		right.target += last + 1 - right.first;
		right.first = last + 1;
		patch_add(p, &right);
	}
	if (put)
		patch_join(p, t);
}

static int iotlb_apply(const struct iotlb *t, const struct iotlb_patch *p, struct iotlb **out)
{
	uint32_t behind = iotlb_ranges(t) - p->to, n = p->from + p->n + behind;
	struct iotlb *made = malloc(sizeof(*made) + n * sizeof(made->ranges[0]));

	if (!made)
		return -ENOMEM;
	made->refs = 1;
	made->n = n;
	if (p->from)
		memcpy(made->ranges, t->ranges, p->from * sizeof(made->ranges[0]));
	if (p->n)
		memcpy(&made->ranges[p->from], p->ranges, p->n * sizeof(made->ranges[0]));
	if (behind)
		memcpy(&made->ranges[p->from + p->n], &t->ranges[p->to],
		       behind * sizeof(made->ranges[0]));
	*out = made;
	return 0;
}

int iotlb_with(struct iotlb *old, const struct iotlb_range *range, struct iotlb **out)
{
	uint32_t at = iotlb_at(old, range->first), n = iotlb_ranges(old);
	const struct iotlb_range *there = at < n ? &old->ranges[at] : NULL;
	int change = there && there->first <= range->last ? IOTLB_OTHER : IOTLB_MORE;
	struct iotlb_patch patch;
	int err;

	if (!range_is_legal(range))
		return -EINVAL;
	if (there && range_has(there, range)) {
		*out = iotlb_ref(old);
		return IOTLB_SAME;
	}
	iotlb_patch(old, range->first, range->last, range, &patch);
	if (n - (patch.to - patch.from) + patch.n > IOTLB_MAX) {
		patch = (struct iotlb_patch){0, n, {*range}, 1};
		change = IOTLB_OTHER;
	}
	err = iotlb_apply(old, &patch, out);
	return err ? err : change;
}

int iotlb_without(struct iotlb *old, uint64_t first, uint64_t last, struct iotlb **out)
{
	struct iotlb_patch patch;
	int err;

	if (first > last)
		return -EINVAL;
	iotlb_patch(old, first, last, NULL, &patch);
	if (patch.from == patch.to) {
		*out = iotlb_ref(old);
		return IOTLB_SAME;
	}
	/* A hole in a full one makes one range more. */
	if (iotlb_ranges(old) - (patch.to - patch.from) + patch.n > IOTLB_MAX)
		patch = (struct iotlb_patch){0, iotlb_ranges(old), {{0}}, 0};
	err = iotlb_apply(old, &patch, out);
	return err ? err : IOTLB_OTHER;
}

struct iotlb *iotlb_ref(struct iotlb *t)
{
	if (t)
		__atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void iotlb_unref(struct iotlb *t)
{
	if (t && __atomic_fetch_sub(&t->refs, 1, __ATOMIC_ACQ_REL) == 1)
		free(t);
}

uint32_t iotlb_ranges(const struct iotlb *t)
{
	return t ? t->n : 0;
}
