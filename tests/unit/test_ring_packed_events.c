/* SPDX-License-Identifier: MIT */
/* The event areas of packed rings, from both sides: flags, and slots with their wrap counters. */
#include "test_ring_rig.h"

#include <endian.h>

enum { WRAP = 1 << 15 };

static void start(struct rig *rig, const struct rig_options *options)
{
	*rig = (struct rig){.layout = rig_layout_packed};
	rig_start(rig, options);
}

/* A slot and its wrap counter n entries after the first half of a base. */
static uint16_t half_after(uint32_t base, uint32_t size, uint32_t n)
{
	return (uint16_t)rig_layout_packed->add_to_base(base, size, n);
}

/* A chain of two, published. */
static uint32_t offer_two(struct rig *rig)
{
	struct rig_chain chain;
	uint32_t id;

	rig_make_chain(rig, &chain, 2, 0);
	id = rig_add(rig, &chain, RIG_DIRECT);
	driver_publish(rig->drv);
	return id;
}

static void without_event_idx_flags_say_who_wants_to_know(void **state)
{
	struct driver_packed *p;
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16});
	p = &rig.drv->packed;
	assert_false(ring_arm(rig.ring));
	assert_int_equal(le16toh(p->device->flags), DRIVER_EVENT_ENABLE);
	ring_disarm(rig.ring);
	assert_int_equal(le16toh(p->device->flags), DRIVER_EVENT_DISABLE);
	assert_false(ring_arm(rig.ring));
	assert_int_equal(le16toh(p->device->flags), DRIVER_EVENT_ENABLE);
	rig_pass_byte(&rig);
	ring_wants_signal(rig.ring);
	for (int i = 0; i < 4; i++) {
		/* DESC means nothing here: better a signal too many. */
		p->driver->flags = htole16((uint16_t)i);
		rig_pass_byte(&rig);
		assert_int_equal(ring_wants_signal(rig.ring), i != DRIVER_EVENT_DISABLE);
	}
	rig_stop(&rig);
}

static void with_event_idx_all_or_nothing_can_be_asked_for_too(void **state)
{
	struct rig rig;

	(void)state;
	start(&rig, &(struct rig_options){.size = 16, .event_idx = true});
	rig_pass_byte(&rig);
	ring_wants_signal(rig.ring);
	for (int i = 0; i < 4; i++) {
		driver_set_interrupts(rig.drv, i % 2);
		if (i % 2)
			rig.drv->packed.driver->flags = htole16(DRIVER_EVENT_ENABLE);
		rig_offer_byte(&rig);
		rig_finish(&rig, rig_take(&rig), 0);
		assert_int_equal(ring_wants_signal(rig.ring), i % 2);
		assert_int_equal(driver_collect(rig.drv, &(struct driver_used){0}, 1), 1);
	}
	rig_stop(&rig);
}

static void arming_asks_for_the_slot_after_the_last_one_seen(void **state)
{
	static const uint32_t sizes[] = {4, 7, 16};
	struct rig rig;

	(void)state;
	for (int s = 0; s < 3; s++) {
		uint32_t base = rig_layout_packed->base_before_wrap(sizes[s], 3);
		struct driver_packed_event *event;

		start(&rig,
		      &(struct rig_options){.size = sizes[s], .base = base, .event_idx = true});
		event = rig.drv->packed.device;
		for (uint32_t i = 0; i < 4 * sizes[s]; i++) {
			uint32_t ids[2];

			assert_false(ring_arm(rig.ring));
			assert_int_equal(le16toh(event->flags), DRIVER_EVENT_DESC);
			assert_int_equal(le16toh(event->off_wrap),
					 half_after(base, sizes[s], 3 * i));
			ids[0] = offer_two(&rig);
			ids[1] = rig_offer_byte(&rig);
			rig_finish(&rig, rig_take(&rig), 0);
			/* Left in the ring, but seen: taking is looking. */
			assert_false(ring_arm(rig.ring));
			assert_int_equal(le16toh(event->off_wrap),
					 half_after(base, sizes[s], 3 * i + 3));
			rig_expect_used(&rig, ids[0], 0);
			rig_finish(&rig, rig_take(&rig), 0);
			rig_expect_used(&rig, ids[1], 0);
		}
		rig_stop(&rig);
	}
}

/* §2.8.10 from the device's side: exactly when the driver's event is one of the new slots. */
static void the_driver_event_decides_about_signals(void **state)
{
	static const uint32_t sizes[] = {12, 13, 16};
	struct rig rig;

	(void)state;
	for (int s = 0; s < 3; s++) {
		uint32_t size = sizes[s], at = 1;

		start(&rig, &(struct rig_options){.size = size, .event_idx = true});
		rig_pass_byte(&rig);
		assert_true(ring_wants_signal(rig.ring));
		for (uint32_t n = 1; n < 6; n++) {
			for (uint32_t event = 0; event < 11; event++) {
				/* From 4 slots before to 6 after what was used at the last
				 * decision. */
				uint32_t half = half_after(WRAP, size, at + event + 2 * size - 4);

				for (uint32_t i = 0; i < n; i++)
					rig_pass_byte(&rig);
				rig.drv->packed.driver->off_wrap = htole16((uint16_t)half);
				rig.drv->packed.driver->flags = htole16(DRIVER_EVENT_DESC);
				assert_int_equal(ring_wants_signal(rig.ring),
						 event >= 4 && event < n + 4);
				at += n;
			}
		}
		rig_stop(&rig);
	}
}

/* The same from the driver's side: the test peer's kicks are what the tests rely on. */
static void the_device_event_decides_about_kicks(void **state)
{
	static const uint32_t sizes[] = {12, 13, 16};
	struct rig rig;

	(void)state;
	for (int s = 0; s < 3; s++) {
		uint32_t size = sizes[s], at = 0;

		start(&rig, &(struct rig_options){.size = size, .event_idx = true});
		for (uint32_t n = 1; n < 6; n++) {
			for (uint32_t event = 0; event < 11; event++) {
				uint32_t half = half_after(WRAP, size, at + event + 2 * size - 4);

				rig.drv->packed.device->off_wrap = htole16((uint16_t)half);
				rig.drv->packed.device->flags = htole16(DRIVER_EVENT_DESC);
				for (uint32_t i = 0; i < n; i++)
					rig_pass_byte(&rig);
				assert_int_equal(driver_wants_kick(rig.drv),
						 event >= 4 && event < n + 4);
				at += n;
			}
		}
		rig_stop(&rig);
	}
}

/* As many as the ring has slots, and more, between two decisions. */
static void a_whole_ring_between_two_decisions_is_signalled(void **state)
{
	struct rig rig;

	(void)state;
	for (uint32_t n = 5; n <= 15; n++) {
		start(&rig, &(struct rig_options){.size = 5, .event_idx = true});
		rig_pass_byte(&rig);
		assert_true(ring_wants_signal(rig.ring));
		assert_false(driver_set_interrupts(rig.drv, true));
		/* It polls and does not say so. */
		rig.drv->interrupts = false;
		for (uint32_t i = 0; i < n; i++)
			rig_pass_byte(&rig);
		assert_true(ring_wants_signal(rig.ring));
		rig_stop(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_event_idx_flags_say_who_wants_to_know),
		cmocka_unit_test(with_event_idx_all_or_nothing_can_be_asked_for_too),
		cmocka_unit_test(arming_asks_for_the_slot_after_the_last_one_seen),
		cmocka_unit_test(the_driver_event_decides_about_signals),
		cmocka_unit_test(the_device_event_decides_about_kicks),
		cmocka_unit_test(a_whole_ring_between_two_decisions_is_signalled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
