/* SPDX-License-Identifier: MIT */
/* Who wakes whom: kicks after ring_arm(), signals after completions, with EVENT_IDX and without. */
#include "test_ring_rig.h"

enum { SIZE = 16 };

/* Each body runs with both. */
static void with_and_without_event_idx(struct rig *rig, uint32_t base,
				       void (*body)(struct rig *rig))
{
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		rig_start(rig, &(struct rig_options){
				       .size = SIZE, .base = base, .event_idx = event_idx});
		body(rig);
		rig_stop(rig);
	}
}

/* One request all the way, the driver having looked at what was used. */
static void pass_byte(struct rig *rig)
{
	uint32_t id = rig_offer_byte(rig);

	rig_finish(rig, rig_take(rig), 0);
	rig_expect_used(rig, id, 0);
}

static void arm_then_kick(struct rig *rig)
{
	assert_false(ring_arm(rig->ring));
	assert_int_equal(ring_look(rig->ring), 0);
	rig_offer_byte(rig);
	assert_true(driver_wants_kick(rig->drv));
	assert_int_equal(ring_look(rig->ring), 1);
	assert_int_equal(ring_look(rig->ring), 0);
	rig_finish(rig, rig_take(rig), 0);
	assert_int_equal(rig_take_nothing(rig), 0);
}

static void an_armed_ring_is_kicked(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, arm_then_kick);
}

static void arm_across_the_wrap(struct rig *rig)
{
	for (int i = 0; i < 12; i++) {
		struct driver_used used;

		arm_then_kick(rig);
		assert_int_equal(driver_collect(rig->drv, &used, 1), 1);
	}
}

static void an_armed_ring_is_kicked_across_the_wrap(struct rig *rig)
{
	with_and_without_event_idx(rig, rig->layout->base_before_wrap(SIZE, 6),
				   arm_across_the_wrap);
}

static void arm_after_something_came(struct rig *rig)
{
	rig_offer_byte(rig);
	assert_true(ring_arm(rig->ring));
	assert_true(ring_arm(rig->ring));
	/* Taking is looking. */
	rig_take(rig);
	assert_false(ring_arm(rig->ring));
}

static void arming_tells_of_what_came_since_the_last_look(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, arm_after_something_came);
}

static void arm_with_requests_left(struct rig *rig)
{
	for (int i = 0; i < 3; i++)
		rig_offer_byte(rig);
	assert_int_equal(ring_look(rig->ring), 1);
	rig_take(rig);
	/* Two are left on purpose: they are no news. */
	assert_false(ring_arm(rig->ring));
	assert_int_equal(ring_look(rig->ring), 0);
	assert_false(ring_arm(rig->ring));
	assert_true(ring_is_available(rig->ring));
	driver_wants_kick(rig->drv);
	rig_offer_byte(rig);
	assert_true(driver_wants_kick(rig->drv));
	assert_true(ring_arm(rig->ring));
	assert_int_equal(ring_look(rig->ring), 1);
	assert_false(ring_arm(rig->ring));
	for (int i = 0; i < 3; i++)
		rig_take(rig);
	assert_int_equal(rig_take_nothing(rig), 0);
}

static void requests_left_in_the_ring_are_no_news(struct rig *rig)
{
	with_and_without_event_idx(rig, rig->layout->base_before_wrap(SIZE, 2),
				   arm_with_requests_left);
}

static void put_back_is_no_news(struct rig *rig)
{
	rig_offer_byte(rig);
	assert_int_equal(ring_put_back(rig->ring, rig_take(rig)), 0);
	assert_false(ring_arm(rig->ring));
	assert_int_equal(ring_look(rig->ring), 0);
	assert_true(ring_is_available(rig->ring));
	driver_wants_kick(rig->drv);
	rig_offer_byte(rig);
	assert_true(driver_wants_kick(rig->drv));
	assert_true(ring_arm(rig->ring));
}

static void a_request_that_was_put_back_is_no_news(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, put_back_is_no_news);
}

/* A device that needs three: it looks, finds two, and waits for the third. */
static void wait_for_three(struct rig *rig)
{
	struct req *a, *b;

	rig_offer_byte(rig);
	rig_offer_byte(rig);
	assert_int_equal(ring_look(rig->ring), 1);
	a = rig_take(rig);
	b = rig_take(rig);
	assert_int_equal(rig_take_nothing(rig), 0);
	assert_int_equal(ring_put_back(rig->ring, b), 0);
	assert_int_equal(ring_put_back(rig->ring, a), 0);
	driver_wants_kick(rig->drv);
	/* It comes after the device has looked, and before the device is armed. */
	rig_offer_byte(rig);
	assert_true(ring_arm(rig->ring));
	assert_int_equal(ring_look(rig->ring), 1);
	assert_false(ring_arm(rig->ring));
}

