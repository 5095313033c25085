/* SPDX-License-Identifier: MIT */
/*
 * Translations: an input is a front-end's updates and invalidations of any kind, which are compared
 * with an array of pages as far as that reaches, and a split or packed ring that looks up in
 * them while they change.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mem/iotlb.h"

enum { PAGES = 0x110, PAGE_SIZE = 0x1000, UNKNOWN = -1 };

/* By page: which one it is translated to, and what may be done there. */
struct model {
	int page[PAGES];
	uint32_t access[PAGES];
};

struct state {
	struct fuzz_ring ring;
	bool has_ring;
	struct iotlb *iotlb;
	struct model model;
};

static void demand(bool condition)
{
	if (!condition)
		abort();
}

static uint64_t fuzz_u64(struct fuzz_input *in)
{
	uint64_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 16 | fuzz_u16(in);
	return value;
}

static void compare(const struct state *s)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		for (uint64_t at = 0; at < PAGE_SIZE; at += PAGE_SIZE - 1) {
			const struct iotlb_range *r = iotlb_find(s->iotlb, i * PAGE_SIZE + at);

			demand((r != NULL) == (s->model.page[i] != UNKNOWN));
			if (!r)
				continue;
			demand(r->target + (i * PAGE_SIZE + at - r->first) ==
			       (uint64_t)s->model.page[i] * PAGE_SIZE + at);
			demand(r->access == s->model.access[i]);
		}
	}
}

static void use(struct state *s, struct iotlb *next, int change)
{
	struct iotlb *old = s->iotlb;

	demand(change != IOTLB_SAME || next == old);
	demand(iotlb_ranges(next) <= IOTLB_MAX);
	s->iotlb = next;
	if (s->has_ring)
		(void)ring_set_translations(s->ring.ring, next);
	iotlb_unref(old);
}

/* Pages of the model: put or drop. */
static void change_pages(struct state *s, struct fuzz_input *in, bool put)
{
	uint32_t first = fuzz_u16(in) % PAGES, n = 1 + fuzz_u8(in) % 32;
	/* Mostly as they are: then there is something for the ring. */
	uint32_t to = fuzz_u8(in) % 4 ? first : fuzz_u16(in) % PAGES, access = fuzz_u8(in) % 8;
	struct iotlb_range range;
	struct iotlb *next = NULL;
	int change;

	access = access < 4 ? access : 3;
	n = n < PAGES - first ? n : PAGES - first;
	range.first = (uint64_t)first * PAGE_SIZE;
	range.last = range.first + (uint64_t)n * PAGE_SIZE - 1;
	range.target = (uint64_t)to * PAGE_SIZE;
	range.access = access;
	change = put ? iotlb_with(s->iotlb, &range, &next)
		     : iotlb_without(s->iotlb, range.first, range.last, &next);
	demand(change >= 0);
	for (uint32_t i = 0; i < n; i++) {
		s->model.page[first + i] = put ? (int)(to + i) : UNKNOWN;
		s->model.access[first + i] = access;
	}
	use(s, next, change);
}

/* Any range behind the model. */
static void change_any(struct state *s, struct fuzz_input *in, bool put)
{
	struct iotlb_range range = {fuzz_u64(in), fuzz_u64(in), fuzz_u64(in), fuzz_u8(in)};
	struct iotlb *next = NULL;
	int change;

	range.first |= (uint64_t)PAGES * PAGE_SIZE << 4;
	change = put ? iotlb_with(s->iotlb, &range, &next)
		     : iotlb_without(s->iotlb, range.first, range.last, &next);
	if (change < 0) {
		demand(!next);
		return;
	}
	use(s, next, change);
	demand(!put || iotlb_find(s->iotlb, range.first));
	demand(put || !iotlb_find(s->iotlb, range.last));
}

static void step(struct state *s, struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);

	switch (op % 8) {
	case 0:
	case 1:
		change_pages(s, in, true);
		break;
	case 2:
		change_pages(s, in, false);
		break;
	case 3:
		change_any(s, in, op & 8);
		break;
	case 4:
		if (s->has_ring && op & 8)
			ring_refuse(s->ring.ring);
		break;
	default:
		if (s->has_ring && !ring_seeks_areas(s->ring.ring))
			fuzz_step(&s->ring, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	uint8_t how = fuzz_u8(&in);
	struct ring_config config = fuzz_config(&in, how & 1);
	struct state s = {.iotlb = NULL};

	for (int i = 0; i < PAGES; i++)
		s.model.page[i] = UNKNOWN;
	fuzz_memory_reset();
	fuzz_rest(&(struct fuzz_input){in.at, in.end - in.at > 1024 ? in.at + 1024 : in.end},
		  fuzz_desc(&config), config.size * 16);
	config.is_translated = true;
	if (how & 2) {
		/* Over borders of pages, which may be anywhere. */
		config.driver = FUZZ_DRIVER - 16;
		config.device = FUZZ_DEVICE - 16;
	}
	s.has_ring = fuzz_start(&s.ring, &config);
	while (in.at < in.end) {
		step(&s, &in);
		compare(&s);
	}
	if (s.has_ring)
		fuzz_end(&s.ring);
	iotlb_unref(s.iotlb);
	return 0;
}
