/* SPDX-License-Identifier: MIT */
/* The cache of translations: against a plain array, at both ends of 2^64, full, and as a space. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit/test.h"
#include "mem/iotlb.h"
#include "mem/mappings.h"
#include "mem/mirror.h"
#include "mem/space.h"

enum { CELLS = 64, CELL = 4096, STEPS = 40000 };

static struct iotlb_range range(uint64_t first, uint64_t last, uint64_t target, uint32_t access)
{
	return (struct iotlb_range){first, last, target, access};
}

/* Change *t as it says; the change is returned. */
static int put(struct iotlb **t, struct iotlb_range r)
{
	struct iotlb *next = NULL;
	int change = iotlb_with(*t, &r, &next);

	assert_true(change >= 0);
	iotlb_unref(*t);
	*t = next;
	return change;
}

static int drop(struct iotlb **t, uint64_t first, uint64_t last)
{
	struct iotlb *next = NULL;
	int change = iotlb_without(*t, first, last, &next);

	assert_true(change >= 0);
	iotlb_unref(*t);
	*t = next;
	return change;
}

/* What an address means; UINT64_MAX: nothing. */
static uint64_t meaning(const struct iotlb *t, uint64_t addr, uint32_t *access)
{
	const struct iotlb_range *r = iotlb_find(t, addr);

	if (!r)
		return UINT64_MAX;
	assert_true(r->first <= addr && addr <= r->last);
	*access = r->access;
	return r->target + (addr - r->first);
}

/* The same, cell by cell. */
struct model {
	uint64_t target[CELLS]; /* UINT64_MAX: none */
	uint32_t access[CELLS];
};

static uint32_t model_runs(const struct model *m)
{
	uint32_t n = 0;

	for (int i = 0; i < CELLS; i++)
		n += m->target[i] != UINT64_MAX &&
		     (!i || m->target[i - 1] == UINT64_MAX || m->access[i] != m->access[i - 1] ||
		      m->target[i] != m->target[i - 1] + CELL);
	return n;
}

static void model_compare(const struct model *m, const struct iotlb *t, uint64_t base)
{
	for (uint64_t i = 0; i < CELLS; i++) {
		for (uint64_t at = 0; at < CELL; at += CELL - 1) {
			uint32_t access = 0;
			uint64_t target = meaning(t, base + i * CELL + at, &access);

			if (m->target[i] == UINT64_MAX) {
				assert_int_equal(target, UINT64_MAX);
				continue;
			}
			assert_int_equal(target, m->target[i] + at);
			assert_int_equal(access, m->access[i]);
		}
	}
	/* Neither more pieces than there are, nor fewer. */
	assert_int_equal(iotlb_ranges(t), model_runs(m));
}

static int model_step(struct model *m, struct iotlb **t, uint64_t base)
{
	uint64_t first = (uint64_t)rand() % CELLS;
	uint64_t n = 1 + (uint64_t)rand() % (rand() % 4 ? 3 : CELLS);
	/* Mostly where a neighbour would go on. */
	uint64_t target = (uint64_t)(rand() % 3 ? first : (uint64_t)rand() % 8) * CELL + (1 << 20);
	uint32_t access = rand() % 4 ? 3 : (uint32_t)rand() % 4;
	bool is_put = rand() % 3, changes_known = false, changes = false;
	uint64_t end;

	if (n > CELLS - first)
		n = CELLS - first;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t *cell = &m->target[first + i];
		uint64_t now = is_put ? target + i * CELL : UINT64_MAX;
		bool same = *cell == now && (!is_put || m->access[first + i] == access);

		changes |= !same;
		changes_known |= !same && *cell != UINT64_MAX;
		*cell = now;
		m->access[first + i] = access;
	}
	end = base + (first + n) * CELL - 1;
	first = base + first * CELL;
	if (is_put) {
		int change = put(t, range(first, end, target, access));

		/* It may say more than changed, never less. */
		assert_true(!changes_known || change == IOTLB_OTHER);
		assert_true(!changes || change != IOTLB_SAME);
		return change;
	}
	assert_int_equal(drop(t, first, end) == IOTLB_OTHER, changes);
	return 0;
}

static void model_run(uint64_t base)
{
	struct iotlb *t = NULL;
	struct model m;

	memset(&m, 0xff, sizeof(m));
	srand(7);
	for (int i = 0; i < STEPS; i++) {
		model_step(&m, &t, base);
		model_compare(&m, t, base);
	}
	iotlb_unref(t);
}

