/* SPDX-License-Identifier: MIT */
/* What is particular to packed rings and right: sizes, wrap counters, slots, ids. */
#include "test_ring_rig.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { WRAP = 1 << 15, AVAIL_USED = DRIVER_PACKED_AVAIL | DRIVER_PACKED_USED };

static void start(struct rig *rig, const struct rig_options *options)
{
	*rig = (struct rig){.layout = rig_layout_packed};
	rig_start(rig, options);
}

static uint16_t flags_at(const struct rig *rig, uint32_t slot)
{
	return le16toh(rig->drv->packed.desc[slot].flags);
}

/* A slot and its wrap counter n entries after the first half of a base. */
static uint16_t half_after(uint32_t base, uint32_t size, uint32_t n)
{
	return (uint16_t)rig_layout_packed->add_to_base(base, size, n);
}

/* A chain of n readable bytes, published. */
static uint32_t offer_chain(struct rig *rig, uint32_t n)
{
	struct driver_seg segs[8];
	int id;

	for (uint32_t i = 0; i < n; i++)
		segs[i] = (struct driver_seg){RIG_DATA_GPA + i, 1, false};
	id = driver_add(rig->drv, segs, n, NULL);
	assert_true(id >= 0);
	driver_publish(rig->drv);
	return (uint32_t)id;
}

static void a_size_need_not_be_a_power_of_two(void **state)
{
	static const uint32_t sizes[] = {1, 3, 5, 7, 24, 100, 255, 1000, 4095, 32767};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint32_t size = sizes[s];
		struct vu_req **reqs = calloc(size, sizeof(*reqs));
		struct driver_used *used = calloc(size, sizeof(*used));
		struct rig rig;

		start(&rig, &(struct rig_options){.size = size, .event_idx = s % 2});
		/* A full ring three times, each time from another slot on. */
		for (int round = 0; round < 3; round++) {
			uint32_t taken = 0;

			for (uint32_t i = 0; i < size; i++)
				rig_offer_byte(&rig);
			assert_int_equal(
				driver_add(rig.drv, &(struct driver_seg){0, 1, false}, 1, NULL),
				-ENOSPC);
			while (taken < size) {
				int n = ring_take(rig.ring, reqs + taken, 1000);

				assert_true(n > 0);
				taken += (uint32_t)n;
			}
			assert_int_equal(rig_take_nothing(&rig), 0);
			assert_false(ring_arm(rig.ring));
			for (uint32_t i = 0; i < size; i++)
				rig_finish(&rig, (struct req *)reqs[size - 1 - i], 0);
			assert_int_equal(driver_collect(rig.drv, used, size), size);
			rig_pass_byte(&rig);
		}
		rig_stop(&rig);
		free(reqs);
		free(used);
	}
}

static void a_restart_goes_on_with_both_wrap_counters(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 5, 8, 11};
	struct rig rig;

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint32_t size = sizes[s], base = (WRAP | (uint32_t)WRAP << 16), most;
		const char *why;

		most = size < 3 ? size : 3;
		start(&rig, &(struct rig_options){.size = size, .event_idx = true});
		assert_int_equal(ring_base(rig.ring), base);
		for (uint32_t i = 0; i < 5 * size; i++) {
			uint32_t n = 1 + i % most, id = offer_chain(&rig, n);

			rig_finish(&rig, rig_take(&rig), 0);
			rig_expect_used(&rig, id, 0);
			base = rig_layout_packed->add_to_base(base, size, n);
			assert_int_equal(ring_base(rig.ring), base);
			rig.config.base = base;
			ring_free(rig.ring);
			assert_int_equal(rig_new_ring(&rig, &why), 0);
			assert_int_equal(rig_take_nothing(&rig), 0);
			assert_false(ring_arm(rig.ring));
		}
		rig_stop(&rig);
	}
}

static void the_used_half_of_the_base_is_where_used_descriptors_go_on(void **state)
{
	struct rig rig = {.layout = rig_layout_packed};
	uint32_t ids[3];
	const char *why;

	(void)state;
	rig_prepare(&rig, &(struct rig_options){.size = 8,
						.base = rig_layout_packed->base_before_wrap(8, 1)});
	for (int i = 0; i < 3; i++)
		ids[i] = rig_offer_byte(&rig);
	/* As if two were in flight: the next to take is behind the wrap, the next to use is not. */
	rig.config.base = (rig.config.base & 0xffff0000) | half_after(rig.config.base, 8, 2);
	assert_int_equal(rig_new_ring(&rig, &why), 0);
	rig_finish(&rig, rig_take(&rig), 0);
	rig_expect_used(&rig, ids[2], 0);
	assert_int_equal(flags_at(&rig, 7) & AVAIL_USED, AVAIL_USED);
	assert_int_equal(ring_base(rig.ring), half_after(rig.config.base, 8, 1) |
						      (uint32_t)half_after(7 | WRAP, 8, 1) << 16);
	rig_stop(&rig);
}

