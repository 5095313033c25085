/* SPDX-License-Identifier: MIT */
/* Core without a protocol: a transport that has no socket drives a device by plain verbs. */
#include "core_rig.h"

#include <unistd.h>

static struct vu_queue *queue(struct core_rig *rig, uint32_t index)
{
	return vu_device_queue(rig->dev, index);
}

static void start(struct core_rig *rig, uint32_t index)
{
	core_set_up(rig, index);
	assert_int_equal(core_wait(rig, control_start(queue(rig, index), &rig->waiter)), 0);
}

/* *state: whether queue 1 has a group of its own. */
static void open_rig(struct core_rig *rig, void **state)
{
	core_make(rig, *state != NULL);
	core_begin(rig);
	core_expect(rig, "begin");
}

static void a_driver_is_served_without_any_message(void **state)
{
	struct core_rig rig;

	open_rig(&rig, state);
	start(&rig, 0);
	core_offer(&rig, 0);
	assert_int_equal(driver_kick_always(rig.driver[0]), 0);
	core_pump(&rig);
	core_expect_used(&rig, 0, 1);
	assert_int_equal(driver_take_calls(rig.driver[0]), 1);
	assert_int_equal(core_wait(&rig, control_stop(queue(&rig, 0), &rig.waiter)), 0);
	assert_int_equal(control_base(queue(&rig, 0)), 1);
	core_expect(&rig, "started stop0 stopped");
	control_end(rig.dev, 0);
	core_pump(&rig);
	core_expect(&rig, "disconnect release end");
	assert_int_equal(rig.reported, 1);
	assert_int_equal(rig.log.lines[VU_LOG_ERROR], 0);
	core_free(&rig);
}

static void a_stop_is_done_with_the_last_request(void **state)
{
	struct core_rig rig;

	open_rig(&rig, state);
	rig.holds = true;
	start(&rig, 0);
	core_offer(&rig, 0);
	core_offer(&rig, 0);
	assert_int_equal(driver_kick_always(rig.driver[0]), 0);
	core_pump(&rig);
	assert_int_equal(rig.n_held, 2);
	assert_int_equal(control_stop(queue(&rig, 0), &rig.waiter), VERB_LATER);
	core_expect(&rig, "started stop0");
	assert_int_equal(vu_req_complete(rig.held[0], 0), 0);
	core_pump(&rig);
	core_expect(&rig, "");
	assert_int_equal(vu_req_complete(rig.held[1], 0), 0);
	core_pump(&rig);
	core_expect(&rig, "stopped done");
	core_expect_used(&rig, 0, 2);
	core_free(&rig);
}

static void whoever_waits_hears_nothing_when_the_session_ends(void **state)
{
	struct core_rig rig;

	open_rig(&rig, state);
	rig.holds = true;
	start(&rig, 0);
	core_offer(&rig, 0);
	assert_int_equal(driver_kick_always(rig.driver[0]), 0);
	core_pump(&rig);
	assert_int_equal(control_stop(queue(&rig, 0), &rig.waiter), VERB_LATER);
	control_end(rig.dev, -EPROTO);
	core_pump(&rig);
	core_expect(&rig, "started stop0 disconnect stopped release end");
	assert_int_equal(rig.why, -EPROTO);
	/* It touches nothing any more, and the next session waits for it. */
	assert_int_equal(vu_req_complete(rig.held[0], 0), 0);
	core_expect_used(&rig, 0, 0);
	core_free(&rig);
}

static void a_command_of_another_thread_is_waited_for(void **state)
{
	struct core_rig rig;

	core_make(&rig, true);
	core_begin(&rig);
	core_set_up(&rig, 1);
	assert_int_equal(control_start(queue(&rig, 1), &rig.waiter), VERB_LATER);
	assert_int_equal(vu_group_process(rig.group, 0), 0);
	/* Answered, but the device thread has had no pass. */
	core_expect(&rig, "begin started");
	core_pump(&rig);
	core_expect(&rig, "done");
	assert_int_equal(rig.waiter.result, 0);
	core_free(&rig);
}

