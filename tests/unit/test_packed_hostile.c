/* SPDX-License-Identifier: MIT */
/*
 * What a hostile driver can write into a packed ring.  Each row is a poke and what the ring says of
 * it; afterwards no byte of guest memory has changed, and the ring stays broken whatever the
 * driver does.  Mappings lie between untouchable pages (test_ring_rig.c).
 *
 * Ids are not among it: they are the driver's own affair, and one beyond the size or twice in
 * flight does no harm (test_ring_packed.c).  Nor are loops: a chain takes consecutive slots.
 */
#include "test_hostile.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 8, TABLE = 0x8000, MAX_SEGS = 40, RING_BYTES = 0x10000 };
enum { FAR_TOO_LONG = MAX_SEGS + RING_LONG_SEGS + 1 };
enum { NEXT = DRIVER_DESC_NEXT, WRITE = DRIVER_DESC_WRITE, INDIRECT = DRIVER_DESC_INDIRECT };

#define DATA (RIG_DATA_GPA + 0x1000)

/* A descriptor. */
struct poke {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
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

static void hold(struct rig *rig, struct held *held, uint32_t n)
{
	while (held->n < n) {
		driver_packed_offer(rig->drv, DATA, 1, (uint16_t)held->n, 0);
		driver_publish(rig->drv);
		held->reqs[held->n++] = rig_take(rig);
	}
}

static void six_in_flight(struct rig *rig, struct held *held)
{
	hold(rig, held, 6);
}

static void all_in_flight(struct rig *rig, struct held *held)
{
	hold(rig, held, SIZE);
}

/* Behind the wrap, slots of the lap before say NEXT, too. */
static void next_everywhere(struct rig *rig, struct held *held)
{
	for (uint32_t i = 0; i + 1 < SIZE; i++)
		driver_packed_offer(rig->drv, DATA, 1, 0, NEXT);
	driver_packed_offer(rig->drv, DATA, 1, 0, 0);
	driver_publish(rig->drv);
	rig_finish(rig, rig_take(rig), 0);
	for (uint32_t i = 0; i < SIZE; i++)
		driver_packed_offer(rig->drv, DATA, 1, 0, NEXT);
	driver_publish(rig->drv);
	(void)held;
}

static void table_of_ones(struct rig *rig, struct held *held)
{
	struct driver_seg ones[FAR_TOO_LONG];

	for (int i = 0; i < FAR_TOO_LONG; i++)
		ones[i] = (struct driver_seg){RIG_TAIL_GPA, 1, false};
	assert_int_equal(driver_write_table(rig->drv, RIG_DATA_GPA, ones, FAR_TOO_LONG), 0);
	(void)held;
}

static const struct hostile cases[] = {
	{.name = "a_chain_all_around_the_ring",
	 .why = "longer than what is free",
	 .prepare = next_everywhere},
	{.name = "a_chain_that_goes_on_into_what_is_in_flight",
	 .why = "longer than what is free",
	 .prepare = six_in_flight,
	 .ring = {{DATA, 1, NEXT}, {DATA, 1, NEXT}, {DATA, 1, 0}}},
	{.name = "a_writable_chain_that_goes_on_into_what_is_in_flight",
	 .why = "longer than what is free",
	 .prepare = six_in_flight,
	 .ring = {{DATA, 1, NEXT | WRITE}, {DATA, 1, NEXT | WRITE}, {DATA, 1, WRITE}}},
	{.name = "one_more_than_the_ring_has_slots",
	 .why = "longer than what is free",
	 .prepare = all_in_flight,
	 .ring = {{DATA, 1, 0}}},
	{.name = "a_buffer_at_an_unmapped_address",
	 .why = "a buffer outside",
	 .ring = {{0x80000000, 1, 0}}},
	{.name = "a_writable_buffer_at_an_unmapped_address",
	 .why = "a buffer outside",
	 .ring = {{DATA, 1, NEXT}, {0x80000000, 1, WRITE}}},
	{.name = "a_buffer_before_a_region",
	 .why = "a buffer outside",
	 .ring = {{RIG_DATA_GPA - 1, 2, 0}}},
	{.name = "a_buffer_that_ends_behind_a_region",
	 .why = "a buffer outside",
	 .ring = {{RIG_END_GPA - 1, 2, WRITE}}},
	{.name = "a_buffer_that_starts_at_the_end_of_a_region",
	 .why = "a buffer outside",
	 .ring = {{RIG_END_GPA, 1, 0}}},
	{.name = "a_buffer_of_all_32_bits",
	 .why = "a buffer outside",
	 .ring = {{DATA, UINT32_MAX, 0}}},
	{.name = "a_buffer_at_the_largest_address",
	 .why = "a buffer outside",
	 .ring = {{UINT64_MAX, 1, 0}}},
	{.name = "a_buffer_that_wraps_to_address_0",
	 .why = "a buffer outside",
	 .ring = {{UINT64_MAX, 2, 0}},
	 .prepare = high_memory},
	{.name = "a_buffer_that_wraps_over_all_of_memory",
	 .why = "a buffer outside",
	 .ring = {{UINT64_MAX - 0xfff, UINT32_MAX, WRITE}},
	 .prepare = high_memory},
	{.name = "a_buffer_of_length_0", .why = "length 0", .ring = {{DATA, 0, 0}}},
	{.name = "a_writable_buffer_of_length_0_at_the_end",
	 .why = "length 0",
	 .ring = {{DATA, 1, NEXT}, {DATA, 0, WRITE}}},
	{.name = "a_buffer_of_length_0_outside_memory",
	 .why = "length 0",
	 .ring = {{0x80000000, 0, 0}}},
	{.name = "readable_after_writable",
	 .why = "a readable buffer after",
	 .ring = {{DATA, 1, NEXT | WRITE}, {DATA, 1, 0}}},
	{.name = "readable_after_writable_in_a_table",
	 .why = "a readable buffer after",
	 .ring = {{TABLE, 32, INDIRECT}},
	 .table = {{DATA, 1, WRITE}, {DATA, 1, 0}}},
	{.name = "an_indirect_descriptor_with_a_next",
	 .why = "not alone",
	 .ring = {{TABLE, 16, INDIRECT | NEXT}, {DATA, 1, 0}},
	 .table = {{DATA, 1, 0}}},
	{.name = "an_indirect_descriptor_at_the_end_of_a_chain",
	 .why = "not alone",
	 .ring = {{DATA, 1, NEXT}, {TABLE, 16, INDIRECT}},
	 .table = {{DATA, 1, 0}}},
	{.name = "an_indirect_descriptor_behind_a_writable_one",
	 .why = "not alone",
	 .ring = {{DATA, 1, NEXT | WRITE}, {TABLE, 16, INDIRECT | WRITE}},
	 .table = {{DATA, 1, WRITE}}},
	{.name = "an_indirect_descriptor_in_the_middle_of_a_chain",
	 .why = "not alone",
	 .ring = {{DATA, 1, NEXT}, {TABLE, 16, INDIRECT | NEXT}, {DATA, 1, 0}},
	 .table = {{DATA, 1, 0}}},
	{.name = "a_table_without_the_feature",
	 .why = "not offered",
	 .no_indirect = true,
	 .ring = {{TABLE, 16, INDIRECT}},
	 .table = {{DATA, 1, 0}}},
	{.name = "a_table_of_length_0", .why = "multiple of 16", .ring = {{TABLE, 0, INDIRECT}}},
	{.name = "a_table_of_length_15",
	 .why = "multiple of 16",
	 .ring = {{TABLE, 15, INDIRECT}},
	 .table = {{DATA, 1, 0}}},
	{.name = "a_table_of_length_17",
	 .why = "multiple of 16",
	 .ring = {{TABLE, 17, INDIRECT}},
	 .table = {{DATA, 1, 0}}},
	{.name = "a_huge_table", .why = "indirect table", .ring = {{TABLE, 0xfffffff0, INDIRECT}}},
	{.name = "a_table_with_an_empty_entry",
	 .why = "length 0",
	 .ring = {{TABLE, 48, INDIRECT}},
	 .table = {{DATA, 1, 0}, {DATA, 0, 0}, {DATA, 1, WRITE}}},
	{.name = "a_table_longer_than_any_chain",
	 .why = "max_segs",
	 .ring = {{RIG_DATA_GPA, FAR_TOO_LONG * 16, INDIRECT}},
	 .prepare = table_of_ones},
	{.name = "a_table_at_an_unmapped_address",
	 .why = "indirect table outside",
	 .ring = {{0x80000000, 16, INDIRECT}}},
	{.name = "a_huge_table_at_an_unmapped_address",
	 .why = "indirect table",
	 .ring = {{0x80000000, 0xfffffff0, INDIRECT}}},
	{.name = "a_table_that_ends_outside",
	 .why = "indirect table outside",
	 .ring = {{RIG_END_GPA - 16, 32, INDIRECT}}},
	{.name = "a_table_that_wraps_to_address_0",
	 .why = "indirect table outside",
	 .ring = {{UINT64_MAX - 15, 32, INDIRECT}},
	 .prepare = high_memory},
	{.name = "a_table_across_regions_that_is_longer_than_any_chain",
	 .why = "longer than max_segs",
	 .ring = {{RIG_SMALL_GPA - 16, FAR_TOO_LONG * 16, INDIRECT}}},
	{.name = "an_empty_table_at_an_odd_address",
	 .why = "length 0",
	 .ring = {{RIG_SMALL_GPA + 1, 16, INDIRECT}}},
};

static void write_case(struct rig *rig, const struct hostile *c)
{
	struct driver_packed_desc *table = guest_ptr(rig->guest, TABLE, sizeof(*table) * 4);

	for (uint32_t i = 0; i < 4; i++) {
		const struct poke *p = &c->table[i];

		if (c->ring[i].addr)
			driver_packed_offer(rig->drv, c->ring[i].addr, c->ring[i].len, 0,
					    c->ring[i].flags);
		table[i] = (struct driver_packed_desc){htole64(p->addr), htole32(p->len), 0,
						       htole16(p->flags)};
	}
	driver_publish(rig->drv);
}

/* The driver repairs everything and offers what would be right. */
static void repair(struct rig *rig)
{
	driver_reset(rig->drv);
	driver_set_base(rig->drv, ring_base(rig->ring));
	driver_packed_offer(rig->drv, DATA, 1, 0, 0);
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
	struct rig rig = {.layout = rig_layout_packed};
	int before = rig_count_mappings();

	run_case(&rig, c);
	rig_stop(&rig);
	assert_int_equal(rig_count_mappings(), before);
}

/* A good chain in front of a bad one: it is handed out, and the error comes next. */
static void a_broken_chain_ends_a_batch(void **state)
{
	struct rig rig = {.layout = rig_layout_packed};
	struct vu_req *reqs[4];

	(void)state;
	rig_start(&rig, &(struct rig_options){.size = SIZE, .ring_bytes = RING_BYTES});
	for (uint16_t i = 0; i < 4; i++)
		driver_packed_offer(rig.drv, i == 2 ? 0x80000000 : DATA, 1, i, 0);
	driver_publish(rig.drv);
	assert_int_equal(ring_take(rig.ring, reqs, 4), 2);
	assert_non_null(rig.ring->why);
	/* Repairing it now does not help. */
	rig.drv->packed.desc[2].addr = htole64(DATA);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	assert_int_equal(ring_put_back(rig.ring, (struct req *)reqs[1]), 0);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	rig_finish(&rig, (struct req *)reqs[0], 0);
	assert_int_equal(rig_take_nothing(&rig), -EIO);
	assert_int_equal(rig.drv->packed.desc[0].flags, htole16(DRIVER_PACKED_AVAIL));
	rig_stop(&rig);
}

/* A driver that takes back what it made available, and makes it available again. */
static void flags_that_change_after_the_look_do_no_harm(void **state)
{
	struct rig rig = {.layout = rig_layout_packed};
	struct req *req;

	(void)state;
	rig_start(&rig, &(struct rig_options){.size = SIZE, .event_idx = true});
	for (int lap = 0; lap < 20; lap++) {
		uint32_t slot = rig.drv->packed.at.slot;
		struct driver_packed_desc *d = &rig.drv->packed.desc[slot];
		uint16_t flags;

		driver_packed_offer(rig.drv, DATA, 1, 1, 0);
		driver_publish(rig.drv);
		flags = d->flags;
		assert_int_equal(ring_look(rig.ring), 1);
		d->flags = 0;
		d->flags = htole16(le16toh(flags) ^ (DRIVER_PACKED_AVAIL | DRIVER_PACKED_USED));
		assert_int_equal(rig_take_nothing(&rig), 0);
		assert_false(ring_arm(rig.ring));
		d->flags = flags;
		req = rig_take(&rig);
		/* In flight it has no meaning to us, until it is used. */
		d->flags = htole16((uint16_t)~le16toh(flags));
		d->addr = 0;
		rig_finish(&rig, req, 0);
		assert_int_equal(rig_take_nothing(&rig), 0);
	}
	rig_stop(&rig);
}

/* A driver that gives a slot anew while all of them are in use or seen: there is nothing to wait
 * for. */
static void a_slot_given_anew_while_it_is_in_use_keeps_nobody_busy(void **state)
{
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		struct rig rig = {.layout = rig_layout_packed};
		struct held held = {.n = 0};
		struct driver_packed_desc *d;

		(void)state;
		rig_start(&rig, &(struct rig_options){.size = SIZE, .event_idx = event_idx});
		hold(&rig, &held, SIZE - 1);
		driver_packed_offer(rig.drv, DATA, 1, SIZE - 1, 0);
		driver_publish(rig.drv);
		/* Seen, and left for later. */
		assert_int_equal(ring_look(rig.ring), 1);
		assert_false(ring_arm(rig.ring));
		d = &rig.drv->packed.desc[rig.drv->packed.at.slot];
		/* Available in the next lap. */
		d->flags = htole16(
			(uint16_t)(le16toh(d->flags) ^ (DRIVER_PACKED_AVAIL | DRIVER_PACKED_USED)));
		assert_int_equal(ring_look(rig.ring), 0);
		assert_false(ring_arm(rig.ring));
		held.reqs[held.n++] = rig_take(&rig);
		for (uint32_t i = 0; i < held.n; i++)
			rig_finish(&rig, held.reqs[i], 0);
		rig_stop(&rig);
	}
}

