/* SPDX-License-Identifier: MIT */
/* Rules of one pass: budgets, requests left in the ring, signals. */
#include <poll.h>

#include "rules/rig.h"

static bool readable(int fd)
{
	return poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0) == 1;
}

static void a_busy_queue_leaves_the_others_their_share(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_grouped(&rig);
	rig.group_stands = true;
	rig_submit(&rig, 0, 9);
	rig_submit(&rig, 1, 3);
	for (uint32_t pass = 1; pass <= 5; pass++) {
		assert_int_equal(vu_group_process(rig.group, 2), pass < 5);
		assert_int_equal(rig.queues[0].served, pass < 5 ? 2 * pass : 9);
		assert_int_equal(rig.queues[1].served, pass < 2 ? 2 : 3);
	}
	assert_int_equal(vu_group_arm(rig.group), 0);
	assert_int_equal(poll(&(struct pollfd){vu_group_fd(rig.group), POLLIN, 0}, 1, 0), 0);
	assert_int_equal(rig_collect(&rig, 0), 9);
	assert_int_equal(rig_collect(&rig, 1), 3);
	rig_close(&rig);
}

static void a_busy_device_returns_after_its_budget(void **state)
{
	enum { MANY = 1500 };
	const struct rig_config big = {.peer = {.queue_size = 4096}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &big);
	rig_assert_idle(&rig);
	rig_submit(&rig, 0, MANY);
	assert_int_equal(vu_device_process(rig.dev), 1);
	assert_true(readable(vu_device_fd(rig.dev)));
	assert_in_range(rig.queues[0].served, 1, MANY - 1);
	rig_wait_used(&rig, 0, MANY);
	rig_close(&rig);
}

/* Loops of other libraries call once for each wake. */
static void a_group_that_has_more_to_do_is_readable_until_it_is_armed(void **state)
{
	struct rig rig;
	int fd;

	(void)state;
	rig_open_grouped(&rig);
	rig.group_stands = true;
	fd = vu_group_fd(rig.group);
	for (int round = 0; round < 3; round++) {
		rig_submit(&rig, 0, 5);
		/* The first finds the kick, and takes it from the descriptor. */
		assert_int_equal(vu_group_process(rig.group, 2), 1);
		assert_true(readable(fd));
		assert_int_equal(vu_group_process(rig.group, 2), 1);
		assert_true(readable(fd));
		/* Also when that is found out only while arming: it is not the end. */
		assert_int_equal(vu_group_arm(rig.group), 1);
		assert_true(readable(fd));
		assert_int_equal(vu_group_process(rig.group, 2), 0);
		assert_int_equal(vu_group_arm(rig.group), 0);
		assert_false(readable(fd));
		assert_int_equal(rig_collect(&rig, 0), 5);
	}
	rig_close(&rig);
}

static void what_keeps_a_descriptor_readable_is_no_activity(void **state)
{
	uint64_t activity;
	struct rig rig;

	(void)state;
	rig_open_grouped(&rig);
	rig.group_stands = true;
	rig_submit(&rig, 0, 3);
	assert_int_equal(vu_group_process(rig.group, 1), 1);
	rig.mode = RIG_LEAVE;
	assert_int_equal(vu_group_arm(rig.group), 1);
	activity = vu_group_activity(rig.group);
	/* Finds what the arming said, and nothing else. */
	assert_int_equal(vu_group_process(rig.group, 1), 0);
	assert_int_equal(vu_group_activity(rig.group), activity);
	assert_int_equal(vu_group_arm(rig.group), 0);
	rig.mode = RIG_SERVE;
	rig.group_stands = false;
	rig_submit(&rig, 0, 1);
	rig_wait_used(&rig, 0, 4);
	rig_close(&rig);
}

static void a_thread_that_waits_though_there_is_more_does_not_sleep(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_grouped(&rig);
	rig.group_stands = true;
	rig_submit(&rig, 0, 2);
	assert_int_equal(vu_group_process(rig.group, 1), 1);
	assert_int_equal(vu_group_wait(rig.group, -1), 1);
	assert_int_equal(vu_group_process(rig.group, 1), 1);
	assert_int_equal(vu_group_wait(rig.group, -1), 1);
	assert_int_equal(vu_group_process(rig.group, 1), 0);
	assert_int_equal(vu_group_arm(rig.group), 0);
	assert_int_equal(vu_group_wait(rig.group, 0), 0);
	assert_int_equal(rig_collect(&rig, 0), 2);
	rig_close(&rig);
}

static void an_end_from_outside_is_there_to_be_told(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_assert_idle(&rig);
	vu_device_detach(rig.dev);
	assert_true(readable(vu_device_fd(rig.dev)));
	assert_true(vu_device_process(rig.dev) & VU_PROCESS_ENDED);
	rig_assert_idle(&rig);
	rig_close(&rig);
}

static void requests_left_in_the_ring_keep_nobody_busy(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig.mode = RIG_LEAVE;
	for (uint32_t i = 1; i <= 3; i++) {
		rig.queues[0].ready = 0;
		rig_submit(&rig, 0, 2);
		/* Each kick arrives, and no more than it. */
		assert_int_equal(poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, 0), 1);
		rig_assert_idle(&rig);
		assert_true(rig.queues[0].ready > 0);
		rig.queues[0].ready = 0;
		rig_assert_idle(&rig);
		assert_int_equal(rig.queues[0].ready, 0);
	}
	assert_int_equal(vu_queue_available(rig.queues[0].queue), 1);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 1);
		assert_ok(vu_req_complete(req, rig_invert(req)));
	}
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 0);
	rig_wait_used(&rig, 0, 6);
	assert_ok(peer_wait_call(rig.peer, 0));
	rig_close(&rig);
}

