/* SPDX-License-Identifier: MIT */
/*
 * What a hostile driver can write into a packed ring and no other; see test_hostile.h.
 *
 * Ids are not among it: they are the driver's own affair, and one beyond the size or twice in
 * flight does no harm (test_ring_packed.c).  Nor are loops: a chain takes consecutive slots.
 */
#include "test_hostile.h"

#include <endian.h>

static void packed_write(struct rig *rig, const struct hostile *c)
{
	struct driver_packed_desc *table = guest_ptr(rig->guest, TABLE, sizeof(*table) * POKES);

	for (uint32_t i = 0; i < POKES; i++) {
		const struct poke *p = &c->table[i];

		if (c->ring[i].addr)
			driver_packed_offer(rig->drv, c->ring[i].addr, c->ring[i].len, 0,
					    c->ring[i].flags);
		table[i] = (struct driver_packed_desc){htole64(p->addr), htole32(p->len), 0,
						       htole16(p->flags)};
	}
	driver_publish(rig->drv);
}

static void packed_repair(struct rig *rig)
{
	driver_reset(rig->drv);
	driver_set_base(rig->drv, ring_base(rig->ring));
	driver_packed_offer(rig->drv, DATA, 1, 0, 0);
	driver_publish(rig->drv);
}

static void packed_offer(struct rig *rig, uint16_t i, uint64_t addr)
{
	driver_packed_offer(rig->drv, addr, 1, i, 0);
}

static void packed_mend(struct rig *rig, uint16_t i, uint64_t addr)
{
	rig->drv->packed.desc[i].addr = htole64(addr);
}

static void packed_expect_untouched(struct rig *rig)
{
	assert_int_equal(rig->drv->packed.desc[0].flags, htole16(DRIVER_PACKED_AVAIL));
}

static const struct hostile_layout packed = {
	.packed = true,
	.write = packed_write,
	.repair = packed_repair,
	.offer = packed_offer,
	.mend = packed_mend,
	.expect_untouched = packed_expect_untouched,
	/* Event areas need no more than what their accesses need: 2 bytes, the device's 4. */
	.odd = {{1, 1, 1}, {4, 3, 2}},
};

static void six_in_flight(struct rig *rig, struct held *held)
{
	hostile_hold(rig, &packed, held, 6);
}

static void all_in_flight(struct rig *rig, struct held *held)
{
	hostile_hold(rig, &packed, held, SIZE);
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

static const struct hostile rows[] = {
	{.name = "a_chain_all_around_the_ring",
	 .why = "longer than what is free",
	 .prepare = next_everywhere},
	{.name = "a_chain_that_goes_on_into_what_is_in_flight",
	 .why = "longer than what is free",
	 .prepare = six_in_flight,
	 .ring = {{DATA, 1, NEXT, 0}, {DATA, 1, NEXT, 0}, {DATA, 1, 0, 0}}},
	{.name = "a_writable_chain_that_goes_on_into_what_is_in_flight",
	 .why = "longer than what is free",
	 .prepare = six_in_flight,
	 .ring = {{DATA, 1, NEXT | WRITE, 0}, {DATA, 1, NEXT | WRITE, 0}, {DATA, 1, WRITE, 0}}},
	{.name = "one_more_than_the_ring_has_slots",
	 .why = "longer than what is free",
	 .prepare = all_in_flight,
	 .ring = {{DATA, 1, 0, 0}}},
	{.name = "readable_after_writable_in_a_table",
	 .why = "a readable buffer after",
	 .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 1, WRITE, 0}, {DATA, 1, 0, 0}}},
	{.name = "an_indirect_descriptor_with_a_next",
	 .why = "not alone",
	 .ring = {{TABLE, 16, INDIRECT | NEXT, 0}, {DATA, 1, 0, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "an_indirect_descriptor_at_the_end_of_a_chain",
	 .why = "not alone",
	 .ring = {{DATA, 1, NEXT, 0}, {TABLE, 16, INDIRECT, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "an_indirect_descriptor_behind_a_writable_one",
	 .why = "not alone",
	 .ring = {{DATA, 1, NEXT | WRITE, 0}, {TABLE, 16, INDIRECT | WRITE, 0}},
	 .table = {{DATA, 1, WRITE, 0}}},
	{.name = "an_indirect_descriptor_in_the_middle_of_a_chain",
	 .why = "not alone",
	 .ring = {{DATA, 1, NEXT, 0}, {TABLE, 16, INDIRECT | NEXT, 0}, {DATA, 1, 0, 0}},
	 .table = {{DATA, 1, 0, 0}}},
	{.name = "a_table_with_an_empty_entry",
	 .why = "length 0",
	 .ring = {{TABLE, 48, INDIRECT, 0}},
	 .table = {{DATA, 1, 0, 0}, {DATA, 0, 0, 0}, {DATA, 1, WRITE, 0}}},
	{.name = "a_table_longer_than_any_chain",
	 .why = "max_segs",
	 .ring = {{RIG_DATA_GPA, FAR_TOO_LONG * 16, INDIRECT, 0}},
	 .prepare = table_of_ones},
};

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
		hostile_hold(&rig, &packed, &held, SIZE - 1);
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

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(flags_that_change_after_the_look_do_no_harm),
		cmocka_unit_test(a_slot_given_anew_while_it_is_in_use_keeps_nobody_busy),
		cmocka_unit_test(a_base_beyond_the_size_breaks_the_ring),
	};

	return hostile_main(&packed, rows, sizeof(rows) / sizeof(rows[0]), others,
			    sizeof(others) / sizeof(others[0]));
}
