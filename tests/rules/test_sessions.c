/* SPDX-License-Identifier: MIT */
/* Rule: a new session waits for the requests of the old one, which touch nothing any more. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "rules/rig.h"

/* A session that ended with n requests of queue 0 outstanding. */
static void open_and_lose(struct rig *rig, const struct rig_config *config, uint32_t q, uint32_t n)
{
	rig_open(rig, config);
	rig_hold(rig, q, n);
	rig->mode = RIG_SERVE;
	peer_disconnect(rig->peer);
	rig_assert_idle(rig);
	assert_int_equal(rig->ended, 1);
	assert_int_equal(rig->queues[q].stops, 1);
	assert_int_equal(vu_device_is_attached(rig->dev), 0);
}

/* The memory of queue q's ring, and its call fd. */
static uint32_t ring_state(struct rig *rig, uint32_t q)
{
	struct driver_ring *r = rig->peer->queues[q];
	/* All three areas, and what lies between them. */
	size_t n = r->used_gpa + 4 + r->size * 8 + 2 - r->desc_gpa;
	const unsigned char *at = guest_ptr(rig->peer->guest, r->desc_gpa, n);
	uint32_t sum = (uint32_t)driver_take_calls(r);

	assert_non_null(at);
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + at[i];
	return sum;
}

static void a_new_session_waits_for_requests_of_the_old_one(void **state)
{
	struct vu_req *req;
	struct rig rig;
	uint32_t before;

	(void)state;
	open_and_lose(&rig, NULL, 0, 3);
	rig_start(&rig);
	rig_submit(&rig, 1, 2);
	rig_submit(&rig, 0, 1);
	assert_ok(driver_kick_always(rig.peer->queues[0]));
	rig_assert_idle(&rig);
	before = ring_state(&rig, 0);
	for (int i = 0; i < 2; i++) {
		rig_complete_held(&rig, 0);
		rig_assert_idle(&rig);
		assert_int_equal(rig.queues[0].served + rig.queues[1].served, 0);
		assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 0);
		assert_int_equal(vu_queue_next(rig.queues[1].queue, &req), 0);
	}
	assert_int_equal(ring_state(&rig, 0), before);
	rig_complete_held(&rig, 0);
	/* No kick: the device wakes itself. */
	assert_int_equal(poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, 0), 1);
	assert_int_equal(ring_state(&rig, 0), before);
	rig_wait_used(&rig, 0, 4);
	rig_wait_used(&rig, 1, 2);
	rig_close(&rig);
}

static void a_new_session_waits_for_every_ring_of_the_old_one(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_hold(&rig, 0, 1);
	rig_hold(&rig, 1, 1);
	rig.mode = RIG_SERVE;
	peer_disconnect(rig.peer);
	rig_assert_idle(&rig);
	rig_start(&rig);
	rig_submit(&rig, 0, 2);
	rig_submit(&rig, 1, 2);
	rig_complete_held(&rig, 1);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].served + rig.queues[1].served, 0);
	rig_complete_held(&rig, 0);
	/* With those of the old one, which are in the rings still. */
	rig_wait_used(&rig, 0, 3);
	rig_wait_used(&rig, 1, 3);
	rig_close(&rig);
}

static void a_request_of_a_dead_session_touches_neither_ring_nor_call(void **state)
{
	uint32_t before;
	struct rig rig;

	(void)state;
	open_and_lose(&rig, NULL, 0, 3);
	before = ring_state(&rig, 0);
	rig_complete_held(&rig, 0);
	assert_ok(vu_req_put_back(rig.queues[0].held[1]));
	assert_ok(vu_req_complete_remote(rig.queues[0].held[0], RIG_BYTES));
	rig_assert_idle(&rig);
	vu_queue_signal(rig.queues[0].queue);
	assert_int_equal(ring_state(&rig, 0), before);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	rig.queues[0].n_held = 0;
	rig_start(&rig);
	rig_wait_used(&rig, 0, 3);
	rig_close(&rig);
}

static void *complete_late(void *opaque)
{
	struct rig_queue *q = opaque;

	usleep(10000);
	return vu_req_complete_remote(q->held[0], rig_invert(q->held[0])) ? opaque : NULL;
}

