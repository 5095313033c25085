/* SPDX-License-Identifier: MIT */
/* What a hostile driver can write into a split ring and no other; see test_hostile.h. */
#include "test_hostile.h"

static void split_offer(struct rig *rig, uint16_t i, uint64_t addr)
{
	driver_split_write_desc(rig->drv, i, addr, 1, 0, 0);
	driver_split_offer(rig->drv, i);
}

static void same_head_twice(struct rig *rig, struct held *held)
{
	split_offer(rig, 3, DATA);
	driver_publish(rig->drv);
	held->reqs[held->n++] = rig_take(rig);
}

static void seven_in_flight(struct rig *rig, struct held *held)
{
	for (uint16_t i = 1; i < 8; i++)
		split_offer(rig, i, DATA);
	driver_publish(rig->drv);
	while (held->n < 7)
		held->reqs[held->n++] = rig_take(rig);
}

static const struct hostile rows[] = {
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
	{.name = "readable_after_writable_in_a_table",
	 .why = "a readable buffer after",
	 .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 1, NEXT | WRITE, 1}, {DATA, 1, 0, 0}}},
	{.name = "a_readable_table_behind_a_writable_descriptor",
	 .why = "a readable buffer after",
	 .ring = {{DATA, 1, NEXT | WRITE, 1}, {TABLE, 16, INDIRECT, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "a_table_at_an_unmapped_address_behind_a_descriptor",
	 .why = "indirect table outside",
	 .ring = {{DATA, 1, NEXT, 1}, {0x80000000, 16, INDIRECT, 0}}},
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
};

static void split_write(struct rig *rig, const struct hostile *c)
{
	struct driver_split_desc *table = guest_ptr(rig->guest, TABLE, sizeof(*table) * POKES);

	for (uint32_t i = 0; i < POKES; i++) {
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

static void split_repair(struct rig *rig)
{
	driver_reset(rig->drv);
	driver_split_write_desc(rig->drv, 0, DATA, 1, 0, 0);
	for (int i = 0; i < SIZE; i++)
		rig->drv->split.avail->ring[i] = 0;
	rig->drv->split.avail_idx = (uint16_t)(ring_base(rig->ring) + 1);
	driver_publish(rig->drv);
}

static void split_mend(struct rig *rig, uint16_t i, uint64_t addr)
{
	driver_split_write_desc(rig->drv, i, addr, 1, 0, 0);
}

static void split_expect_untouched(struct rig *rig)
{
	assert_int_equal(rig->drv->split.used->idx, 0);
}

int main(void)
{
	const struct hostile_layout layout = {
		.write = split_write,
		.repair = split_repair,
		.offer = split_offer,
		.mend = split_mend,
		.expect_untouched = split_expect_untouched,
		.odd = {{1, 1, 2}},
	};

	return hostile_main(&layout, rows, sizeof(rows) / sizeof(rows[0]), NULL, 0);
}
