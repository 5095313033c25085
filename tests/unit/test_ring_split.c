/* SPDX-License-Identifier: MIT */
/* What is particular to split rings and right: flags, event indices, used entries, tables. */
#include "test_ring_rig.h"

#include <endian.h>
#include <string.h>

static void start(struct rig *rig, const struct rig_options *options)
{
	*rig = (struct rig){.layout = rig_layout_split};
	rig_start(rig, options);
}

static void a_size_that_is_no_power_of_two_breaks_the_ring(void **state)
{
	static const uint32_t sizes[] = {3, 24, 255, 32767};
	struct rig rig = {.layout = rig_layout_split};

	(void)state;
	rig_prepare(&rig, &(struct rig_options){0});
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rig.config.size = sizes[i];
		rig_expect_flaw(&rig, "power of two");
	}
	rig.config.size = 256;
	rig.config.base = 65536;
	rig_expect_flaw(&rig, "16 bits");
	rig_stop(&rig);
}

static void the_write_flag_of_an_indirect_descriptor_means_nothing(void **state)
{
	struct rig_chain chain;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16});
	for (uint32_t readable = 0; readable <= 6; readable++) {
		uint32_t at;
		struct req *req;
		uint32_t id;

		rig_make_chain(&rig, &chain, readable, 6 - readable);
		id = rig_add(&rig, &chain, RIG_MIXED);
		/* Three direct ones, then the indirect one. */
		at = id;
		for (int i = 0; i < 3; i++)
			at = le16toh(rig.drv->split.desc[at].next);
		assert_int_equal(le16toh(rig.drv->split.desc[at].flags), DRIVER_DESC_INDIRECT);
		rig.drv->split.desc[at].flags = htole16(DRIVER_DESC_INDIRECT | DRIVER_DESC_WRITE);
		driver_publish(rig.drv);
		req = rig_take(&rig);
		rig_check(&rig, req, &chain);
		rig_finish(&rig, req, 0);
		rig_expect_used(&rig, id, 0);
	}
	rig_stop(&rig);
}

static void unknown_descriptor_flags_are_ignored(void **state)
{
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 4});
	driver_split_write_desc(rig.drv, 1, RIG_DATA_GPA, 5, 0xfff8 | DRIVER_DESC_NEXT, 2);
	driver_split_write_desc(rig.drv, 2, RIG_DATA_GPA, 6, 0xfff8 | DRIVER_DESC_WRITE, 0xffff);
	driver_split_offer(rig.drv, 1);
	driver_publish(rig.drv);
	assert_int_equal(rig_take(&rig)->pub.readable_len, 5);
	rig_stop(&rig);
}

static void without_event_idx_flags_say_who_wants_to_know(void **state)
{
	struct driver_split *s;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16});
	s = &rig.drv->split;
	assert_false(ring_arm(rig.ring));
	assert_int_equal(le16toh(s->used->flags), 0);
	ring_disarm(rig.ring);
	assert_int_equal(le16toh(s->used->flags), DRIVER_USED_NO_NOTIFY);
	assert_false(ring_arm(rig.ring));
	assert_int_equal(le16toh(s->used->flags), 0);
	rig_pass_byte(&rig);
	ring_wants_signal(rig.ring);
	for (int i = 0; i < 4; i++) {
		s->avail->flags = htole16(i % 2 ? DRIVER_AVAIL_NO_INTERRUPT : 0xfffe);
		rig_pass_byte(&rig);
		assert_int_equal(ring_wants_signal(rig.ring), i % 2 == 0);
	}
	rig_stop(&rig);
}

static void with_event_idx_flags_mean_nothing(void **state)
{
	struct driver_split *s;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16, .event_idx = true});
	s = &rig.drv->split;
	ring_disarm(rig.ring);
	assert_int_equal(s->used->flags, 0);
	rig_pass_byte(&rig);
	ring_wants_signal(rig.ring);
	s->avail->flags = htole16(DRIVER_AVAIL_NO_INTERRUPT);
	rig_offer_byte(&rig);
	rig_finish(&rig, rig_take(&rig), 0);
	assert_true(ring_wants_signal(rig.ring));
	rig_stop(&rig);
}

