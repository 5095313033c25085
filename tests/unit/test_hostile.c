/* SPDX-License-Identifier: MIT */
/* The rows and bodies of both layouts; see test_hostile.h. */
#include "test_hostile.h"

#include <stdlib.h>
#include <string.h>

/* A row on a layout. */
struct hostile_test {
	const struct hostile_layout *layout;
	const struct hostile *row;
};

static void high_memory(struct rig *rig, struct held *held)
{
	const struct guest_region top = {
		.gpa = UINT64_MAX - 0xfff, .size = 0x1000, .uva = UINT64_C(0xff0000000000)};

	/* The last page there is; the ring's region starts at 0: a wrapping sum would find it. */
	assert_true(guest_add(rig->guest, &top) > 0);
	assert_int_equal(rig_switch_table(rig, 0), 0);
}

static const struct rig_layout *layout_of(const struct hostile_layout *layout)
{
	return layout->packed ? rig_layout_packed : rig_layout_split;
}

static const struct hostile rows_of_both[] = {
	{.name = "a_buffer_at_an_unmapped_address",
	 .why = "a buffer outside",
	 .ring = {{0x80000000, 1, 0, 0}}},
	{.name = "a_writable_buffer_at_an_unmapped_address",
	 .why = "a buffer outside",
	 .ring = {{DATA, 1, NEXT, 1}, {0x80000000, 1, WRITE, 0}}},
	{.name = "a_buffer_before_a_region",
	 .why = "a buffer outside",
	 .ring = {{RIG_DATA_GPA - 1, 2, 0, 0}}},
	{.name = "a_buffer_that_ends_behind_a_region",
	 .why = "a buffer outside",
	 .ring = {{RIG_END_GPA - 1, 2, WRITE, 0}}},
	{.name = "a_buffer_that_starts_at_the_end_of_a_region",
	 .why = "a buffer outside",
	 .ring = {{RIG_END_GPA, 1, 0, 0}}},
	{.name = "a_buffer_of_all_32_bits",
	 .why = "a buffer outside",
	 .ring = {{DATA, UINT32_MAX, 0, 0}}},
	{.name = "a_buffer_at_the_largest_address",
	 .why = "a buffer outside",
	 .ring = {{UINT64_MAX, 1, 0, 0}}},
	{.name = "a_buffer_that_wraps_to_address_0",
	 .why = "a buffer outside",
	 .ring = {{UINT64_MAX, 2, 0, 0}},
	 .prepare = high_memory},
	{.name = "a_buffer_that_wraps_over_all_of_memory",
	 .why = "a buffer outside",
	 .ring = {{UINT64_MAX - 0xfff, UINT32_MAX, WRITE, 0}},
	 .prepare = high_memory},
	{.name = "a_buffer_of_length_0", .why = "length 0", .ring = {{DATA, 0, 0, 0}}},
	{.name = "a_writable_buffer_of_length_0_at_the_end",
	 .why = "length 0",
	 .ring = {{DATA, 1, NEXT, 1}, {DATA, 0, WRITE, 0}}},
	{.name = "a_buffer_of_length_0_outside_memory",
	 .why = "length 0",
	 .ring = {{0x80000000, 0, 0, 0}}},
	{.name = "readable_after_writable",
	 .why = "a readable buffer after",
	 .ring = {{DATA, 1, NEXT | WRITE, 1}, {DATA, 1, 0, 0}}},
	{.name = "a_table_without_the_feature",
	 .why = "not offered",
	 .no_indirect = true,
	 .ring = {{TABLE, 16, INDIRECT, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "a_table_of_length_0", .why = "multiple of 16", .ring = {{TABLE, 0, INDIRECT, 0}}},
	{.name = "a_table_of_length_15",
	 .why = "multiple of 16",
	 .ring = {{TABLE, 15, INDIRECT, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "a_table_of_length_17",
	 .why = "multiple of 16",
	 .ring = {{TABLE, 17, INDIRECT, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "a_huge_table",
	 .why = "indirect table",
	 .ring = {{TABLE, 0xfffffff0, INDIRECT, 0}}},
	{.name = "a_table_at_an_unmapped_address",
	 .why = "indirect table outside",
	 .ring = {{0x80000000, 16, INDIRECT, 0}}},
	{.name = "a_huge_table_at_an_unmapped_address",
	 .why = "indirect table",
	 .ring = {{0x80000000, 0xfffffff0, INDIRECT, 0}}},
	{.name = "a_table_that_ends_outside",
	 .why = "indirect table outside",
	 .ring = {{RIG_END_GPA - 16, 32, INDIRECT, 0}}},
	{.name = "a_table_that_wraps_to_address_0",
	 .why = "indirect table outside",
	 .ring = {{UINT64_MAX - 15, 32, INDIRECT, 0}},
	 .prepare = high_memory},
	{.name = "a_table_across_regions_that_is_longer_than_any_chain",
	 .why = "longer than max_segs",
	 .ring = {{RIG_SMALL_GPA - 16, FAR_TOO_LONG * 16, INDIRECT, 0}}},
	{.name = "an_empty_table_at_an_odd_address",
	 .why = "length 0",
	 .ring = {{RIG_SMALL_GPA + 1, 16, INDIRECT, 0}}},
};

enum { ROWS_OF_BOTH = sizeof(rows_of_both) / sizeof(rows_of_both[0]) };

void hostile_hold(struct rig *rig, const struct hostile_layout *layout, struct held *held,
		  uint32_t n)
{
	while (held->n < n) {
		layout->offer(rig, (uint16_t)held->n, DATA);
		driver_publish(rig->drv);
		held->reqs[held->n++] = rig_take(rig);
	}
}

/* A copy of all of guest memory, to be freed; and that memory is still what the copy says. */
static unsigned char *copy_memory(const struct rig *rig)
{
	unsigned char *copy, *at;
	size_t size = 0;

	for (uint32_t i = 0; i < rig->guest->n_regions; i++)
		size += rig->guest->regions[i].map_size;
	at = copy = malloc(size);
	for (uint32_t i = 0; i < rig->guest->n_regions; i++) {
		const struct guest_region *r = &rig->guest->regions[i];

		memcpy(at, r->map, r->map_size);
		at += r->map_size;
	}
	return copy;
}

static void compare_memory(const struct rig *rig, const unsigned char *copy)
{
	for (uint32_t i = 0; i < rig->guest->n_regions; i++) {
		const struct guest_region *r = &rig->guest->regions[i];

		assert_memory_equal(r->map, copy, r->map_size);
		copy += r->map_size;
	}
}

/* The ring is broken for whatever its owner tries. */
static void expect_broken(struct rig *rig)
{
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_int_equal(ring_look(rig->ring), -EIO);
	/* Its owner is not to sleep before it knows. */
	assert_true(ring_arm(rig->ring));
	assert_false(ring_is_available(rig->ring));
	assert_false(ring_wants_signal(rig->ring));
	ring_disarm(rig->ring);
	ring_publish(rig->ring);
}

/* As after a request with buffers there: what is in this region takes the short way. */
static void know_memory(struct rig *rig)
{
	struct ring *ring = rig->ring;
	struct space_run run;

	assert_int_equal(ring->space.find(&ring->space, DATA, SPACE_READ, &run), 0);
	ring->window = (struct ring_window){.end = run.span.start + run.span.size,
					    .size = run.span.size,
					    .shift = (uintptr_t)run.span.host - run.span.start};
}

static void run_case(struct rig *rig, const struct hostile_layout *layout, const struct hostile *c,
		     bool is_known)
{
	struct rig_options options = {.size = SIZE,
				      .max_segs = MAX_SEGS,
				      .ring_bytes = RING_BYTES,
				      .no_indirect = c->no_indirect};
	struct held held = {.n = 0};
	unsigned char *before;

	rig_start(rig, &options);
	if (c->prepare)
		c->prepare(rig, &held);
	if (is_known)
		know_memory(rig);
	layout->write(rig, c);
	before = copy_memory(rig);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_non_null(strstr(rig->ring->why, c->why));
	expect_broken(rig);
	/* What is in flight ends without a trace. */
	while (held.n)
		rig_finish(rig, held.reqs[--held.n], 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	compare_memory(rig, before);
	free(before);
	layout->repair(rig);
	expect_broken(rig);
}

static void run(void **state)
{
	const struct hostile_test *test = *state;
	struct rig rig = {.layout = layout_of(test->layout)};
	int before = count_guest_mappings();

	for (int is_known = 0; is_known < 2; is_known++) {
		run_case(&rig, test->layout, test->row, is_known);
		rig_stop(&rig);
	}
	assert_int_equal(count_guest_mappings(), before);
}

/* A good chain in front of a bad one: it is handed out, and the error comes next. */
static void a_broken_chain_ends_a_batch(void **state)
{
	const struct hostile_layout *layout = *state;
	struct rig rig = {.layout = layout_of(layout)};
	struct vu_req *reqs[4];

	rig_start(&rig, &(struct rig_options){.size = SIZE, .ring_bytes = RING_BYTES});
	for (uint16_t i = 0; i < 4; i++)
		layout->offer(&rig, i, i == 2 ? 0x80000000 : DATA);
	driver_publish(rig.drv);
	assert_int_equal(ring_take(rig.ring, reqs, 4), 2);
	assert_non_null(rig.ring->why);
	/* Repairing it now does not help. */
	layout->mend(&rig, 2, DATA);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	assert_int_equal(ring_put_back(rig.ring, (struct req *)reqs[1]), 0);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	rig_finish(&rig, (struct req *)reqs[0], 0);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	layout->expect_untouched(&rig);
	rig_stop(&rig);
}

static void areas_that_are_not_aligned_break_the_ring(void **state)
{
	const struct hostile_layout *layout = *state;
	struct rig rig = {.layout = layout_of(layout)};

	rig_prepare(&rig, &(struct rig_options){.size = SIZE});
	for (int i = 0; i < 6 && layout->odd[i / 3][i % 3]; i++) {
		struct ring_config good = rig.config;
		uint64_t *addr = i % 3 == 0   ? &rig.config.desc
				 : i % 3 == 1 ? &rig.config.driver
					      : &rig.config.device;

		*addr += layout->odd[i / 3][i % 3];
		rig_expect_flaw(&rig, "aligned");
		rig.config = good;
	}
	rig_stop(&rig);
}

static struct CMUnitTest test_of(const struct hostile *row, struct hostile_test *test,
				 const struct hostile_layout *layout)
{
	*test = (struct hostile_test){layout, row};
	return (struct CMUnitTest){row->name, run, NULL, NULL, test};
}

int hostile_main(const struct hostile_layout *layout, const struct hostile *rows, size_t n_rows,
		 const struct CMUnitTest *others, size_t n_others)
{
	union {
		const struct hostile_layout *layout;
		void *state;
	} initial = {layout};
	const struct CMUnitTest of_both[] = {
		cmocka_unit_test_prestate(a_broken_chain_ends_a_batch, initial.state),
		cmocka_unit_test_prestate(areas_that_are_not_aligned_break_the_ring, initial.state),
	};
	size_t n = 0, n_all = n_rows + ROWS_OF_BOTH;
	struct CMUnitTest *units = calloc(2 + n_others + n_all, sizeof(*units));
	struct hostile_test *tests = calloc(n_all, sizeof(*tests));
	int failed;

	while (n < 2) {
		units[n] = of_both[n];
		n++;
	}
	for (size_t i = 0; i < n_others; i++)
		units[n++] = others[i];
	for (size_t i = 0; i < ROWS_OF_BOTH; i++)
		units[n++] = test_of(&rows_of_both[i], &tests[i], layout);
	for (size_t i = 0; i < n_rows; i++)
		units[n++] = test_of(&rows[i], &tests[ROWS_OF_BOTH + i], layout);
	failed = _cmocka_run_group_tests("hostile", units, n, NULL, NULL);
	free(units);
	free(tests);
	return failed;
}
