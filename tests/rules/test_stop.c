/* SPDX-License-Identifier: MIT */
/* Rule: stopping a queue is answered when none of its requests is outstanding. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kit/patience.h"
#include "rules/rig.h"

/* Queue 0 has n requests outstanding; what comes later is taken at once again. */
static void open_with_held(struct rig *rig, uint32_t n)
{
	rig_open(rig, NULL);
	rig_hold(rig, 0, n);
	assert_int_equal(vu_queue_outstanding(rig->queues[0].queue), n);
	rig->mode = RIG_SERVE;
}

static void a_stop_is_answered_after_the_last_completion(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, 3);
	rig_send_stop(&rig, 0);
	while (rig.queues[0].n_held) {
		rig_assert_idle(&rig);
		rig_assert_no_reply(&rig);
		assert_int_equal(rig.queues[0].stops, 1);
		rig_complete_held(&rig, 0);
	}
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 3));
	assert_int_equal(rig_collect(&rig, 0), 3);
	assert_ok(peer_wait_call(rig.peer, 0));
	assert_int_equal(rig.queues[0].stops, 1);
	assert_int_equal(rig.queues[1].stops, 0);
	rig_close(&rig);
}

static void nothing_more_is_handed_out_while_a_stop_waits(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	open_with_held(&rig, 1);
	rig_send_stop(&rig, 0);
	rig_submit(&rig, 0, 2);
	assert_ok(driver_kick_always(rig.peer->queues[0]));
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].served, 0);
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), -ESHUTDOWN);
	assert_int_equal(vu_queue_available(rig.queues[0].queue), 0);
	/* Others go on. */
	rig_roundtrip(&rig, 1, 4);
	rig_complete_held(&rig, 0);
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 1));
	assert_int_equal(rig_collect(&rig, 0), 1);
	/* They are found when it starts again. */
	rig.peer->queues[0]->base = rig_base(&rig, 0, 1);
	rig_start_queue(&rig, 0);
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void put_back_all(struct rig *rig, struct rig_queue *q)
{
	(void)rig;
	while (q->n_held)
		assert_ok(vu_req_put_back(q->held[--q->n_held]));
}

static void put_back_in_queue_stop_releases_the_stop(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, 3);
	assert_int_equal(vu_req_put_back(rig.queues[0].held[0]), -EINVAL);
	rig.on_stop = put_back_all;
	rig_stop_queue(&rig, 0);
	assert_int_equal(rig.peer->queues[0]->base, rig_base(&rig, 0, 0));
	assert_int_equal(rig.queues[0].stops, 1);
	assert_int_equal(rig_collect(&rig, 0), 0);
	rig_start_queue(&rig, 0);
	rig_wait_used(&rig, 0, 3);
	rig_close(&rig);
}

static void complete_all(struct rig *rig, struct rig_queue *q)
{
	struct vu_req *reqs[RIG_HELD];
	uint64_t written[RIG_HELD];
	uint32_t n = q->n_held;

	(void)rig;
	for (uint32_t i = 0; i < n; i++) {
		reqs[i] = q->held[i];
		written[i] = rig_invert(reqs[i]);
	}
	q->n_held = 0;
	assert_int_equal(vu_queue_complete_batch(q->queue, reqs, written, n), n);
}

static void completion_in_queue_stop_releases_the_stop(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, 3);
	rig.on_stop = complete_all;
	rig_stop_queue(&rig, 0);
	assert_int_equal(rig.peer->queues[0]->base, rig_base(&rig, 0, 3));
	assert_int_equal(rig_collect(&rig, 0), 3);
	rig_close(&rig);
}

static void a_batch_of_completions_releases_the_stop(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, 3);
	rig_send_stop(&rig, 0);
	complete_all(&rig, &rig.queues[0]);
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 3));
	assert_int_equal(rig_collect(&rig, 0), 3);
	rig_close(&rig);
}

static void *complete_remotely(void *opaque)
{
	struct rig_queue *q = opaque;

	usleep(10000);
	for (uint32_t i = 0; i < q->n_held; i++)
		if (vu_req_complete_remote(q->held[i], rig_invert(q->held[i])))
			return opaque;
	return NULL;
}

static void completion_by_another_thread_releases_the_stop(void **state)
{
	pthread_t thread;
	void *failed;
	struct rig rig;

	(void)state;
	open_with_held(&rig, 3);
	assert_int_equal(vu_req_complete_remote(rig.queues[0].held[0], RIG_BYTES + 1), -ERANGE);
	rig_send_stop(&rig, 0);
	assert_ok(pthread_create(&thread, NULL, complete_remotely, &rig.queues[0]));
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 3));
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	assert_int_equal(rig_collect(&rig, 0), 3);
	rig_close(&rig);
}

static void messages_behind_a_waiting_stop_are_answered_after_it(void **state)
{
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	open_with_held(&rig, 1);
	rig_send_stop(&rig, 0);
	assert_ok(frontend_send(&rig.peer->frontend, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0));
	assert_ok(frontend_send(&rig.peer->frontend, WIRE_GET_STATUS, 0, NULL, 0, NULL, 0));
	rig_assert_no_reply(&rig);
	rig_assert_idle(&rig);
	rig_complete_held(&rig, 0);
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 1));
	assert_ok(frontend_recv(&rig.peer->frontend, &msg));
	assert_int_equal(msg.hdr.request, WIRE_GET_FEATURES);
	assert_ok(frontend_recv(&rig.peer->frontend, &msg));
	assert_int_equal(msg.hdr.request, WIRE_GET_STATUS);
	rig_close(&rig);
}