static void it_knows_what_an_array_of_pages_knows(void **state)
{
	(void)state;
	model_run(1 << 30);
}

static void addresses_from_0_on_are_as_others(void **state)
{
	(void)state;
	model_run(0);
}

static void addresses_up_to_the_last_one_are_as_others(void **state)
{
	(void)state;
	model_run(UINT64_MAX - CELLS * CELL + 1);
}

static void a_snapshot_stays_as_it_was(void **state)
{
	struct iotlb *t = NULL, *before;
	uint32_t access = 0;

	(void)state;
	put(&t, range(0x1000, 0x1fff, 0x70000, 3));
	before = iotlb_ref(t);
	assert_int_equal(put(&t, range(0x2000, 0x2fff, 0x71000, 3)), IOTLB_MORE);
	assert_int_equal(drop(&t, 0x1000, 0x1fff), IOTLB_OTHER);
	assert_int_equal(meaning(before, 0x1234, &access), 0x70234);
	assert_int_equal(meaning(before, 0x2000, &access), UINT64_MAX);
	assert_int_equal(meaning(t, 0x1234, &access), UINT64_MAX);
	iotlb_unref(before);
	iotlb_unref(t);
}

static void the_same_twice_is_no_change(void **state)
{
	struct iotlb *t = NULL;

	(void)state;
	assert_int_equal(put(&t, range(0x1000, 0x1fff, 0x70000, 3)), IOTLB_MORE);
	assert_int_equal(put(&t, range(0x1000, 0x1fff, 0x70000, 3)), IOTLB_SAME);
	assert_int_equal(put(&t, range(0x1800, 0x18ff, 0x70800, 3)), IOTLB_SAME);
	assert_int_equal(put(&t, range(0x1000, 0x1fff, 0x70000, 1)), IOTLB_OTHER);
	assert_int_equal(put(&t, range(0x1000, 0x1fff, 0x90000, 1)), IOTLB_OTHER);
	iotlb_unref(t);
}

static void everything_in_the_two_pieces_that_front_ends_send_is_forgotten(void **state)
{
	struct iotlb *t = NULL;

	(void)state;
	put(&t, range(0, 0xfff, 0x70000, 3));
	put(&t, range(0xfffff000, 0xffffffff, 0x90000, 3));
	put(&t, range(UINT64_MAX - 0xfff, UINT64_MAX, 0xa0000, 3));
	assert_int_equal(drop(&t, 0, 0xfee00000 - 1), IOTLB_OTHER);
	assert_int_equal(iotlb_ranges(t), 2);
	assert_int_equal(drop(&t, 0xfef00000, UINT64_MAX), IOTLB_OTHER);
	assert_int_equal(iotlb_ranges(t), 0);
	iotlb_unref(t);
}

static void a_range_of_all_addresses_can_be_cut(void **state)
{
	struct iotlb *t = NULL;
	uint32_t access = 0;

	(void)state;
	put(&t, range(0, UINT64_MAX, 0, 3));
	drop(&t, 0x5000, 0x5fff);
	assert_int_equal(meaning(t, 0x4fff, &access), 0x4fff);
	assert_int_equal(meaning(t, 0x5000, &access), UINT64_MAX);
	assert_int_equal(meaning(t, UINT64_MAX - 1, &access), UINT64_MAX - 1);
	iotlb_unref(t);
}

static void what_wraps_is_refused(void **state)
{
	const struct iotlb_range wrong[] = {
		{0x2000, 0x1fff, 0, 3},
		{0, 0x1fff, UINT64_MAX - 0xfff, 3},
		{0, 0xfff, 0, 4},
	};
	struct iotlb *t = NULL, *out = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(iotlb_with(t, &wrong[i], &out), -EINVAL);
	assert_int_equal(iotlb_without(t, 2, 1, &out), -EINVAL);
	assert_null(out);
}

static void it_never_grows_beyond_its_limit(void **state)
{
	struct iotlb *t = NULL;
	uint32_t access = 0;

	(void)state;
	for (uint64_t i = 0; i < IOTLB_MAX; i++)
		assert_int_equal(put(&t, range(i * 2 * CELL, i * 2 * CELL + CELL - 1, 0x1000, 3)),
				 IOTLB_MORE);
	assert_int_equal(iotlb_ranges(t), IOTLB_MAX);
	/* Others have to go, and that is said. */
	assert_int_equal(put(&t, range(CELL, CELL + 15, 0x9000000, 3)), IOTLB_OTHER);
	assert_int_equal(meaning(t, CELL + 1, &access), 0x9000001);
	assert_true(iotlb_ranges(t) < IOTLB_MAX);
	iotlb_unref(t);
}