static void arming_asks_for_the_entry_after_the_last_one_seen(void **state)
{
	struct rig rig;
	uint16_t base = 65533;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16, .base = base, .event_idx = true});
	for (int i = 0; i < 6; i++) {
		assert_false(ring_arm(rig.ring));
		assert_int_equal(le16toh(*driver_split_avail_event(rig.drv)), base);
		rig_offer_byte(&rig);
		rig_offer_byte(&rig);
		base = (uint16_t)(base + 2);
		assert_int_equal(ring_look(rig.ring), 1);
		/* Not taken, but seen. */
		assert_false(ring_arm(rig.ring));
		assert_int_equal(le16toh(*driver_split_avail_event(rig.drv)), base);
		rig_take(&rig);
		rig_take(&rig);
	}
	rig_stop(&rig);
}

/* virtio 1.3 §2.7.7.2, the other way round: exactly when the event is one of the new entries. */
static void the_used_event_decides_about_signals(void **state)
{
	static const uint16_t bases[] = {0, 100, 65530};

	(void)state;
	for (int b = 0; b < 3; b++) {
		struct rig rig;
		uint16_t used = bases[b];

		start(&rig, &(struct rig_options){.size = 16, .base = used, .event_idx = true});
		rig_pass_byte(&rig);
		assert_true(ring_wants_signal(rig.ring));
		used++;
		for (int n = 1; n < 6; n++) {
			for (int event = -4; event < 10; event++) {
				for (int i = 0; i < n; i++)
					rig_pass_byte(&rig);
				*driver_split_used_event(rig.drv) =
					htole16((uint16_t)(used + event));
				assert_int_equal(ring_wants_signal(rig.ring),
						 event >= 0 && event < n);
				used = (uint16_t)(used + n);
			}
		}
		rig_stop(&rig);
	}
}

static void used_entries_are_where_the_used_ring_says(void **state)
{
	struct rig rig;
	const char *why;

	(void)state;
	rig = (struct rig){.layout = rig_layout_split};
	rig_prepare(&rig, &(struct rig_options){.size = 8});
	/* Requests that were in flight before: the used ring is behind the base. */
	driver_set_base(rig.drv, 65535);
	rig.drv->split.used->idx = htole16(65533);
	rig.drv->split.last_used = 65533;
	rig.config.base = 65535;
	assert_int_equal(rig_new_ring(&rig, &why), 0);
	for (int i = 0; i < 5; i++)
		rig_pass_byte(&rig);
	assert_int_equal(le16toh(rig.drv->split.used->idx), (uint16_t)(65533 + 5));
	assert_int_equal(ring_base(rig.ring), (uint16_t)(65535 + 5));
	rig_stop(&rig);
}

static void nothing_is_written_outside_of_the_used_ring(void **state)
{
	struct rig rig;
	struct guest_region *memory;
	unsigned char *before;
	size_t used_at, used_bytes;

	(void)state;
	start(&rig, &(struct rig_options){.size = 4, .event_idx = true, .ring_bytes = 0x1000});
	memory = &rig.guest->regions[RIG_RING];
	used_at = rig.drv->used_gpa;
	used_bytes = 4 + 4 * 8 + 2;
	memset(memory->host + used_at + used_bytes, 0xa5, memory->size - used_at - used_bytes);
	before = test_malloc(memory->size);
	for (int i = 0; i < 9; i++) {
		uint32_t id = rig_offer_byte(&rig);

		memcpy(before, memory->host, memory->size);
		ring_disarm(rig.ring);
		ring_arm(rig.ring);
		rig_finish(&rig, rig_take(&rig), 0);
		ring_wants_signal(rig.ring);
		ring_arm(rig.ring);
		assert_memory_equal(before, memory->host, used_at);
		assert_memory_equal(before + used_at + used_bytes,
				    memory->host + used_at + used_bytes,
				    memory->size - used_at - used_bytes);
		rig_expect_used(&rig, id, 0);
	}
	test_free(before);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_that_is_no_power_of_two_breaks_the_ring),
		cmocka_unit_test(the_write_flag_of_an_indirect_descriptor_means_nothing),
		cmocka_unit_test(unknown_descriptor_flags_are_ignored),
		cmocka_unit_test(without_event_idx_flags_say_who_wants_to_know),
		cmocka_unit_test(with_event_idx_flags_mean_nothing),
		cmocka_unit_test(arming_asks_for_the_entry_after_the_last_one_seen),
		cmocka_unit_test(the_used_event_decides_about_signals),
		cmocka_unit_test(used_entries_are_where_the_used_ring_says),
		cmocka_unit_test(nothing_is_written_outside_of_the_used_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