/* It comes behind what a callback took, and without a kick, as nobody sleeps. */
static void a_device_that_asks_for_more_and_leaves_it_is_called_for_it(void **state)
{
	struct vu_queue *queue;
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	queue = rig.queues[0].queue;
	assert_int_equal(vu_queue_next(queue, &req), 0);
	rig_add(&rig, 0);
	driver_publish(rig.peer->queues[0]);
	assert_int_equal(vu_queue_available(queue), 1);
	rig_wait_used(&rig, 0, 1);
	rig_close(&rig);
}

static void a_request_put_back_is_there_again_and_keeps_nobody_busy(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_leave(&rig, 0, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 1);
		assert_ok(vu_req_put_back(req));
		rig_assert_idle(&rig);
	}
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 1);
	assert_ok(vu_req_complete(req, rig_invert(req)));
	rig_wait_used(&rig, 0, 1);
	rig_close(&rig);
}

static void a_signal_that_the_device_forgets_is_sent_by_the_library(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	/* In queue_ready, where the rig never signals; and between two passes. */
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 1);
	assert_int_equal(rig_collect(&rig, 0), 1);
	rig_hold(&rig, 0, 1);
	rig_assert_idle(&rig);
	rig_complete_held(&rig, 0);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 0);
	assert_int_equal(poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, 0), 1);
	rig_pump(&rig);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 1);
	assert_int_equal(rig_collect(&rig, 0), 1);
	rig_close(&rig);
}

static struct vu_queue_counters counters(struct rig *rig)
{
	struct vu_queue_counters c = {.size = sizeof(c)};

	assert_ok(vu_queue_counters(rig->queues[0].queue, &c));
	return c;
}

/* With EVENT_IDX, or (*state) without. */
static void signals_the_driver_does_not_want_are_counted_but_not_sent(void **state)
{
	const struct rig_config flags = {
		.peer = {.features = RIG_BIT(VU_F_VERSION_1)},
	};
	struct vu_queue_counters before, after;
	struct driver_ring *ring;
	struct rig rig;

	rig_open(&rig, *state ? &flags : NULL);
	ring = rig.peer->queues[0];
	rig_roundtrip(&rig, 0, 1);
	driver_take_calls(ring);
	driver_set_interrupts(ring, false);
	before = counters(&rig);
	for (int i = 0; i < 5; i++)
		rig_roundtrip(&rig, 0, 2);
	assert_int_equal(driver_take_calls(ring), 0);
	after = counters(&rig);
	assert_int_equal(after.signals, before.signals);
	assert_int_equal(after.signals_suppressed, before.signals_suppressed + 5);
	assert_int_equal(after.requests, before.requests + 10);
	driver_set_interrupts(ring, true);
	rig_roundtrip(&rig, 0, 2);
	assert_int_equal(driver_take_calls(ring), 1);
	assert_int_equal(counters(&rig).signals, after.signals + 1);
	rig_close(&rig);
}

static void a_batch_is_one_signal_at_the_entry_the_driver_waits_for(void **state)
{
	struct driver_ring *ring;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	ring = rig.peer->queues[0];
	rig_roundtrip(&rig, 0, 1);
	rig_hold(&rig, 0, 6);
	driver_take_calls(ring);
	driver_call_after(ring, 2, 2);
	for (int i = 0; i < 6; i++) {
		rig_complete_held(&rig, 0);
		vu_queue_signal(rig.queues[0].queue);
		vu_queue_signal(rig.queues[0].queue);
		assert_int_equal(driver_take_calls(ring), i == 2);
	}
	assert_int_equal(rig_collect(&rig, 0), 6);
	/* Passed by without being asked about, it still counts. */
	rig_submit(&rig, 0, 6);
	rig_pump(&rig);
	driver_call_after(ring, 2, 2);
	for (int i = 0; i < 6; i++)
		rig_complete_held(&rig, 0);
	rig_pump(&rig);
	assert_int_equal(driver_take_calls(ring), 1);
	assert_int_equal(rig_collect(&rig, 0), 6);
	rig_close(&rig);
}

int main(void)
{
	static bool yes = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_queue_leaves_the_others_their_share),
		cmocka_unit_test(a_busy_device_returns_after_its_budget),
		cmocka_unit_test(a_group_that_has_more_to_do_is_readable_until_it_is_armed),
		cmocka_unit_test(what_keeps_a_descriptor_readable_is_no_activity),
		cmocka_unit_test(a_thread_that_waits_though_there_is_more_does_not_sleep),
		cmocka_unit_test(an_end_from_outside_is_there_to_be_told),
		cmocka_unit_test(requests_left_in_the_ring_keep_nobody_busy),
		cmocka_unit_test(a_device_that_asks_for_more_and_leaves_it_is_called_for_it),
		cmocka_unit_test(a_request_put_back_is_there_again_and_keeps_nobody_busy),
		cmocka_unit_test(a_signal_that_the_device_forgets_is_sent_by_the_library),
		cmocka_unit_test(signals_the_driver_does_not_want_are_counted_but_not_sent),
		{"signals_switched_off_by_flag_are_counted_but_not_sent",
		 signals_the_driver_does_not_want_are_counted_but_not_sent, NULL, NULL, &yes},
		cmocka_unit_test(a_batch_is_one_signal_at_the_entry_the_driver_waits_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