static void a_hole_in_a_full_one_does_not_make_it_larger(void **state)
{
	struct iotlb *t = NULL;
	uint32_t access = 0;

	(void)state;
	for (uint64_t i = 0; i < IOTLB_MAX; i++)
		put(&t, range(i * 2 * CELL, i * 2 * CELL + CELL - 1, 0x1000, 3));
	assert_int_equal(drop(&t, 16, 31), IOTLB_OTHER);
	assert_true(iotlb_ranges(t) <= IOTLB_MAX);
	assert_int_equal(meaning(t, 16, &access), UINT64_MAX);
	iotlb_unref(t);
}

/* Two regions of two pages, apart in this process. */
struct memory {
	struct mappings *mappings;
	struct table *table;
	struct region *regions[2];
};

static void memory_make(struct memory *m)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	const char *why;

	m->mappings = mappings_new();
	assert_int_equal(ftruncate(fd, 4 * CELL), 0);
	for (uint64_t i = 0; i < 2; i++) {
		struct region_info info = {i << 20, 2 * CELL, (1 << 30) + i * 2 * CELL,
					   i * 2 * CELL};

		assert_int_equal(region_map(m->mappings, &info, fd, &m->regions[i], &why), 0);
	}
	assert_int_equal(table_new(m->regions, 2, &m->table), 0);
	close(fd);
}

static void memory_free(struct memory *m)
{
	table_unref(m->table);
	region_unref(m->regions[0]);
	region_unref(m->regions[1]);
	mappings_unref(m->mappings);
}

static void a_space_finds_what_is_translated_and_in_memory(void **state)
{
	struct iotlb *t = NULL;
	uint64_t missed = 0;
	struct memory m;
	struct space s;
	void *host;

	(void)state;
	memory_make(&m);
	/* A page before memory, its four pages, and one behind. */
	put(&t, range(0x10000, 0x15fff, (1 << 30) - CELL, 3));
	space_init_translated(&s, m.table, TABLE_USER, t);
	assert_int_equal(space_translate(&s, 0x11008, 2 * CELL - 8, SPACE_BOTH, &host, &missed), 0);
	assert_ptr_equal(host, m.regions[0]->host + 8);
	assert_int_equal(space_translate(&s, 0x13000, CELL, SPACE_READ, &host, &missed), 0);
	assert_ptr_equal(host, m.regions[1]->host);
	/* Its two pages are apart. */
	assert_int_equal(space_translate(&s, 0x12000, 2 * CELL, SPACE_READ, &host, &missed),
			 -EFAULT);
	assert_int_equal(space_translate(&s, 0x10000, 8, SPACE_READ, &host, &missed), SPACE_MISS);
	assert_int_equal(missed, 0x10000);
	assert_int_equal(space_translate(&s, 0x14008, CELL, SPACE_READ, &host, &missed),
			 SPACE_MISS);
	assert_int_equal(missed, 0x15000);
	iotlb_unref(t);
	memory_free(&m);
}

static void a_space_asks_for_the_direction_that_is_missing(void **state)
{
	struct iotlb *t = NULL;
	uint64_t missed = 0;
	struct memory m;
	struct space s;
	void *host;

	(void)state;
	memory_make(&m);
	put(&t, range(0x1000, 0x1fff, 1 << 30, SPACE_READ));
	put(&t, range(0x2000, 0x2fff, (1 << 30) + CELL, SPACE_BOTH));
	space_init_translated(&s, m.table, TABLE_USER, t);
	/* One piece, though of two ranges. */
	assert_int_equal(space_translate(&s, 0x1000, 2 * CELL, SPACE_READ, &host, &missed), 0);
	assert_int_equal(space_translate(&s, 0x1000, 8, SPACE_WRITE, &host, &missed), SPACE_MISS);
	assert_int_equal(missed, 0x1000);
	assert_int_equal(space_translate(&s, 0x2000, 8, SPACE_WRITE, &host, &missed), 0);
	iotlb_unref(t);
	memory_free(&m);
}