/* RESET_DEVICE, and SET_STATUS 0 from *state. */
static void a_reset_waits_for_every_queue(void **state)
{
	const uint64_t zero = 0;
	bool by_status = *state;
	uint32_t request = by_status ? WIRE_SET_STATUS : WIRE_RESET_DEVICE;
	struct rig rig;

	open_with_held(&rig, 1);
	rig_hold(&rig, 1, 2);
	rig_send(&rig, request, &zero, by_status ? sizeof(zero) : 0, NULL, 0);
	for (int i = 0; i < 3; i++) {
		rig_assert_no_reply(&rig);
		assert_int_equal(rig.resets, 0);
		rig_complete_held(&rig, i > 0);
	}
	assert_int_equal(rig_recv_ack(&rig, request), 0);
	assert_int_equal(rig.resets, 1);
	assert_int_equal(rig.stopped, 1);
	assert_int_equal(rig.queues[0].stops + rig.queues[1].stops, 2);
	rig_close(&rig);
}

/* The seconds and the number of requests of the line that complains; 0 if there is none. */
static uint32_t complaint(struct rig *rig, double *seconds)
{
	const char *line = strstr(rig->log.text, "queue 0: stopping for ");
	uint32_t n;

	return line && sscanf(line, "queue 0: stopping for %lf s, %u", seconds, &n) == 2 ? n : 0;
}

static void a_stop_that_waits_for_a_second_is_logged(void **state)
{
	struct timespec start, now;
	double seconds = 0, real;
	struct rig rig;

	(void)state;
	open_with_held(&rig, 2);
	clock_gettime(CLOCK_MONOTONIC, &start);
	rig_send_stop(&rig, 0);
	rig_complete_held(&rig, 0);
	do {
		assert_true(poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, HANG_MS) >
			    0);
		rig_pump(&rig);
	} while (!complaint(&rig, &seconds));
	clock_gettime(CLOCK_MONOTONIC, &now);
	real = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
	assert_int_equal(complaint(&rig, &seconds), 1);
	assert_true(real >= 1 && seconds > 0.9 && seconds < real + 0.1);
	assert_int_equal(rig_logged(&rig, "stopping for"), 1);
	rig_assert_idle(&rig);
	rig_complete_held(&rig, 0);
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 2));
	rig_close(&rig);
}

/* As with a group that nobody serves: no request is what it waits for. */
static void a_stop_that_no_thread_comes_to_is_logged(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_grouped(&rig);
	rig_roundtrip(&rig, 0, 1);
	rig.group_stands = true;
	rig_send_stop(&rig, 0);
	do {
		struct pollfd pollfd = {vu_device_fd(rig.dev), POLLIN, 0};

		assert_true(poll(&pollfd, 1, HANG_MS) > 0);
		rig_pump(&rig);
	} while (!rig_logged(&rig, "queue 0: stopping for"));
	assert_int_equal(rig_logged(&rig, "its thread does not come"), 1);
	assert_int_equal(rig_logged(&rig, "(vu_program_add_worker(), vu_worker_add_group())"), 1);
	assert_int_equal(rig_logged(&rig, "outstanding"), 0);
	rig.group_stands = false;
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 1));
	rig_close(&rig);
}

static void a_disconnect_while_a_stop_waits_ends_the_session(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, 2);
	rig_send_stop(&rig, 0);
	peer_disconnect(rig.peer);
	rig_assert_idle(&rig);
	assert_int_equal(rig.ended, 1);
	assert_int_equal(rig.reported, 1);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	assert_int_equal(rig.queues[0].stops, 1);
	rig_complete_held(&rig, 0);
	rig_complete_held(&rig, 0);
	rig_assert_idle(&rig);
	rig_start(&rig);
	/* The two were never completed for the driver: it gets them now. */
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void detach_while_a_stop_waits_ends_the_session(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, 1);
	rig_send_stop(&rig, 0);
	vu_device_detach(rig.dev);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	assert_ok(frontend_wait_closed(&rig.peer->frontend));
	assert_int_equal(rig.ended, 1);
	rig_complete_held(&rig, 0);
	rig_close(&rig);
}

int main(void)
{
	static bool by_status = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_is_answered_after_the_last_completion),
		cmocka_unit_test(nothing_more_is_handed_out_while_a_stop_waits),
		cmocka_unit_test(put_back_in_queue_stop_releases_the_stop),
		cmocka_unit_test(completion_in_queue_stop_releases_the_stop),
		cmocka_unit_test(a_batch_of_completions_releases_the_stop),
		cmocka_unit_test(completion_by_another_thread_releases_the_stop),
		cmocka_unit_test(messages_behind_a_waiting_stop_are_answered_after_it),
		cmocka_unit_test(a_reset_waits_for_every_queue),
		{"a_status_of_0_waits_for_every_queue", a_reset_waits_for_every_queue, NULL, NULL,
		 &by_status},
		cmocka_unit_test(a_stop_that_waits_for_a_second_is_logged),
		cmocka_unit_test(a_stop_that_no_thread_comes_to_is_logged),
		cmocka_unit_test(a_disconnect_while_a_stop_waits_ends_the_session),
		cmocka_unit_test(detach_while_a_stop_waits_ends_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
