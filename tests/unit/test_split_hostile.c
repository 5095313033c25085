/* SPDX-License-Identifier: MIT */
/*
 * What a hostile driver can write into a split ring.  Each row is a poke and what the ring says of
 * it; afterwards no byte of guest memory has changed, and the ring stays broken whatever the
 * driver does.  Mappings lie between untouchable pages (test_ring_rig.c).
 */
#include "test_hostile.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE = 8, TABLE = 0x8000, MAX_SEGS = 40, RING_BYTES = 0x10000 };
enum { NEXT = DRIVER_DESC_NEXT, WRITE = DRIVER_DESC_WRITE, INDIRECT = DRIVER_DESC_INDIRECT };

#define DATA (RIG_DATA_GPA + 0x1000)

/* A descriptor. */
struct poke {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* Requests that a row leaves in flight. */
struct held {
	struct req *reqs[SIZE];
	uint32_t n;
};

struct hostile {
	const char *name;
	const char *why;
	struct poke ring[4], table[4]; /* of the ring, and of a table at TABLE */
	uint16_t head;
	uint16_t jump; /* added to the available index beyond the one entry */
	bool no_indirect;
	void (*prepare)(struct rig *rig, struct held *held);
};

static void high_memory(struct rig *rig, struct held *held)
{
	const struct guest_region top = {
		.gpa = UINT64_MAX - 0xfff, .size = 0x1000, .uva = UINT64_C(0xff0000000000)};

	/* The last page there is; the ring's region starts at 0: a wrapping sum would find it. */
	assert_true(guest_add(rig->guest, &top) > 0);
	assert_int_equal(rig_switch_table(rig, 0), 0);
}

static void same_head_twice(struct rig *rig, struct held *held)
{
	driver_split_write_desc(rig->drv, 3, DATA, 1, 0, 0);
	driver_split_offer(rig->drv, 3);
	driver_publish(rig->drv);
	held->reqs[held->n++] = rig_take(rig);
}

static void seven_in_flight(struct rig *rig, struct held *held)
{
	for (uint16_t i = 1; i < 8; i++) {
		driver_split_write_desc(rig->drv, i, DATA, 1, 0, 0);
		driver_split_offer(rig->drv, i);
	}
	driver_publish(rig->drv);
	while (held->n < 7)
		held->reqs[held->n++] = rig_take(rig);
}

static const struct hostile cases[] = {
	{.name = "a_descriptor_that_leads_to_itself",
	 .why = "a chain that loops",
	 .ring = {{DATA, 1, NEXT, 0}}},
	{.name = "a_loop_of_two",
	 .why = "a chain that loops",
	 .ring = {{DATA, 1, NEXT, 1}, {DATA, 1, NEXT, 0}}},
	{.name = "a_loop_of_writable_descriptors_behind_a_readable_one",
	 .why = "a chain that loops",
	 .ring = {{DATA, 1, NEXT, 1}, {DATA, 1, NEXT | WRITE, 2}, {DATA, 1, NEXT | WRITE, 1}}},
	{.name = "a_loop_in_an_indirect_table",
	 .why = "a chain that loops",
	 .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 1, NEXT, 1}, {DATA, 1, NEXT, 0}}},
	{.name = "a_head_beyond_the_table", .why = "an available entry beyond", .head = SIZE},
	{.name = "the_largest_head", .why = "an available entry beyond", .head = UINT16_MAX},
	{.name = "a_next_beyond_the_table",
	 .why = "a next field beyond",
	 .ring = {{DATA, 1, NEXT, SIZE}}},
	{.name = "the_largest_next",
	 .why = "a next field beyond",
	 .ring = {{DATA, 1, NEXT | WRITE, UINT16_MAX}}},
	{.name = "a_next_beyond_the_indirect_table",
	 .why = "a next field beyond",
	 .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 1, NEXT, 2}, {DATA, 1, 0, 0}, {DATA, 1, 0, 0}}},
	{.name = "an_index_that_moves_by_more_than_the_size",
	 .why = "an available index",
	 .ring = {{DATA, 1, 0, 0}},
	 .jump = SIZE},
	{.name = "an_index_that_moves_back",
	 .why = "an available index",
	 .ring = {{DATA, 1, 0, 0}},
	 .jump = UINT16_MAX - 1},
	{.name = "an_index_half_a_lap_away", .why = "an available index", .jump = 0x7fff},
	{.name = "an_index_that_moves_by_more_than_is_not_in_flight",
	 .why = "an available index",
	 .prepare = seven_in_flight,
	 .jump = 1},
	{.name = "a_head_that_is_in_flight",
	 .why = "still in use",
	 .prepare = same_head_twice,
	 .head = 3},
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
	{.name = "readable_after_writable_in_a_table",
	 .why = "a readable buffer after",
	 .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 1, NEXT | WRITE, 1}, {DATA, 1, 0, 0}}},
	{.name = "a_readable_table_behind_a_writable_descriptor",
	 .why = "a readable buffer after",
	 .ring = {{DATA, 1, NEXT | WRITE, 1}, {TABLE, 16, INDIRECT, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "a_table_in_a_table",
	 .why = "inside an indirect table",
	 .ring = {{TABLE, 16, INDIRECT, 0}},
	 .table = {{TABLE, 16, INDIRECT, 0}}},
	{.name = "a_table_in_a_table_behind_a_writable_descriptor",
	 .why = "inside an indirect table",
	 .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 1, NEXT | WRITE, 1}, {TABLE, 16, INDIRECT | WRITE, 0}}},
	{.name = "an_indirect_descriptor_with_a_next",
	 .why = "not the last of its chain",
	 .ring = {{TABLE, 16, INDIRECT | NEXT, 1}, {DATA, 1, 0, 0}},
	 .table = {{DATA, 1, 0, 0}}},
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
	 .ring = {{RIG_SMALL_GPA - 16, (MAX_SEGS + RING_LONG_SEGS + 1) * 16, INDIRECT, 0}}},
	{.name = "an_empty_table_at_an_odd_address",
	 .why = "length 0",
	 .ring = {{RIG_SMALL_GPA + 1, 16, INDIRECT, 0}}},
};

