/* SPDX-License-Identifier: MIT */
/* Rules: no guest and no front-end fills the log. */
#include <string.h>
#include <time.h>

#include "rules/rig.h"

enum { BURST = 20, LEVELS = 3, FLOOD = 3000 };

static uint32_t started_at;

static uint32_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_sec;
}

static int note_time(void **state)
{
	(void)state;
	started_at = seconds();
	return 0;
}

/* A burst of each level and of what tells of the rest, and one more of them a second. */
static uint32_t most_lines(void)
{
	return (LEVELS + 1) * (BURST + seconds() - started_at + 1);
}

/* All lines there are are expected. */
static void close_flooded(struct rig *rig)
{
	rig->errors_expected = rig_errors(rig);
	rig_close(rig);
	assert_true(rig_logged(rig, ": ") <= most_lines());
	assert_true(rig_logged(rig, " lines left out)") > 0);
}

static void refused_writes_of_the_configuration_are_logged_within_a_limit(void **state)
{
	const struct rig_config config = {.device = {.config_size = 8}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	for (int i = 0; i < FLOOD; i++)
		frontend_set_config(&rig.peer->frontend, i % 2 ? 0 : 100, "x", 1, 0);
	assert_true(rig_logged(&rig, "cannot be written") >= BURST);
	assert_true(rig_logged(&rig, "cannot be written") <= BURST + seconds() - started_at + 1);
	/* They are told at the session's end. */
	assert_true(rig_logged(&rig, " lines left out)") <= seconds() - started_at + 1);
	close_flooded(&rig);
}

static void front_ends_that_come_and_go_are_logged_within_a_limit(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	for (int i = 0; i < FLOOD / 10; i++) {
		const uint32_t request = i % 2 ? 9999 : WIRE_SET_VRING_NUM;

		rig_connect(&rig);
		rig_send(&rig, request, "xxx", 3, NULL, 0);
		rig_pump(&rig);
		assert_int_equal(vu_device_is_attached(rig.dev), 0);
		frontend_close(&rig.peer->frontend);
	}
	close_flooded(&rig);
}

static void lines_of_a_device_that_its_guest_causes_are_limited_with_the_librarys(void **state)
{
	uint32_t limit;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	for (int i = 0; i < FLOOD; i++)
		vu_device_log_peer(rig.dev, VU_LOG_WARNING,
				   i % 2 ? "no such register" : "a bad length");
	limit = BURST + seconds() - started_at + 1;
	assert_true(rig_logged(&rig, "no such") + rig_logged(&rig, "a bad") <= limit);
	assert_true(rig_logged(&rig, "no such") + rig_logged(&rig, "a bad") >= BURST);
	close_flooded(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			refused_writes_of_the_configuration_are_logged_within_a_limit, note_time),
		cmocka_unit_test_setup(front_ends_that_come_and_go_are_logged_within_a_limit,
				       note_time),
		cmocka_unit_test_setup(
			lines_of_a_device_that_its_guest_causes_are_limited_with_the_librarys,
			note_time),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
