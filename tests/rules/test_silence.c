/* SPDX-License-Identifier: MIT */
/* Nobody is waited for in silence: front-ends that say nothing, requests of an old session. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "rules/rig.h"

/* Sleep until the device ends the session, however long its timer takes. */
static void wait_for_end(struct rig *rig)
{
	while (!rig->reported) {
		poll(&(struct pollfd){vu_device_fd(rig->dev), POLLIN, 0}, 1, -1);
		rig_pump(rig);
	}
	assert_int_equal(rig->ended, 1);
	assert_int_equal(rig->why, -ETIMEDOUT);
	assert_ok(frontend_wait_closed(&rig->peer->frontend));
}

static void a_front_end_that_says_nothing_is_disconnected(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_int_equal(vu_device_message_timeout(rig.dev), UINT64_C(30000000000));
	vu_device_set_message_timeout(rig.dev, 5000000);
	rig_connect(&rig);
	wait_for_end(&rig);
	rig_expect_errors(&rig, "sends no whole message for 0.005 s", 1);
	/* The next one is heard. */
	vu_device_set_message_timeout(rig.dev, UINT64_C(30000000000));
	rig_start(&rig);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

/* *state: after a session's whole start. */
static void a_front_end_that_stops_in_a_message_is_disconnected(void **state)
{
	const struct wire_header half = {.request = WIRE_SET_FEATURES, .flags = 1, .size = 8};
	struct rig rig;

	rig_make(&rig, NULL);
	rig_connect(&rig);
	if (*state)
		assert_ok(peer_start(rig.peer));
	vu_device_set_message_timeout(rig.dev, 5000000);
	if (!*state) {
		peer_disconnect(rig.peer);
		rig_pump(&rig);
		rig.reported = rig.ended = rig.begun = 0;
		rig_connect(&rig);
	}
	assert_ok(frontend_send_bytes(&rig.peer->frontend, &half, sizeof(half), NULL, 0));
	rig_pump(&rig);
	wait_for_end(&rig);
	rig_expect_errors(&rig, *state ? "not whole after 0.005 s" : "no whole message for 0.005 s",
			  1);
	rig_close(&rig);
}

/* Start within a limit in ns: the shortest that is not too short for this machine today. */
static uint64_t start_in_time(struct rig *rig)
{
	for (uint64_t limit = 5000000;; limit *= 4) {
		vu_device_set_message_timeout(rig->dev, limit);
		rig_connect(rig);
		if (!peer_start(rig->peer))
			return limit;
		rig_pump(rig);
		assert_int_equal(rig->why, -ETIMEDOUT);
		assert_int_equal(rig_logged(rig, "sends no whole message"), rig->ended);
		rig->errors_expected = rig->ended;
		rig->reported = 0;
		peer_disconnect(rig->peer);
	}
}

static void between_messages_a_front_end_may_be_silent(void **state)
{
	struct pollfd pfd;
	uint64_t limit;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	limit = start_in_time(&rig);
	rig_assert_idle(&rig);
	/* The timer expires, and nothing comes of it. */
	pfd = (struct pollfd){vu_device_fd(rig.dev), POLLIN, 0};
	poll(&pfd, 1, (int)(limit / 100000));
	rig_assert_idle(&rig);
	assert_int_equal(rig.reported, 0);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void a_limit_beyond_all_time_is_no_limit(void **state)
{
	static const uint64_t limits[] = {UINT64_MAX, INT64_MAX, UINT64_MAX - 1000};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		rig_make(&rig, NULL);
		vu_device_set_message_timeout(rig.dev, limits[i]);
		rig_connect(&rig);
		rig_assert_idle(&rig);
		assert_int_equal(vu_device_is_attached(rig.dev), 1);
		assert_ok(peer_start(rig.peer));
		rig_close(&rig);
	}
}

static void without_a_limit_nobody_is_disconnected(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	vu_device_set_message_timeout(rig.dev, 0);
	rig_connect(&rig);
	/* No timer runs at all. */
	assert_int_equal(poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, 50), 0);
	assert_int_equal(vu_device_is_attached(rig.dev), 1);
	rig_close(&rig);
}

static void requests_of_an_old_session_that_keep_the_new_one_waiting_are_named(void **state)
{
	const char *line;
	double seconds;
	struct rig rig;
	unsigned int n;

	(void)state;
	rig_open(&rig, NULL);
	rig_hold(&rig, 0, 3);
	peer_disconnect(rig.peer);
	rig_assert_idle(&rig);
	rig.mode = RIG_SERVE;
	rig_complete_held(&rig, 0);
	rig_start(&rig);
	rig_submit(&rig, 1, 1);
	while (!rig_logged(&rig, "of an earlier session outstanding")) {
		poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, -1);
		rig_pump(&rig);
	}
	line = strstr(rig.log.text, "queue 0: 2 requests of an earlier session outstanding, for ");
	assert_non_null(line);
	assert_int_equal(sscanf(line,
				"queue 0: %u requests of an earlier session outstanding, "
				"for %lf s",
				&n, &seconds),
			 2);
	assert_true(seconds >= 1);
	assert_int_equal(rig.queues[1].served, 0);
	rig_complete_held(&rig, 0);
	rig_complete_held(&rig, 0);
	/* Of queue 0, what the old session left in the ring, and queue 1's. */
	rig_wait_used(&rig, 1, 1);
	rig_wait_used(&rig, 0, 3);
	rig_close(&rig);
}

int main(void)
{
	static bool yes = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_front_end_that_says_nothing_is_disconnected),
		{"a_front_end_that_stops_in_its_first_message_is_disconnected",
		 a_front_end_that_stops_in_a_message_is_disconnected, NULL, NULL, NULL},
		{"a_front_end_that_stops_in_a_later_message_is_disconnected",
		 a_front_end_that_stops_in_a_message_is_disconnected, NULL, NULL, &yes},
		cmocka_unit_test(between_messages_a_front_end_may_be_silent),
		cmocka_unit_test(a_limit_beyond_all_time_is_no_limit),
		cmocka_unit_test(without_a_limit_nobody_is_disconnected),
		cmocka_unit_test(
			requests_of_an_old_session_that_keep_the_new_one_waiting_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