static void a_base_beyond_the_size_breaks_the_ring(void **state)
{
	/* One half each, and both. */
	static const uint32_t bases[] = {SIZE,	     SIZE << 16, SIZE | SIZE << 16, 0x7fff,
					 0x7fff0000, 0xffffffff, 0x80008000 + SIZE};
	struct rig rig = {.layout = rig_layout_packed};

	(void)state;
	rig_prepare(&rig, &(struct rig_options){.size = SIZE});
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		rig.config.base = bases[i];
		rig_expect_flaw(&rig, "base");
	}
	rig_stop(&rig);
}

/* Event areas need no more than what their accesses need: 2 bytes, the device's 4. */
static void areas_that_are_not_aligned_break_the_ring(void **state)
{
	static const uint64_t odd[][3] = {{1, 1, 1}, {4, 3, 2}};
	struct rig rig = {.layout = rig_layout_packed};

	(void)state;
	rig_prepare(&rig, &(struct rig_options){.size = SIZE});
	for (int i = 0; i < 6; i++) {
		struct ring_config good = rig.config;
		uint64_t *addr = i % 3 == 0   ? &rig.config.desc
				 : i % 3 == 1 ? &rig.config.driver
					      : &rig.config.device;

		*addr += odd[i / 3][i % 3];
		rig_expect_flaw(&rig, "aligned");
		rig.config = good;
	}
	rig_stop(&rig);
}

int main(void)
{
	enum { CASES = sizeof(cases) / sizeof(cases[0]), OTHERS = 5 };
	struct CMUnitTest tests[CASES + OTHERS] = {
		cmocka_unit_test(a_broken_chain_ends_a_batch),
		cmocka_unit_test(flags_that_change_after_the_look_do_no_harm),
		cmocka_unit_test(a_slot_given_anew_while_it_is_in_use_keeps_nobody_busy),
		cmocka_unit_test(a_base_beyond_the_size_breaks_the_ring),
		cmocka_unit_test(areas_that_are_not_aligned_break_the_ring),
	};

	for (size_t i = 0; i < CASES; i++) {
		union {
			const struct hostile *row;
			void *state;
		} initial = {&cases[i]};

		tests[i + OTHERS] =
			(struct CMUnitTest){cases[i].name, run, NULL, NULL, initial.state};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
