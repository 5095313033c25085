/* SPDX-License-Identifier: MIT */
/*
 * Rules: a thread that polls may take requests itself, with a pass of its group only now and then
 * (docs/threads.md, "A loop that polls its queues itself").
 */
#include <poll.h>

#include "rules/rig.h"

enum { MANY = 4096, BATCH = 32, TURN_REQUESTS = 2 * 1024 };

/* A group, and room for all that a test wants. */
static const struct rig_config grouped = {.peer = {.queue_size = 2 * MANY}, .groups = true};

static void open_loop(struct rig *rig)
{
	rig_open(rig, &grouped);
	rig_assert_idle(rig);
	/* From now on the test's loop is what serves; passes leave all in the ring. */
	rig->group_stands = true;
	rig->mode = RIG_LEAVE;
}

/* A batch of queue 1: how many, or why none. */
static int take_turn(struct rig *rig)
{
	struct rig_queue *q = &rig->queues[1];
	struct vu_req *reqs[BATCH];
	uint64_t written[BATCH];
	int n = vu_queue_next_batch(q->queue, reqs, BATCH);

	for (int i = 0; i < n; i++)
		written[i] = rig_invert(reqs[i]);
	if (n > 0)
		assert_int_equal(vu_queue_complete_batch(q->queue, reqs, written, (uint32_t)n), n);
	vu_queue_signal(q->queue);
	return n;
}

static uint64_t passes(const struct rig *rig)
{
	struct vu_queue_counters c = {.size = sizeof(c)};

	assert_ok(vu_queue_counters(rig->queues[1].queue, &c));
	return c.polls;
}

static void a_loop_serves_its_queue_without_a_pass(void **state)
{
	struct rig rig;
	uint64_t before;

	(void)state;
	open_loop(&rig);
	before = passes(&rig);
	for (uint32_t i = 1; i < MANY; i = i * 3 / 2 + 1) {
		uint32_t used = 0;

		driver_set_interrupts(rig.peer->queues[1], true);
		rig_submit(&rig, 1, i);
		for (uint32_t turn = 0; turn < MANY && used < i; turn++) {
			take_turn(&rig);
			used += rig_collect(&rig, 1);
		}
		assert_int_equal(used, i);
		assert_true(driver_take_calls(rig.peer->queues[1]) > 0);
		assert_int_equal(take_turn(&rig), 0);
	}
	assert_true(passes(&rig) == before);
	rig_close(&rig);
}

/* So whoever takes until there is nothing more gets back to the rest of its thread's work. */
static void a_turn_of_a_loop_has_an_end_and_the_next_call_begins_another(void **state)
{
	uint32_t served = 0, turns = 0;
	struct rig rig;

	(void)state;
	open_loop(&rig);
	rig_submit(&rig, 1, MANY);
	while (served < MANY) {
		uint32_t before = served;
		int n;

		while ((n = take_turn(&rig)) > 0)
			served += (uint32_t)n;
		assert_int_equal(n, 0);
		assert_in_range(served - before, 1, TURN_REQUESTS);
		turns++;
	}
	assert_true(turns > 1);
	assert_int_equal(rig_collect(&rig, 1), MANY);
	rig_close(&rig);
}

static void a_stop_reaches_a_loop_with_its_next_pass(void **state)
{
	struct rig rig;

	(void)state;
	open_loop(&rig);
	rig_submit(&rig, 1, 3);
	rig_send_stop(&rig, 1);
	rig_pump(&rig);
	/* Until then it is served as before. */
	assert_int_equal(take_turn(&rig), 3);
	assert_int_equal(take_turn(&rig), 0);
	assert_int_equal(vu_group_process(rig.group, 0), 0);
	assert_int_equal(take_turn(&rig), -ESHUTDOWN);
	assert_int_equal(rig_recv_stop(&rig, 1), rig_base(&rig, 1, 3));
	assert_int_equal(rig_collect(&rig, 1), 3);
	rig_close(&rig);
}

static void a_loop_that_is_about_to_sleep_is_woken_by_a_kick(void **state)
{
	struct rig rig;

	(void)state;
	open_loop(&rig);
	rig_submit(&rig, 1, 1);
	assert_int_equal(take_turn(&rig), 1);
	rig.mode = RIG_SERVE;
	while (vu_group_process(rig.group, 0) > 0 || vu_group_arm(rig.group))
		;
	assert_int_equal(poll(&(struct pollfd){vu_group_fd(rig.group), POLLIN, 0}, 1, 0), 0);
	rig_submit(&rig, 1, 1);
	assert_int_equal(vu_group_wait(rig.group, -1), 1);
	assert_int_equal(take_turn(&rig), 1);
	/* And it polls again: what comes without a kick is seen. */
	rig_add(&rig, 1);
	driver_publish(rig.peer->queues[1]);
	assert_int_equal(take_turn(&rig), 1);
	assert_int_equal(rig_collect(&rig, 1), 3);
	rig_close(&rig);
}

static void a_loop_hears_of_a_broken_ring_and_a_pass_tells_of_it(void **state)
{
	const struct driver_seg nowhere = {.gpa = UINT64_C(1) << 50, .len = 64, .write = true};
	struct rig rig;

	(void)state;
	open_loop(&rig);
	rig_add(&rig, 1);
	assert_true(driver_add(rig.peer->queues[1], &nowhere, 1, &rig) >= 0);
	assert_true(driver_kick(rig.peer->queues[1]) >= 0);
	assert_int_equal(take_turn(&rig), 1);
	assert_int_equal(take_turn(&rig), -EIO);
	assert_int_equal(take_turn(&rig), -EIO);
	assert_int_equal(rig_errors(&rig), 0);
	vu_group_process(rig.group, 0);
	rig_expect_errors(&rig, "outside guest memory", 1);
	assert_int_equal(take_turn(&rig), -EIO);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_serves_its_queue_without_a_pass),
		cmocka_unit_test(a_turn_of_a_loop_has_an_end_and_the_next_call_begins_another),
		cmocka_unit_test(a_stop_reaches_a_loop_with_its_next_pass),
		cmocka_unit_test(a_loop_that_is_about_to_sleep_is_woken_by_a_kick),
		cmocka_unit_test(a_loop_hears_of_a_broken_ring_and_a_pass_tells_of_it),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