static void a_reset_stops_all_rings_first(void **state)
{
	struct core_rig rig;

	open_rig(&rig, state);
	start(&rig, 0);
	core_set_up(&rig, 1);
	assert_int_equal(core_wait(&rig, control_start(queue(&rig, 1), &rig.waiter)), 0);
	rig.trace[0] = '\0';
	assert_int_equal(core_wait(&rig, control_reset(rig.dev, &rig.waiter)), 0);
	core_expect(&rig, "stop0 stop1 stopped reset");
	assert_false(control_is_started(queue(&rig, 0)));
	core_free(&rig);
}

static void a_close_ends_the_session_when_its_rings_have_stopped(void **state)
{
	struct core_rig rig;

	open_rig(&rig, state);
	rig.holds = true;
	start(&rig, 0);
	core_offer(&rig, 0);
	assert_int_equal(driver_kick_always(rig.driver[0]), 0);
	core_pump(&rig);
	vu_device_drain(rig.dev);
	core_pump(&rig);
	assert_false(control_is_open(rig.dev));
	core_expect(&rig, "started stop0");
	assert_int_equal(vu_req_complete(rig.held[0], 0), 0);
	core_pump(&rig);
	core_expect(&rig, "stopped disconnect release end");
	core_free(&rig);
}

/* Ways in which rings end, each begun with a request outstanding. */
static void end_by_stop(struct core_rig *rig)
{
	assert_int_equal(control_stop(queue(rig, 0), &rig->waiter), VERB_LATER);
}

static void end_by_another_start(struct core_rig *rig)
{
	core_set_up(rig, 0);
	assert_int_equal(control_start(queue(rig, 0), &rig->waiter), VERB_LATER);
}

static void end_by_reset(struct core_rig *rig)
{
	assert_int_equal(control_reset(rig->dev, &rig->waiter), VERB_LATER);
}

static void end_by_drain(struct core_rig *rig)
{
	vu_device_drain(rig->dev);
}

static void end_by_end(struct core_rig *rig)
{
	control_end(rig->dev, -EPROTO);
}

static void end_by_end_while_stopping(struct core_rig *rig)
{
	end_by_stop(rig);
	end_by_end(rig);
}

static void end_by_detach_while_draining(struct core_rig *rig)
{
	vu_device_drain(rig->dev);
	core_pump(rig);
	vu_device_detach(rig->dev);
}

static void end_by_break_and_stop(struct core_rig *rig)
{
	/* The driver says that more is available than the ring has room for. */
	rig->driver[0]->split.avail->idx += 2 * CORE_SIZE;
	assert_int_equal(driver_kick_always(rig->driver[0]), 0);
	core_pump(rig);
	core_expect(rig, "");
	end_by_stop(rig);
}

static void every_ring_that_ends_is_told_to_stop_once_whatever_ends_it(void **state)
{
	static void (*const ways[])(struct core_rig * rig) = {
		end_by_stop,
		end_by_another_start,
		end_by_reset,
		end_by_drain,
		end_by_end,
		end_by_end_while_stopping,
		end_by_detach_while_draining,
		end_by_break_and_stop,
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct core_rig rig;

		open_rig(&rig, state);
		rig.holds = true;
		start(&rig, 0);
		core_offer(&rig, 0);
		assert_int_equal(driver_kick_always(rig.driver[0]), 0);
		core_pump(&rig);
		rig.trace[0] = '\0';
		ways[i](&rig);
		core_pump(&rig);
		assert_int_equal(rig.stops[0], 1);
		assert_int_equal(vu_req_complete(rig.held[0], 0), 0);
		core_pump(&rig);
		assert_int_equal(rig.stops[0], 1);
		/* Ended or started anew: that one ends with the device. */
		vu_device_detach(rig.dev);
		core_pump(&rig);
		assert_int_equal(rig.stops[0], ways[i] == end_by_another_start ? 2 : 1);
		core_free(&rig);
	}
}