static void put_back_goes_back_over_the_wrap(void **state)
{
	struct rig rig;

	(void)state;
	for (uint32_t before = 1; before <= 3; before++) {
		uint32_t base = rig_layout_packed->base_before_wrap(7, before), a, b;
		struct req *first, *second;

		start(&rig, &(struct rig_options){.size = 7, .base = base});
		a = offer_chain(&rig, 3);
		b = offer_chain(&rig, 2);
		for (int i = 0; i < 3; i++) {
			first = rig_take(&rig);
			second = rig_take(&rig);
			assert_int_equal(second->slots, 2);
			assert_int_equal(ring_put_back(rig.ring, second), 0);
			assert_int_equal(ring_put_back(rig.ring, first), 0);
			assert_int_equal(ring_base(rig.ring), base);
		}
		first = rig_take(&rig);
		second = rig_take(&rig);
		rig_finish(&rig, second, 0);
		rig_expect_used(&rig, b, 0);
		rig_finish(&rig, first, 0);
		rig_expect_used(&rig, a, 0);
		assert_int_equal(ring_base(rig.ring), rig_layout_packed->add_to_base(base, 7, 5));
		rig_stop(&rig);
	}
}

static void a_used_descriptor_stands_for_all_slots_of_its_chain(void **state)
{
	uint32_t a, b;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16});
	a = offer_chain(&rig, 3);
	b = offer_chain(&rig, 2);
	rig_finish(&rig, rig_take(&rig), 0);
	assert_int_equal(flags_at(&rig, 0) & AVAIL_USED, AVAIL_USED);
	for (uint32_t slot = 1; slot < 5; slot++)
		assert_int_equal(flags_at(&rig, slot) & AVAIL_USED, DRIVER_PACKED_AVAIL);
	rig_expect_used(&rig, a, 0);
	rig_finish(&rig, rig_take(&rig), 0);
	assert_int_equal(flags_at(&rig, 3) & AVAIL_USED, AVAIL_USED);
	assert_int_equal(flags_at(&rig, 4) & AVAIL_USED, DRIVER_PACKED_AVAIL);
	rig_expect_used(&rig, b, 0);
	rig_stop(&rig);
}

static void a_batch_becomes_visible_with_the_flags_of_its_first(void **state)
{
	enum { N = 5 };
	struct vu_req *reqs[N];
	struct driver_used used[N];
	struct rig rig;

	(void)state;
	/* Over the wrap. */
	start(&rig,
	      &(struct rig_options){.size = 6, .base = rig_layout_packed->base_before_wrap(6, 2)});
	for (int round = 0; round < 8; round++) {
		uint32_t first = rig.drv->packed.used.slot;
		uint16_t before;

		for (int i = 0; i < N; i++)
			rig_offer_byte(&rig);
		before = flags_at(&rig, first);
		assert_int_equal(ring_take(rig.ring, reqs, N), N);
		for (int i = 0; i < N; i++) {
			assert_int_equal(ring_complete(rig.ring, (struct req *)reqs[i], 0), 0);
			assert_int_equal(flags_at(&rig, first), before);
			rig_expect_nothing_used(&rig);
		}
		ring_publish(rig.ring);
		assert_int_equal(driver_collect(rig.drv, used, N), N);
		/* Nothing is left to be published. */
		ring_publish(rig.ring);
		rig_expect_nothing_used(&rig);
	}
	rig_stop(&rig);
}

static void the_id_is_that_of_the_last_descriptor(void **state)
{
	static const uint16_t ids[] = {0, 7, 0x7fff, 0xffff};
	struct rig rig;

	(void)state;
	/* What it is is the driver's affair: also beyond the ring's size, or one that is in use. */
	start(&rig, &(struct rig_options){.size = 8});
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		uint32_t slot = rig.drv->packed.at.slot;
		struct req *req;

		driver_packed_offer(rig.drv, RIG_DATA_GPA, 1, 1, DRIVER_DESC_NEXT);
		driver_packed_offer(rig.drv, RIG_DATA_GPA, 1, 2, DRIVER_DESC_NEXT);
		driver_packed_offer(rig.drv, RIG_DATA_GPA, 1, ids[i], 0);
		driver_publish(rig.drv);
		req = rig_take(&rig);
		assert_int_equal(req->pub.readable_len, 3);
		rig_finish(&rig, req, 0);
		assert_int_equal(le16toh(rig.drv->packed.desc[slot].id), ids[i]);
	}
	rig_stop(&rig);
}

static void an_id_twice_in_flight_is_used_twice(void **state)
{
	struct req *a, *b;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 8});
	driver_packed_offer(rig.drv, RIG_DATA_GPA, 1, 5, 0);
	driver_packed_offer(rig.drv, RIG_DATA_GPA, 2, 5, 0);
	driver_publish(rig.drv);
	a = rig_take(&rig);
	b = rig_take(&rig);
	assert_ptr_not_equal(a, b);
	assert_int_equal(a->pub.readable_len, 1);
	assert_int_equal(b->pub.readable_len, 2);
	rig_finish(&rig, b, 0);
	rig_finish(&rig, a, 0);
	for (int slot = 0; slot < 2; slot++)
		assert_int_equal(le16toh(rig.drv->packed.desc[slot].id), 5);
	rig_stop(&rig);
}

