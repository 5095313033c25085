/* SPDX-License-Identifier: MIT */
/* Groups and devices that end while others still use what they were part of. */
#include <pthread.h>
#include <string.h>

#include "rules/rig.h"

enum { ROUNDS = 50, REQUESTS = 40 };

static void *complete_all(void *opaque)
{
	struct rig_queue *q = opaque;

	for (uint32_t i = 0; i < q->n_held; i++)
		if (vu_req_complete_remote(q->held[i], RIG_BYTES))
			return opaque;
	return NULL;
}

/* Queue 1's requests are outstanding, and their session is gone. */
static void lose_session(struct rig *rig, uint32_t n)
{
	rig_hold(rig, 1, n);
	peer_disconnect(rig->peer);
	rig_pump(rig);
	assert_int_equal(vu_device_is_attached(rig->dev), 0);
}

static void completions_of_other_threads_find_the_way_when_their_group_is_freed(void **state)
{
	pthread_t thread;
	struct rig rig;
	void *failed;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		rig_open(&rig, &(struct rig_config){.groups = true});
		lose_session(&rig, REQUESTS);
		assert_ok(pthread_create(&thread, NULL, complete_all, &rig.queues[1]));
		vu_group_free(rig.group);
		rig.group = NULL;
		assert_ok(pthread_join(thread, &failed));
		assert_null(failed);
		rig_pump(&rig);
		assert_int_equal(vu_queue_outstanding(rig.queues[1].queue), 0);
		rig.mode = RIG_SERVE;
		rig_connect(&rig);
		assert_ok(peer_start(rig.peer));
		rig_wait_used(&rig, 1, REQUESTS);
		rig_close(&rig);
	}
}

static void *complete_last(void *opaque)
{
	struct rig *rig = opaque;

	while (vu_queue_outstanding(rig->queues[1].queue)) {
		if (vu_group_process(rig->group, 0) < 0 ||
		    vu_req_complete(rig->queues[1].held[0], RIG_BYTES))
			return opaque;
	}
	return NULL;
}

static void groups_come_and_go_while_the_last_request_of_an_old_session_ends(void **state)
{
	struct vu_group *group;
	pthread_t thread;
	struct rig rig;
	void *failed;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		rig_open(&rig, &(struct rig_config){.groups = true});
		lose_session(&rig, 1);
		assert_ok(pthread_create(&thread, NULL, complete_last, &rig));
		for (int j = 0; j < 20; j++) {
			assert_ok(vu_group_new(&group));
			vu_group_free(group);
		}
		assert_ok(pthread_join(thread, &failed));
		assert_null(failed);
		rig.queues[1].n_held = 0;
		/* Queues of other groups hear of it, too. */
		rig.mode = RIG_SERVE;
		rig_connect(&rig);
		assert_ok(peer_start(rig.peer));
		rig_roundtrip(&rig, 0, 1);
		rig_wait_used(&rig, 1, 1);
		rig_close(&rig);
	}
}

static void the_end_of_a_session_says_why(void **state)
{
	const struct wire_vring_state beyond = {.index = 2};
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(rig.ended, 1);
	assert_int_equal(rig.why, 0);
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	assert_ok(frontend_send(&rig.peer->frontend, WIRE_SET_VRING_NUM, 0, &beyond, sizeof(beyond),
				NULL, 0));
	rig_pump(&rig);
	assert_int_equal(rig.ended, 2);
	assert_int_equal(rig.why, -EPROTO);
	rig_expect_errors(&rig, "the device has only 2", 1);
	rig_connect(&rig);
	vu_device_drain(rig.dev);
	rig_pump(&rig);
	assert_int_equal(rig.ended, 3);
	assert_int_equal(rig.why, 0);
	rig_close(&rig);
}

static void expired(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	++*(int *)opaque;
}