static void a_run_ends_where_either_of_them_does(void **state)
{
	struct space_run run;
	struct iotlb *t = NULL;
	struct memory m;
	struct space s;

	(void)state;
	memory_make(&m);
	put(&t, range(0, UINT64_MAX - (1 << 30), 1 << 30, 3));
	space_init_translated(&s, m.table, TABLE_USER, t);
	assert_int_equal(s.find(&s, CELL + 1, SPACE_READ, &run), 0);
	assert_int_equal(run.span.start, 0);
	assert_int_equal(run.span.size, 2 * CELL);
	assert_ptr_equal(run.span.host, m.regions[0]->host);
	drop(&t, 0, CELL - 1);
	space_init_translated(&s, m.table, TABLE_USER, t);
	assert_int_equal(s.find(&s, CELL + 1, SPACE_READ, &run), 0);
	assert_int_equal(run.span.start, CELL);
	assert_int_equal(run.span.size, CELL);
	iotlb_unref(t);
	memory_free(&m);
}

static void runs_that_are_neighbours_in_memory_are_one(void **state)
{
	struct mirror_run runs[MIRROR_RUNS];
	struct iotlb *t = NULL;
	uint64_t missed = 0;
	struct memory m;
	struct space s;
	uint32_t n;

	(void)state;
	memory_make(&m);
	/* Two ranges, as they allow different things, and a third one elsewhere. */
	put(&t, range(0x1000, 0x1fff, 1 << 30, SPACE_READ));
	put(&t, range(0x2000, 0x2fff, (1 << 30) + CELL, SPACE_BOTH));
	put(&t, range(0x3000, 0x3fff, 1 << 30, SPACE_READ));
	space_init_translated(&s, m.table, TABLE_USER, t);
	assert_int_equal(space_gather(&s, 0x1008, 3 * CELL - 8, SPACE_READ, runs, &n, &missed), 0);
	assert_int_equal(n, 2);
	assert_ptr_equal(runs[0].host, m.regions[0]->host + 8);
	assert_int_equal(runs[0].len, 2 * CELL - 8);
	assert_ptr_equal(runs[1].host, m.regions[0]->host);
	assert_int_equal(runs[1].len, CELL);
	iotlb_unref(t);
	memory_free(&m);
}

static void more_runs_than_a_mirror_takes_are_refused(void **state)
{
	enum { PIECE = 16 };
	struct mirror_run runs[MIRROR_RUNS];
	struct iotlb *t = NULL;
	uint64_t missed = 0;
	struct memory m;
	struct space s;
	uint32_t n;

	(void)state;
	memory_make(&m);
	/* Each piece lies before the one before. */
	for (uint64_t i = 0; i <= MIRROR_RUNS; i++)
		put(&t, range(i * PIECE, (i + 1) * PIECE - 1, (1 << 30) + (MIRROR_RUNS - i) * PIECE,
			      SPACE_BOTH));
	space_init_translated(&s, m.table, TABLE_USER, t);
	assert_int_equal(space_gather(&s, 0, MIRROR_RUNS * PIECE, SPACE_BOTH, runs, &n, &missed),
			 0);
	assert_int_equal(n, MIRROR_RUNS);
	assert_int_equal(
		space_gather(&s, 0, MIRROR_RUNS * PIECE + 1, SPACE_BOTH, runs, &n, &missed),
		-E2BIG);
	iotlb_unref(t);
	memory_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_knows_what_an_array_of_pages_knows),
		cmocka_unit_test(addresses_from_0_on_are_as_others),
		cmocka_unit_test(addresses_up_to_the_last_one_are_as_others),
		cmocka_unit_test(a_snapshot_stays_as_it_was),
		cmocka_unit_test(the_same_twice_is_no_change),
		cmocka_unit_test(everything_in_the_two_pieces_that_front_ends_send_is_forgotten),
		cmocka_unit_test(a_range_of_all_addresses_can_be_cut),
		cmocka_unit_test(what_wraps_is_refused),
		cmocka_unit_test(it_never_grows_beyond_its_limit),
		cmocka_unit_test(a_hole_in_a_full_one_does_not_make_it_larger),
		cmocka_unit_test(a_space_finds_what_is_translated_and_in_memory),
		cmocka_unit_test(a_space_asks_for_the_direction_that_is_missing),
		cmocka_unit_test(a_run_ends_where_either_of_them_does),
		cmocka_unit_test(runs_that_are_neighbours_in_memory_are_one),
		cmocka_unit_test(more_runs_than_a_mirror_takes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