static void
what_comes_before_the_ring_is_armed_is_news_to_a_device_that_waits_for_more(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, wait_for_three);
}

/* All of it is left, without a look at any of it: told again at most once. */
static void leave_all(struct rig *rig)
{
	int told = 0;

	for (int i = 0; i < 5; i++)
		rig_offer_byte(rig);
	assert_int_equal(ring_look(rig->ring), 1);
	while (ring_arm(rig->ring)) {
		assert_int_equal(ring_look(rig->ring), 1);
		assert_in_range(++told, 0, 1);
	}
	assert_int_equal(ring_look(rig->ring), 0);
	driver_wants_kick(rig->drv);
	rig_offer_byte(rig);
	assert_true(driver_wants_kick(rig->drv));
	assert_true(ring_arm(rig->ring));
	assert_int_equal(ring_look(rig->ring), 1);
	assert_false(ring_arm(rig->ring));
}

static void a_ring_of_which_nothing_is_taken_comes_to_rest(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, leave_all);
}

static void available_is_not_taken(struct rig *rig)
{
	assert_false(ring_is_available(rig->ring));
	rig_offer_byte(rig);
	assert_true(ring_is_available(rig->ring));
	assert_true(ring_is_available(rig->ring));
	rig_take(rig);
	assert_false(ring_is_available(rig->ring));
}

static void asking_whether_one_is_available_takes_none(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, available_is_not_taken);
}

static void available_is_still_told(struct rig *rig)
{
	assert_int_equal(ring_look(rig->ring), 0);
	rig_offer_byte(rig);
	assert_true(ring_is_available(rig->ring));
	assert_true(ring_arm(rig->ring));
	assert_int_equal(ring_look(rig->ring), 1);
	rig_take(rig);
}

static void what_was_asked_about_and_left_is_told_all_the_same(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, available_is_still_told);
}

static void a_ring_that_is_not_armed_is_not_kicked(struct rig *rig)
{
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		rig_start(rig, &(struct rig_options){.event_idx = event_idx});
		assert_false(ring_arm(rig->ring));
		rig_offer_byte(rig);
		assert_true(driver_wants_kick(rig->drv));
		ring_disarm(rig->ring);
		for (int i = 0; i < 10; i++) {
			rig_offer_byte(rig);
			assert_false(driver_wants_kick(rig->drv));
		}
		assert_true(ring_arm(rig->ring));
		rig_stop(rig);
	}
}

static void nothing_published(struct rig *rig)
{
	assert_false(ring_wants_signal(rig->ring));
	rig_offer_byte(rig);
	rig_take(rig);
	assert_false(ring_wants_signal(rig->ring));
}

static void nothing_used_needs_no_signal(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, nothing_published);
}

static void first_signal(struct rig *rig)
{
	/* Even to a driver that wants none: we do not know what it saw. */
	driver_set_interrupts(rig->drv, false);
	rig_offer_byte(rig);
	rig_finish(rig, rig_take(rig), 0);
	if (rig->config.event_idx)
		assert_true(ring_wants_signal(rig->ring));
	assert_false(ring_wants_signal(rig->ring));
	rig_offer_byte(rig);
	rig_finish(rig, rig_take(rig), 0);
	assert_false(ring_wants_signal(rig->ring));
}

static void the_first_completion_of_a_ring_with_event_idx_is_signalled(struct rig *rig)
{
	rig_start(rig, &(struct rig_options){.event_idx = true});
	first_signal(rig);
}

static void signals_follow_the_driver(struct rig *rig)
{
	/* Whatever the first decision is. */
	pass_byte(rig);
	ring_wants_signal(rig->ring);
	for (int i = 0; i < 12; i++) {
		struct driver_used used[8];

		assert_false(driver_set_interrupts(rig->drv, true));
		rig_offer_byte(rig);
		rig_offer_byte(rig);
		rig_finish(rig, rig_take(rig), 0);
		rig_finish(rig, rig_take(rig), 0);
		assert_true(ring_wants_signal(rig->ring));
		assert_false(ring_wants_signal(rig->ring));
		assert_int_equal(driver_collect(rig->drv, used, 8), 2);
		driver_set_interrupts(rig->drv, false);
		pass_byte(rig);
		assert_false(ring_wants_signal(rig->ring));
		pass_byte(rig);
		assert_false(ring_wants_signal(rig->ring));
	}
}