static void write_case(struct rig *rig, const struct hostile *c)
{
	struct driver_split_desc *table = guest_ptr(rig->guest, TABLE, sizeof(*table) * 4);

	for (uint32_t i = 0; i < 4; i++) {
		const struct poke *p = &c->table[i];

		if (c->ring[i].flags || c->ring[i].addr)
			driver_split_write_desc(rig->drv, i, c->ring[i].addr, c->ring[i].len,
						c->ring[i].flags, c->ring[i].next);
		table[i] = (struct driver_split_desc){p->addr, p->len, p->flags, p->next};
	}
	driver_split_offer(rig->drv, c->head);
	rig->drv->split.avail_idx = (uint16_t)(rig->drv->split.avail_idx + c->jump);
	driver_publish(rig->drv);
}

/* The driver repairs everything and offers what would be right. */
static void repair(struct rig *rig)
{
	driver_reset(rig->drv);
	driver_split_write_desc(rig->drv, 0, DATA, 1, 0, 0);
	for (int i = 0; i < SIZE; i++)
		rig->drv->split.avail->ring[i] = 0;
	rig->drv->split.avail_idx = (uint16_t)(ring_base(rig->ring) + 1);
	driver_publish(rig->drv);
}

static void run_case(struct rig *rig, const struct hostile *c)
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
	write_case(rig, c);
	before = hostile_copy(rig);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_non_null(strstr(rig->ring->why, c->why));
	hostile_stays_broken(rig);
	/* What is in flight ends without a trace. */
	while (held.n)
		rig_finish(rig, held.reqs[--held.n], 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	hostile_compare(rig, before);
	free(before);
	repair(rig);
	hostile_stays_broken(rig);
}

static void run(void **state)
{
	const struct hostile *c = *state;
	struct rig rig = {.layout = rig_layout_split};
	int before = rig_count_mappings();

	run_case(&rig, c);
	rig_stop(&rig);
	assert_int_equal(rig_count_mappings(), before);
}

/* A good chain in front of a bad one: it is handed out, and the error comes next. */
static void a_broken_chain_ends_a_batch(void **state)
{
	struct rig rig = {.layout = rig_layout_split};
	struct vu_req *reqs[4];

	(void)state;
	rig_start(&rig, &(struct rig_options){.size = SIZE, .ring_bytes = RING_BYTES});
	for (uint16_t i = 0; i < 4; i++) {
		driver_split_write_desc(rig.drv, i, i == 2 ? 0x80000000 : DATA, 1, 0, 0);
		driver_split_offer(rig.drv, i);
	}
	driver_publish(rig.drv);
	assert_int_equal(ring_take(rig.ring, reqs, 4), 2);
	assert_non_null(rig.ring->why);
	/* Repairing it now does not help. */
	driver_split_write_desc(rig.drv, 2, DATA, 1, 0, 0);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	assert_int_equal(ring_put_back(rig.ring, (struct req *)reqs[1]), 0);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	rig_finish(&rig, (struct req *)reqs[0], 0);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	assert_int_equal(rig.drv->split.used->idx, 0);
	rig_stop(&rig);
}

static void areas_that_are_not_aligned_break_the_ring(void **state)
{
	struct rig rig = {.layout = rig_layout_split};

	(void)state;
	rig_prepare(&rig, &(struct rig_options){.size = SIZE});
	for (int area = 0; area < 3; area++) {
		struct ring_config good = rig.config;
		uint64_t *addr = area == 0   ? &rig.config.desc
				 : area == 1 ? &rig.config.driver
					     : &rig.config.device;

		*addr += area == 2 ? 2 : 1;
		rig_expect_flaw(&rig, "aligned");
		rig.config = good;
	}
	rig_stop(&rig);
}

int main(void)
{
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	struct CMUnitTest tests[CASES + 2] = {
		cmocka_unit_test(a_broken_chain_ends_a_batch),
		cmocka_unit_test(areas_that_are_not_aligned_break_the_ring),
	};

	for (size_t i = 0; i < CASES; i++) {
		union {
			const struct hostile *row;
			void *state;
		} initial = {&cases[i]};

		tests[i + 2] = (struct CMUnitTest){cases[i].name, run, NULL, NULL, initial.state};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
