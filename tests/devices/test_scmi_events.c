/* SPDX-License-Identifier: MIT */
/* vu-scmi: notifications and delayed responses when buffers lack, are too small, or come late. */
#include "scmi_ask.h"

#include <stdlib.h>

enum { KEPT = 64, AT_ONCE = 32 };

static const char board[] = "clock 0 c rates 1,2\n"
			    "power 0 p async 1\n"
			    "reset 0 never async 10000\n";

static const uint32_t off = 1 << 30;

static void rate_event(struct rig *rig, uint32_t rate)
{
	scmi_event(rig, scmi_header(CLOCK, 0, NOTIFICATION, 0), ARGS(PLATFORM, 0, rate, 0));
}

static void check_order(struct rig *rig)
{
	scmi_start(rig, board);
	scmi_done(rig, CLOCK, 9, ARGS(0, 1));
	for (int i = 0; i < 3; i++)
		scmi_offer(rig);
	rig_say(rig, "clock 0 rate 2");
	rig_say(rig, "clock 0 rate 2"); /* is no change */
	rig_say(rig, "clock 0 rate 1");
	rig_say(rig, "clock 0 rate 2");
	for (uint32_t i = 0; i < 3; i++)
		scmi_next_event(rig, scmi_header(CLOCK, 0, NOTIFICATION, 0),
				ARGS(PLATFORM, 0, i & 1 ? 1 : 2, 0));
	rig_stop(rig);
}

static void events_come_in_their_order(void **state)
{
	check_order(*state);
}

static void events_come_in_their_order_over_packed_rings(void **state)
{
	((struct rig *)*state)->config.packed = true;
	check_order(*state);
}

static void notifications_wait_for_buffers_and_those_too_many_are_dropped(void **state)
{
	struct rig *rig = *state;
	const char *first;

	scmi_start(rig, board);
	scmi_done(rig, CLOCK, 9, ARGS(0, 1));
	for (uint32_t i = 0; i < KEPT + 20; i++)
		rig_say(rig, i & 1 ? "clock 0 rate 1" : "clock 0 rate 2");
	for (uint32_t i = 0; i < KEPT; i++)
		rate_event(rig, i & 1 ? 1 : 2);
	rig_expect_nothing(rig, EVENTQ);
	/* Afterwards it goes on. */
	rig_say(rig, "clock 0 rate 2");
	rate_event(rig, 2);
	rig_stop(rig);
	first = strstr(rig->program.err, "notifications are dropped");
	assert_non_null(first);
	assert_null(strstr(first + 1, "notifications are dropped"));
}

static void a_delayed_response_is_never_dropped_and_one_too_many_is_busy(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, board);
	scmi_done(rig, CLOCK, 9, ARGS(0, 1));
	for (uint32_t i = 0; i < KEPT; i++)
		rig_say(rig, i & 1 ? "clock 0 rate 1" : "clock 0 rate 2");
	for (uint32_t i = 0; i < AT_ONCE; i++)
		scmi_done(rig, POWER, 4, ARGS(1, 0, i & 1 ? off : 0));
	scmi_refused(rig, BUSY, POWER, 4, ARGS(1, 0, 0));
	for (uint32_t i = 0; i < AT_ONCE; i++)
		scmi_event(rig, scmi_header(POWER, 4, DELAYED, 0x155),
			   ARGS(SUCCESS, 0, i & 1 ? off : 0));
	for (uint32_t i = 0; i < KEPT; i++)
		rate_event(rig, i & 1 ? 1 : 2);
	scmi_done(rig, POWER, 4, ARGS(1, 0, 0));
	scmi_event(rig, scmi_header(POWER, 4, DELAYED, 0x155), ARGS(SUCCESS, 0, 0));
	rig_stop(rig);
}

static void what_takes_long_ends_with_the_program_and_with_the_agent(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, board);
	scmi_done(rig, BASE, 8, ARGS(1));
	for (uint32_t i = 0; i < AT_ONCE; i++)
		scmi_done(rig, RESET, 4, ARGS(0, 5, 0));
	scmi_refused(rig, BUSY, RESET, 4, ARGS(0, 5, 0));
	scmi_no_event(rig);
	/* A new agent has all places for itself. */
	rig_connect(rig);
	scmi_expect(rig, BASE, VERSION, ARGS(), ARGS(0x20000));
	for (uint32_t i = 0; i < AT_ONCE; i++)
		scmi_done(rig, RESET, 4, ARGS(0, 5, 0));
	rig_stop(rig);
}

static void a_buffer_that_is_too_small_is_used_up_with_the_notification(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer small;
	struct driver_seg seg;
	uint32_t len;

	scmi_start(rig, board);
	scmi_done(rig, CLOCK, 9, ARGS(0, 1));
	rig_buffer(rig, &small, 64);
	seg = rig_write_seg(&small, 19);
	rig_offer(rig, EVENTQ, &seg, 1, &small);
	rig_say(rig, "clock 0 rate 2");
	assert_ptr_equal(rig_wait(rig, EVENTQ, &len), &small);
	assert_int_equal(len, 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(small.data[i], RIG_UNTOUCHED);
	/* One that only the driver may write is no better. */
	seg = rig_read_seg(&small, 64);
	rig_offer(rig, EVENTQ, &seg, 1, &small);
	rig_say(rig, "clock 0 rate 1");
	assert_ptr_equal(rig_wait(rig, EVENTQ, &len), &small);
	assert_int_equal(len, 0);
	rig_say(rig, "clock 0 rate 2");
	rate_event(rig, 2);
	rig_stop(rig);
	assert_non_null(strstr(rig->program.err, "too small"));
}

static void an_event_buffer_is_not_taken_before_there_is_an_event(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	struct driver_seg seg;

	scmi_start(rig, board);
	rig_buffer(rig, &buffer, 64);
	seg = rig_write_seg(&buffer, 64);
	for (int i = 0; i < 8; i++)
		rig_offer(rig, EVENTQ, &seg, 1, rig);
	rig_expect_nothing(rig, EVENTQ);
	/* So a stop has nothing to wait for. */
	rig_check(rig, peer_stop(rig->peer));
	rig_stop(rig);
	assert_null(strstr(rig->program.err, "outstanding"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_come_in_their_order),
		TEST(events_come_in_their_order_over_packed_rings),
		TEST(notifications_wait_for_buffers_and_those_too_many_are_dropped),
		TEST(a_delayed_response_is_never_dropped_and_one_too_many_is_busy),
		TEST(what_takes_long_ends_with_the_program_and_with_the_agent),
		TEST(a_buffer_that_is_too_small_is_used_up_with_the_notification),
		TEST(an_event_buffer_is_not_taken_before_there_is_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