static void what_no_ring_can_start_with_leaves_the_device_suspended(void **state)
{
	struct core_rig rig;

	open_rig(&rig, state);
	/* No size, no addresses. */
	assert_int_equal(control_start(queue(&rig, 0), &rig.waiter), -EPROTO);
	core_expect(&rig, "");
	core_set_up(&rig, 0);
	rig.started_result = -EIO;
	assert_int_equal(control_start(queue(&rig, 0), &rig.waiter), -EPROTO);
	core_expect(&rig, "started");
	rig.started_result = 0;
	/* The front-end took its memory back. */
	table_unref(rig.dev->table);
	rig.dev->table = NULL;
	assert_int_equal(core_wait(&rig, control_start(queue(&rig, 0), &rig.waiter)), -EFAULT);
	core_expect(&rig, "started stopped");
	assert_false(control_is_started(queue(&rig, 0)));
	core_free(&rig);
}

static void what_has_no_descriptor_is_told_by_the_transport(void **state)
{
	static const uint32_t value = 7;
	struct core_rig rig;

	open_rig(&rig, state);
	/* Nothing is told while the device is suspended. */
	assert_int_equal(vu_config_set(rig.dev, 0, &value, sizeof(value)), 0);
	core_pump(&rig);
	core_expect(&rig, "");
	core_set_up(&rig, 1);
	control_set_inband(rig.dev, true);
	assert_int_equal(control_set_fd(queue(&rig, 1), QUEUE_CALL, -1), 0);
	core_offer(&rig, 1);
	assert_int_equal(core_wait(&rig, control_start(queue(&rig, 1), &rig.waiter)), 0);
	core_pump(&rig);
	core_expect_used(&rig, 1, 1);
	core_expect(&rig, "started config");
	assert_int_equal(rig.told, NEWS_CALL);
	core_free(&rig);
}

/* Its group's thread may be anywhere in a pass when the device thread gives the queue away. */
static void a_queue_that_let_go_is_in_no_list_of_its_group(void **state)
{
	struct core_rig rig;

	core_make(&rig, true);
	core_begin(&rig);
	rig.holds = true;
	start(&rig, 1);
	core_offer(&rig, 1);
	assert_int_equal(driver_kick_always(rig.driver[1]), 0);
	core_pump(&rig);
	assert_int_equal(rig.n_held, 1);
	control_end(rig.dev, 0);
	/* No arming, which ends a pass. */
	vu_group_process(rig.group, 0);
	vu_device_process(rig.dev);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	assert_null(rig.group->active);
	assert_int_equal(vu_queue_set_group(queue(&rig, 1), NULL), -EBUSY);
	assert_int_equal(vu_req_complete(rig.held[0], 0), 0);
	assert_null(rig.group->active);
	assert_int_equal(vu_queue_set_group(queue(&rig, 1), NULL), 0);
	assert_int_equal(vu_queue_outstanding(queue(&rig, 1)), 0);
	core_free(&rig);
}

/* It was told that what held it back may be gone, and the session ended before it heard of it. */
static void a_queue_stays_in_its_group_while_that_is_to_come_to_it(void **state)
{
	struct core_rig rig;

	core_make(&rig, true);
	queue_rescan_soon(queue(&rig, 1));
	assert_int_equal(vu_queue_set_group(queue(&rig, 1), NULL), -EBUSY);
	vu_group_process(rig.group, 0);
	assert_int_equal(vu_queue_set_group(queue(&rig, 1), NULL), 0);
	core_free(&rig);
}

#define BOTH(fn)                                                                                   \
	{#fn, fn, NULL, NULL, NULL},                                                               \
	{                                                                                          \
#fn "_with_a_group", fn, NULL, NULL, &yes                                          \
	}

int main(void)
{
	static bool yes = true;
	const struct CMUnitTest tests[] = {
		BOTH(a_driver_is_served_without_any_message),
		BOTH(a_stop_is_done_with_the_last_request),
		BOTH(whoever_waits_hears_nothing_when_the_session_ends),
		cmocka_unit_test(a_command_of_another_thread_is_waited_for),
		BOTH(a_reset_stops_all_rings_first),
		BOTH(a_close_ends_the_session_when_its_rings_have_stopped),
		BOTH(every_ring_that_ends_is_told_to_stop_once_whatever_ends_it),
		BOTH(what_no_ring_can_start_with_leaves_the_device_suspended),
		BOTH(what_has_no_descriptor_is_told_by_the_transport),
		cmocka_unit_test(a_queue_that_let_go_is_in_no_list_of_its_group),
		cmocka_unit_test(a_queue_stays_in_its_group_while_that_is_to_come_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