static void the_driver_is_signalled_when_it_asked_for_it(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, signals_follow_the_driver);
}

static void signals_follow_the_driver_across_the_wrap(struct rig *rig)
{
	with_and_without_event_idx(rig, rig->layout->base_before_wrap(SIZE, 6),
				   signals_follow_the_driver);
}

static void one_signal_for_several(struct rig *rig)
{
	struct driver_used used[8];

	pass_byte(rig);
	ring_wants_signal(rig->ring);
	driver_set_interrupts(rig->drv, true);
	for (int i = 0; i < 5; i++) {
		rig_offer_byte(rig);
		rig_finish(rig, rig_take(rig), 0);
	}
	assert_true(ring_wants_signal(rig->ring));
	/* With EVENT_IDX a driver that has not come is not called again. */
	rig_offer_byte(rig);
	rig_finish(rig, rig_take(rig), 0);
	assert_int_equal(ring_wants_signal(rig->ring), !rig->config.event_idx);
	assert_int_equal(driver_collect(rig->drv, used, 8), 6);
	rig_offer_byte(rig);
	rig_finish(rig, rig_take(rig), 0);
	assert_true(ring_wants_signal(rig->ring));
}

static void several_completions_are_one_signal(struct rig *rig)
{
	with_and_without_event_idx(rig, rig->layout->base_before_wrap(SIZE, 6),
				   one_signal_for_several);
}

/* The driver polls for a long time, then waits for a call; the device decides only now. */
static void signal_after_a_lap(struct rig *rig)
{
	uint32_t lap = rig->layout->packed ? SIZE : 65536;

	for (uint32_t n = lap - 2; n <= lap + 4; n++) {
		driver_set_interrupts(rig->drv, false);
		pass_byte(rig);
		ring_wants_signal(rig->ring);
		for (uint32_t i = 1; i < n; i++)
			pass_byte(rig);
		assert_false(driver_set_interrupts(rig->drv, true));
		rig_offer_byte(rig);
		rig_finish(rig, rig_take(rig), 0);
		assert_true(ring_wants_signal(rig->ring));
		assert_false(ring_wants_signal(rig->ring));
		assert_int_equal(driver_collect(rig->drv, &(struct driver_used){0}, 1), 1);
	}
}

static void a_whole_lap_between_two_decisions_loses_no_signal(struct rig *rig)
{
	with_and_without_event_idx(rig, 0, signal_after_a_lap);
}

static void a_restarted_ring_signals_its_first_completion(struct rig *rig)
{
	const char *why;

	rig_start(rig, &(struct rig_options){.event_idx = true,
					     .base = rig->layout->base_before_wrap(256, 6)});
	for (int i = 0; i < 8; i++) {
		pass_byte(rig);
		rig->config.base = ring_base(rig->ring);
		ring_free(rig->ring);
		assert_int_equal(rig_new_ring(rig, &why), 0);
		assert_false(ring_wants_signal(rig->ring));
		pass_byte(rig);
		assert_true(ring_wants_signal(rig->ring));
	}
}

static const struct rig_test tests[] = {
	RIG_TEST(an_armed_ring_is_kicked),
	RIG_TEST(an_armed_ring_is_kicked_across_the_wrap),
	RIG_TEST(arming_tells_of_what_came_since_the_last_look),
	RIG_TEST(requests_left_in_the_ring_are_no_news),
	RIG_TEST(a_request_that_was_put_back_is_no_news),
	RIG_TEST(what_comes_before_the_ring_is_armed_is_news_to_a_device_that_waits_for_more),
	RIG_TEST(a_ring_of_which_nothing_is_taken_comes_to_rest),
	RIG_TEST(asking_whether_one_is_available_takes_none),
	RIG_TEST(what_was_asked_about_and_left_is_told_all_the_same),
	RIG_TEST(a_ring_that_is_not_armed_is_not_kicked),
	RIG_TEST(nothing_used_needs_no_signal),
	RIG_TEST(the_first_completion_of_a_ring_with_event_idx_is_signalled),
	RIG_TEST(the_driver_is_signalled_when_it_asked_for_it),
	RIG_TEST(signals_follow_the_driver_across_the_wrap),
	RIG_TEST(several_completions_are_one_signal),
	RIG_TEST(a_whole_lap_between_two_decisions_loses_no_signal),
	RIG_TEST(a_restarted_ring_signals_its_first_completion),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