/* *state: in the middle of a session. */
static void a_group_outlives_its_device(void **state)
{
	struct vu_source *timer;
	struct vu_group *group;
	struct rig rig;
	int calls = 0;

	rig_open(&rig, &(struct rig_config){.groups = true});
	group = rig.group;
	assert_ok(vu_group_add_timer(group, expired, &calls, &timer));
	if (*state) {
		rig_hold(&rig, 1, REQUESTS);
		/* A kick, a command and completions that nobody has seen yet. */
		rig_submit(&rig, 1, 1);
		rig_send_stop(&rig, 0);
	} else {
		lose_session(&rig, REQUESTS);
	}
	assert_null(complete_all(&rig.queues[1]));
	vu_device_free(rig.dev);
	assert_int_equal(rig.begun, rig.ended);
	assert_int_equal(rig.started, rig.stopped);
	rig.dev = NULL;
	rig.group = NULL;
	assert_ok(vu_source_set_timer(timer, 1, 0));
	/* Its thread may not have heard of it yet. */
	assert_int_equal(vu_group_wait(group, 1000000000), 1);
	do
		assert_int_equal(vu_group_process(group, 0), 0);
	while (vu_group_arm(group));
	assert_int_equal(calls, 1);
	vu_group_free(group);
	rig_close(&rig);
}

static void a_group_whose_device_is_gone_looks_at_no_queue_of_it(void **state)
{
	struct vu_group *group;
	struct rig rig;

	(void)state;
	rig_open(&rig, &(struct rig_config){.groups = true});
	group = rig.group;
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	/* The last one of the old session: every group is to look what that held back. */
	rig.group_stands = true;
	rig_complete_held(&rig, 0);
	rig_pump(&rig);
	vu_device_free(rig.dev);
	rig.dev = NULL;
	rig.group = NULL;
	assert_int_equal(vu_group_process(group, 0), 0);
	vu_group_free(group);
	rig_close(&rig);
}

/* Told once for each, and of the one that has begun since then nothing is to be told. */
static void an_end_that_nobody_was_told_of_is_none_of_the_next_session(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	vu_device_detach(rig.dev);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	rig_connect(&rig);
	assert_int_equal(vu_device_process(rig.dev) & VU_PROCESS_ENDED, 0);
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(rig.reported, 0);
	vu_device_detach(rig.dev);
	assert_int_equal(vu_device_process(rig.dev) & VU_PROCESS_ENDED, VU_PROCESS_ENDED);
	assert_int_equal(vu_device_process(rig.dev) & VU_PROCESS_ENDED, 0);
	rig_close(&rig);
}

static void misuse(struct rig *rig, enum rig_callback which, struct rig_queue *q)
{
	if (which != RIG_STOP || q != &rig->queues[1])
		return;
	assert_int_equal(vu_device_process(rig->dev), -EDEADLK);
	assert_int_equal(vu_group_process(rig->group, 0), -EDEADLK);
	assert_int_equal(vu_group_wait(rig->group, 0), -EDEADLK);
	vu_group_free(rig->group);
	vu_device_free(rig->dev);
	vu_device_detach(rig->dev);
}

/* What a group's thread never got to is done where the group is freed, or (*state) its device. */
static void callbacks_while_a_group_is_freed_are_callbacks(void **state)
{
	struct vu_group *group;
	struct rig rig;

	rig_open(&rig, &(struct rig_config){.groups = true});
	group = rig.group;
	rig.on_callback = misuse;
	rig.group_stands = true;
	vu_device_detach(rig.dev);
	if (*state) {
		vu_device_free(rig.dev);
		rig.dev = NULL;
	}
	vu_group_free(group);
	rig.group = NULL;
	assert_int_equal(rig.queues[1].stops, 1);
	rig_expect_errors(&rig, "vu_group_free()", 1);
	rig_expect_errors(&rig, "vu_device_free() inside a callback", 1);
	rig_close(&rig);
}

int main(void)
{
	static bool yes = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			completions_of_other_threads_find_the_way_when_their_group_is_freed),
		cmocka_unit_test(the_end_of_a_session_says_why),
		cmocka_unit_test(groups_come_and_go_while_the_last_request_of_an_old_session_ends),
		{"a_group_outlives_its_device", a_group_outlives_its_device, NULL, NULL, NULL},
		{"a_group_outlives_its_device_that_has_a_session", a_group_outlives_its_device,
		 NULL, NULL, &yes},
		cmocka_unit_test(an_end_that_nobody_was_told_of_is_none_of_the_next_session),
		cmocka_unit_test(a_group_whose_device_is_gone_looks_at_no_queue_of_it),
		{"callbacks_while_a_group_is_freed_are_callbacks",
		 callbacks_while_a_group_is_freed_are_callbacks, NULL, NULL, NULL},
		{"callbacks_while_a_device_with_a_group_is_freed_are_callbacks",
		 callbacks_while_a_group_is_freed_are_callbacks, NULL, NULL, &yes},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