static void a_slow_thread_lets_the_new_session_go_on(void **state)
{
	pthread_t thread;
	void *failed;
	struct rig rig;

	(void)state;
	open_and_lose(&rig, NULL, 0, 1);
	rig_start(&rig);
	assert_ok(pthread_create(&thread, NULL, complete_late, &rig.queues[0]));
	rig_wait_used(&rig, 0, 1);
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void sessions_that_come_and_go_meanwhile_wait_too(void **state)
{
	struct rig rig;

	(void)state;
	open_and_lose(&rig, NULL, 0, 2);
	for (int i = 0; i < 3; i++) {
		rig_start(&rig);
		rig_assert_idle(&rig);
		peer_disconnect(rig.peer);
		rig_assert_idle(&rig);
	}
	rig_complete_held(&rig, 0);
	rig_assert_idle(&rig);
	rig_start(&rig);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].served, 0);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void a_stop_does_not_wait_for_requests_of_an_old_session(void **state)
{
	struct rig rig;

	(void)state;
	open_and_lose(&rig, NULL, 0, 1);
	rig_start(&rig);
	assert_ok(peer_stop(rig.peer));
	assert_int_equal(rig.peer->queues[0]->base, rig_base(&rig, 0, 0));
	assert_int_equal(rig.queues[0].n_held, 1);
	rig_complete_held(&rig, 0);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].served, 0);
	rig_start_queue(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	rig_close(&rig);
}

static void a_queue_of_another_group_waits_and_goes_on_too(void **state)
{
	const struct rig_config grouped = {.groups = true};
	struct rig rig;

	(void)state;
	/* Outstanding on the device's thread; waiting on the other. */
	open_and_lose(&rig, &grouped, 0, 1);
	assert_int_equal(vu_queue_set_group(vu_device_queue(rig.dev, 1), NULL), -EBUSY);
	rig_start(&rig);
	rig_submit(&rig, 1, 2);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[1].served, 0);
	rig_complete_held(&rig, 0);
	vu_device_process(rig.dev);
	assert_int_equal(poll(&(struct pollfd){vu_group_fd(rig.group), POLLIN, 0}, 1, 0), 1);
	rig_wait_used(&rig, 1, 2);
	rig_wait_used(&rig, 0, 1);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_ok(vu_queue_set_group(vu_device_queue(rig.dev, 1), NULL));
	rig_close(&rig);
}

static void an_end_waits_for_the_queues_of_other_groups(void **state)
{
	const struct rig_config grouped = {.groups = true};
	struct rig rig;
	int fd;

	(void)state;
	rig_open(&rig, &grouped);
	rig.group_stands = true;
	peer_disconnect(rig.peer);
	rig_assert_idle(&rig);
	assert_int_equal(vu_device_is_attached(rig.dev), 1);
	assert_int_equal(rig.ended, 0);
	assert_int_equal(rig.reported, 0);
	assert_ok(peer_open(rig.peer, &fd));
	assert_int_equal(vu_device_attach(rig.dev, fd), -EBUSY);
	rig.group_stands = false;
	rig_assert_idle(&rig);
	assert_int_equal(rig.ended, 1);
	assert_int_equal(rig.reported, 1);
	assert_ok(vu_device_attach(rig.dev, fd));
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 1, 1);
	rig_close(&rig);
}

static void a_device_is_freed_with_requests_of_two_sessions_outstanding(void **state)
{
	struct rig rig;

	(void)state;
	open_and_lose(&rig, NULL, 0, 2);
	rig_start(&rig);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_session_waits_for_requests_of_the_old_one),
		cmocka_unit_test(a_new_session_waits_for_every_ring_of_the_old_one),
		cmocka_unit_test(a_request_of_a_dead_session_touches_neither_ring_nor_call),
		cmocka_unit_test(a_slow_thread_lets_the_new_session_go_on),
		cmocka_unit_test(sessions_that_come_and_go_meanwhile_wait_too),
		cmocka_unit_test(a_stop_does_not_wait_for_requests_of_an_old_session),
		cmocka_unit_test(a_queue_of_another_group_waits_and_goes_on_too),
		cmocka_unit_test(an_end_waits_for_the_queues_of_other_groups),
		cmocka_unit_test(a_device_is_freed_with_requests_of_two_sessions_outstanding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
