/* SPDX-License-Identifier: MIT */
/* Rules of groups and threads: misuse that is detected, queues that change their group. */
#include "rules/rig.h"

static void a_request_cannot_be_completed_twice(void **state)
{
	const struct rig_config debug = {.device = {.flags = VU_DEVICE_DEBUG}};
	struct vu_req *req;
	uint64_t written = 0;
	struct rig rig;

	(void)state;
	rig_open(&rig, &debug);
	rig_hold(&rig, 0, 2);
	req = rig.queues[0].held[0];
	assert_int_equal(vu_req_complete(req, RIG_BYTES + 1), -ERANGE);
	rig_expect_errors(&rig, "the request has room for 64", 1);
	rig_complete_held(&rig, 0);
	assert_int_equal(vu_req_complete(req, 0), -EINVAL);
	assert_int_equal(vu_queue_complete_batch(rig.queues[0].queue, &req, &written, 1), -EINVAL);
	assert_int_equal(vu_req_put_back(req), -EINVAL);
	rig_expect_errors(&rig, "not outstanding", 3);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void a_batch_says_how_many_are_finished(void **state)
{
	struct vu_req *reqs[3];
	const uint64_t written[3] = {RIG_BYTES, RIG_BYTES + 1, RIG_BYTES};
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	/* Once it has been decided about an interrupt a ring takes its short way. */
	rig_hold(&rig, 0, 1);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	rig_leave(&rig, 0, 3);
	assert_int_equal(vu_queue_next_batch(rig.queues[0].queue, reqs, 3), 3);
	for (int i = 0; i < 3; i++)
		rig_invert(reqs[i]);
	assert_int_equal(vu_queue_complete_batch(rig.queues[0].queue, reqs, written, 3), 1);
	assert_int_equal(vu_queue_complete_batch(rig.queues[0].queue, reqs + 1, written + 1, 2),
			 -ERANGE);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 2);
	rig_wait_used(&rig, 0, 1);
	assert_ok(vu_req_complete(reqs[2], RIG_BYTES));
	assert_ok(vu_req_complete(reqs[1], RIG_BYTES));
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void *misuse(void *opaque)
{
	struct rig_queue *q = opaque;
	const struct vu_req *req = q->held[0];
	struct vu_req *other;
	uint64_t written = 0;
	bool good = true;

	good &= vu_queue_next(q->queue, &other) == -EINVAL;
	good &= vu_queue_next_batch(q->queue, &other, 1) == -EINVAL;
	good &= vu_req_complete(q->held[0], 0) == -EINVAL;
	good &= vu_queue_complete_batch(q->queue, q->held, &written, 1) == -EINVAL;
	good &= vu_req_put_back(q->held[0]) == -EINVAL;
	/* These are for any thread. */
	good &= vu_req_queue(req) == q->queue && vu_queue_index(q->queue) == 0;
	return good ? NULL : opaque;
}

static void the_wrong_thread_is_told_so(void **state)
{
	const struct rig_config debug = {.device = {.flags = VU_DEVICE_DEBUG}};
	pthread_t thread;
	void *failed;
	struct rig rig;

	(void)state;
	rig_open(&rig, &debug);
	rig_hold(&rig, 0, 1);
	assert_ok(pthread_create(&thread, NULL, misuse, &rig.queues[0]));
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	rig_expect_errors(&rig, "another thread", 5);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	rig.mode = RIG_SERVE;
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

/* The group goes (*state: only the queue) while it counts the queue as busy. */
static void a_busy_queue_changes_its_group(void **state)
{
	struct rig rig;

	rig_open_grouped(&rig);
	rig_submit(&rig, 0, 4);
	rig.group_stands = true;
	assert_int_equal(vu_group_process(rig.group, 2), 1);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	vu_group_process(rig.group, 2);
	rig_pump(&rig);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	if (*state) {
		assert_ok(vu_queue_set_group(vu_device_queue(rig.dev, 0), NULL));
		assert_ok(vu_queue_set_group(vu_device_queue(rig.dev, 1), NULL));
	} else {
		vu_group_free(rig.group);
		rig.group = NULL;
	}
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	rig_wait_used(&rig, 0, 4);
	rig_roundtrip(&rig, 0, 4);
	rig_roundtrip(&rig, 1, 4);
	rig_close(&rig);
}

static void groups_end_before_the_session_when_no_thread_is_left(void **state)
{
	struct rig rig;

	(void)state;
	rig_open_grouped(&rig);
	rig_roundtrip(&rig, 0, 1);
	/* Threads were joined; now all goes down on one. */
	rig.group_stands = true;
	vu_device_detach(rig.dev);
	vu_group_free(rig.group);
	rig.group = NULL;
	rig_pump(&rig);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	assert_int_equal(rig.ended, 1);
	assert_ok(frontend_wait_closed(&rig.peer->frontend));
	rig_close(&rig);
}

static void a_queue_goes_to_no_other_devices_own_group(void **state)
{
	static struct rig a, b;

	(void)state;
	rig_make(&a, &(struct rig_config){.groups = true});
	rig_make(&b, NULL);
	assert_int_equal(vu_queue_set_group(vu_device_queue(b.dev, 0), vu_device_group(a.dev)),
			 -EINVAL);
	assert_int_equal(vu_queue_set_group(vu_device_queue(b.dev, 2), NULL), -EINVAL);
	rig_connect(&b);
	assert_int_equal(vu_queue_set_group(vu_device_queue(b.dev, 0), NULL), -EBUSY);
	assert_int_equal(vu_queue_set_group(vu_device_queue(b.dev, 0), a.group), -EBUSY);
	rig_close(&b);
	rig_close(&a);
}

int main(void)
{
	static bool yes = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_cannot_be_completed_twice),
		cmocka_unit_test(a_batch_says_how_many_are_finished),
		cmocka_unit_test(the_wrong_thread_is_told_so),
		{"a_busy_queue_outlives_its_group", a_busy_queue_changes_its_group, NULL, NULL,
		 NULL},
		{"a_busy_queue_changes_its_group", a_busy_queue_changes_its_group, NULL, NULL,
		 &yes},
		cmocka_unit_test(groups_end_before_the_session_when_no_thread_is_left),
		cmocka_unit_test(a_queue_goes_to_no_other_devices_own_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