static void a_used_descriptor_says_whether_something_was_written(void **state)
{
	static const struct driver_seg seg = {RIG_DATA_GPA, 100, true};
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 8});
	for (uint32_t written = 0; written <= 100; written += 100) {
		uint32_t slot = rig.drv->packed.at.slot;

		assert_true(driver_add(rig.drv, &seg, 1, NULL) >= 0);
		driver_publish(rig.drv);
		rig_finish(&rig, rig_take(&rig), written);
		assert_int_equal(flags_at(&rig, slot),
				 AVAIL_USED | (written ? DRIVER_DESC_WRITE : 0));
		assert_int_equal(le32toh(rig.drv->packed.desc[slot].len), written);
	}
	rig_stop(&rig);
}

static void of_a_table_only_addresses_lengths_and_write_count(void **state)
{
	struct rig_chain chain;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16});
	for (uint32_t readable = 0; readable <= 6; readable++) {
		struct driver_packed_desc *table;
		uint32_t id, slot = rig.drv->packed.at.slot;
		struct req *req;

		rig_make_chain(&rig, &chain, readable, 6 - readable);
		id = rig_add(&rig, &chain, RIG_INDIRECT);
		table = guest_ptr(rig.guest, le64toh(rig.drv->packed.desc[slot].addr), 6 * 16);
		for (int i = 0; i < 6; i++) {
			table[i].flags |= htole16((uint16_t)~DRIVER_DESC_WRITE);
			table[i].id = 0xffff;
		}
		/* The WRITE flag of the one that points to it means nothing. */
		rig.drv->packed.batch_flags |= htole16(DRIVER_DESC_WRITE);
		driver_publish(rig.drv);
		req = rig_take(&rig);
		rig_check(&rig, req, &chain);
		rig_finish(&rig, req, 0);
		rig_expect_used(&rig, id, 0);
	}
	rig_stop(&rig);
}

static void nothing_is_written_outside_of_used_slots_and_the_device_event(void **state)
{
	struct guest_region *memory;
	unsigned char *before;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 5, .event_idx = true, .ring_bytes = 0x1000});
	memory = &rig.guest->regions[RIG_RING];
	before = test_malloc(memory->size);
	for (int i = 0; i < 12; i++) {
		uint32_t slot = rig.drv->packed.at.slot, id = rig_offer_byte(&rig);

		memcpy(before, memory->host, memory->size);
		ring_disarm(rig.ring);
		ring_arm(rig.ring);
		rig_finish(&rig, rig_take(&rig), 0);
		ring_wants_signal(rig.ring);
		ring_arm(rig.ring);
		/* Put back by hand what may change, and nothing else may have. */
		memcpy(before + rig.drv->desc_gpa + slot * 16 + 8,
		       memory->host + rig.drv->desc_gpa + slot * 16 + 8, 8);
		memcpy(before + rig.drv->used_gpa, memory->host + rig.drv->used_gpa, 4);
		assert_memory_equal(before, memory->host, memory->size);
		rig_expect_used(&rig, id, 0);
	}
	test_free(before);
	rig_stop(&rig);
}

static void the_test_peer_finds_its_base_in_ring_memory(void **state)
{
	struct rig rig;
	uint32_t base;

	(void)state;
	base = rig_layout_packed->base_before_wrap(7, 4);
	start(&rig, &(struct rig_options){.size = 7, .base = base});
	driver_recover_base(rig.drv);
	assert_int_equal(rig.drv->base, base);
	offer_chain(&rig, 3);
	offer_chain(&rig, 2);
	rig_offer_byte(&rig);
	rig_finish(&rig, rig_take(&rig), 0);
	rig_finish(&rig, rig_take(&rig), 0);
	rig_take(&rig);
	driver_recover_base(rig.drv);
	assert_int_equal(rig.drv->base, rig_layout_packed->add_to_base(base, 7, 5));
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_need_not_be_a_power_of_two),
		cmocka_unit_test(a_restart_goes_on_with_both_wrap_counters),
		cmocka_unit_test(the_used_half_of_the_base_is_where_used_descriptors_go_on),
		cmocka_unit_test(put_back_goes_back_over_the_wrap),
		cmocka_unit_test(a_used_descriptor_stands_for_all_slots_of_its_chain),
		cmocka_unit_test(a_batch_becomes_visible_with_the_flags_of_its_first),
		cmocka_unit_test(the_id_is_that_of_the_last_descriptor),
		cmocka_unit_test(an_id_twice_in_flight_is_used_twice),
		cmocka_unit_test(a_used_descriptor_says_whether_something_was_written),
		cmocka_unit_test(of_a_table_only_addresses_lengths_and_write_count),
		cmocka_unit_test(nothing_is_written_outside_of_used_slots_and_the_device_event),
		cmocka_unit_test(the_test_peer_finds_its_base_in_ring_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
