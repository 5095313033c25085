/* SPDX-License-Identifier: MIT */
/* vu-scmi: clocks, power, performance and reset domains. */
#include "scmi_ask.h"

static const uint32_t off = 1 << 30;
static const uint32_t notifies = UINT32_C(1) << 31;

/* The short and the long name of something. */
static void check_names(struct rig *rig, uint32_t protocol, uint32_t describe, uint32_t at,
			uint32_t get, const char *name)
{
	struct answer answer = scmi_ask(rig, protocol, describe, ARGS(0));
	char wanted[64] = {0};

	assert_int_equal(answer.status, SUCCESS);
	memcpy(wanted, name, strlen(name) < 15 ? strlen(name) : 15);
	assert_memory_equal(answer.words + at, wanted, 16);
	strcpy(wanted, name);
	answer = scmi_ask(rig, protocol, get, ARGS(0));
	assert_int_equal(answer.status, SUCCESS);
	assert_int_equal(answer.n, 17);
	assert_int_equal(answer.words[0], 0);
	assert_memory_equal(answer.words + 1, wanted, 64);
	scmi_refused(rig, NOT_FOUND, protocol, describe, ARGS(1));
	scmi_refused(rig, NOT_FOUND, protocol, describe, ARGS(UINT32_MAX));
	scmi_refused(rig, NOT_FOUND, protocol, get, ARGS(1));
}

static void long_names_have_a_command_of_their_own(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, "clock 0 a-clock-with-a-long-name rates 1\npower 0 sixteen-letters-\n"
			"perf 0 fifteen-letters levels 1\nreset 0 r\n");
	check_names(rig, CLOCK, 3, 1, 8, "a-clock-with-a-long-name");
	check_names(rig, POWER, 3, 1, 8, "sixteen-letters-");
	check_names(rig, PERF, 3, 4, 12, "fifteen-letters");
	check_names(rig, RESET, 3, 2, 6, "r");
	assert_int_equal(scmi_ask(rig, CLOCK, 3, ARGS(0)).words[0] >> 29 & 1, 1);
	assert_int_equal(scmi_ask(rig, POWER, 3, ARGS(0)).words[0] >> 27 & 1, 1);
	assert_int_equal(scmi_ask(rig, PERF, 3, ARGS(0)).words[0] >> 26 & 1, 0);
	assert_int_equal(scmi_ask(rig, RESET, 3, ARGS(0)).words[0] >> 29 & 1, 0);
	rig_stop(rig);
}

/* --- clocks --- */

static void clocks_are_listed_with_rates_in_parts(void **state)
{
	struct rig *rig = *state;
	struct answer answer;

	scmi_start(rig, "clock 0 a rates 1,2,3 on latency 7\nclock 1 b range 1000 9000000000 10\n");
	scmi_expect(rig, CLOCK, ATTRIBUTES, ARGS(), ARGS(2));
	scmi_expect(rig, CLOCK, 3, ARGS(0), ARGS(notifies | 1, 'a', 0, 0, 0, 7));
	scmi_expect(rig, CLOCK, 4, ARGS(0, 0), ARGS(3, 1, 0, 2, 0, 3, 0));
	answer = scmi_ask_room(rig, CLOCK, 4, ARGS(0, 0), STATUS + 4 + 8 + 7);
	assert_int_equal(answer.words[0], 1 | 2 << 16);
	assert_int_equal(answer.n, 3);
	scmi_expect(rig, CLOCK, 4, ARGS(0, 2), ARGS(1, 3, 0));
	scmi_refused(rig, OUT_OF_RANGE, CLOCK, 4, ARGS(0, 3));
	scmi_refused(rig, OUT_OF_RANGE, CLOCK, 4, ARGS(0, UINT32_MAX));
	scmi_refused(rig, NOT_FOUND, CLOCK, 4, ARGS(2, 0));
	/* A range is one triplet, which is not cut. */
	scmi_expect(rig, CLOCK, 4, ARGS(1, 0),
		    ARGS(3 | 1 << 12, 1000, 0, (uint32_t)9000000000, 2, 10, 0));
	assert_int_equal(scmi_ask_room(rig, CLOCK, 4, ARGS(1, 0), STATUS + 4 + 23).status,
			 PROTOCOL_ERROR);
	scmi_refused(rig, OUT_OF_RANGE, CLOCK, 4, ARGS(1, 1));
	rig_stop(rig);
}

static void set_and_expect(struct rig *rig, uint32_t clock, uint32_t flags, uint32_t rate,
			   uint32_t wanted)
{
	scmi_done(rig, CLOCK, 5, ARGS(flags, clock, rate, 0));
	scmi_expect(rig, CLOCK, 6, ARGS(clock), ARGS(wanted, 0));
}

static void a_rate_is_rounded_as_the_request_says(void **state)
{
	enum { DOWN = 0, UP = 4, AUTO = 8 };
	struct rig *rig = *state;

	scmi_start(rig, "clock 0 a rates 100,200,400\nclock 1 b range 100 410 100\n");
	set_and_expect(rig, 0, DOWN, 399, 200);
	set_and_expect(rig, 0, UP, 201, 400);
	set_and_expect(rig, 0, AUTO, 301, 400);
	set_and_expect(rig, 0, AUTO, 299, 200);
	set_and_expect(rig, 0, UP, 100, 100);
	set_and_expect(rig, 0, DOWN, 400, 400);
	set_and_expect(rig, 1, DOWN, 399, 300);
	set_and_expect(rig, 1, UP, 201, 300);
	set_and_expect(rig, 1, UP, 401, 410);
	set_and_expect(rig, 1, DOWN, 409, 400);
	set_and_expect(rig, 1, DOWN, 410, 410);
	set_and_expect(rig, 1, AUTO, 149, 100);
	scmi_refused(rig, INVALID_PARAMETERS, CLOCK, 5, ARGS(0, 0, 99, 0));
	scmi_refused(rig, INVALID_PARAMETERS, CLOCK, 5, ARGS(UP, 0, 401, 0));
	scmi_refused(rig, INVALID_PARAMETERS, CLOCK, 5, ARGS(0, 0, 200, 1));
	scmi_refused(rig, INVALID_PARAMETERS, CLOCK, 5, ARGS(16, 0, 200, 0));
	scmi_refused(rig, NOT_FOUND, CLOCK, 5, ARGS(0, 2, 200, 0));
	scmi_refused(rig, NOT_FOUND, CLOCK, 6, ARGS(2));
	rig_stop(rig);
}

static void a_clock_is_switched_and_the_control_side_hears_it(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, "clock 0 a rates 1,2\n");
	scmi_done(rig, CLOCK, 7, ARGS(0, 1));
	assert_string_equal(rig_hear(rig), "clock 0 on");
	assert_int_equal(scmi_ask(rig, CLOCK, 3, ARGS(0)).words[0] & 1, 1);
	scmi_refused(rig, INVALID_PARAMETERS, CLOCK, 7, ARGS(0, 2));
	scmi_refused(rig, NOT_FOUND, CLOCK, 7, ARGS(1, 1));
	scmi_done(rig, CLOCK, 5, ARGS(0, 0, 2, 0));
	assert_string_equal(rig_hear(rig), "clock 0 rate 2");
	assert_non_null(strstr(rig_say(rig, "list"), "clock 0 a rate 2 on"));
	rig_say(rig, "clock 0 off");
	assert_int_equal(scmi_ask(rig, CLOCK, 3, ARGS(0)).words[0] & 1, 0);
	rig_say_refused(rig, "clock 0 rate 3");
	rig_say_refused(rig, "clock 1 off");
	rig_stop(rig);
}

static void a_rate_set_asynchronously_is_answered_later(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, "clock 0 a rates 1,2 async 1\n");
	scmi_expect(rig, CLOCK, ATTRIBUTES, ARGS(), ARGS(1 | 8 << 16));
	scmi_done(rig, CLOCK, 9, ARGS(0, 1));
	scmi_done(rig, CLOCK, 5, ARGS(1, 0, 2, 0));
	/* The response comes first; the event queue had no buffer until now. */
	scmi_event(rig, scmi_header(CLOCK, 5, DELAYED, 0x155), ARGS(SUCCESS, 0, 2, 0));
	scmi_event(rig, scmi_header(CLOCK, 0, NOTIFICATION, 0), ARGS(GUEST, 0, 2, 0));
	/* A response that nobody wants; the rate is set all the same. */
	scmi_done(rig, CLOCK, 5, ARGS(3, 0, 1, 0));
	scmi_event(rig, scmi_header(CLOCK, 0, NOTIFICATION, 0), ARGS(GUEST, 0, 1, 0));
	scmi_refused(rig, INVALID_PARAMETERS, CLOCK, 5, ARGS(1, 0, 3, 0));
	rig_stop(rig);
}

/* --- power --- */

static void a_power_domain_is_switched_by_both_sides(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, "power 0 gpu\npower 1 vpu on async 1\n");
	scmi_expect(rig, POWER, ATTRIBUTES, ARGS(), ARGS(2, 0, 0, 0));
	scmi_expect(rig, POWER, 5, ARGS(0), ARGS(off));
	scmi_expect(rig, POWER, 5, ARGS(1), ARGS(0));
	assert_int_equal(scmi_ask(rig, POWER, 3, ARGS(0)).words[0], notifies | 1 << 29);
	assert_int_equal(scmi_ask(rig, POWER, 3, ARGS(1)).words[0], notifies | 3 << 29);
	scmi_done(rig, POWER, 6, ARGS(0, 1));
	scmi_done(rig, POWER, 4, ARGS(0, 0, 0));
	assert_string_equal(rig_hear(rig), "power 0 on");
	scmi_event(rig, scmi_header(POWER, 0, NOTIFICATION, 0), ARGS(GUEST, 0, 0));
	rig_say(rig, "power 0 off");
	scmi_event(rig, scmi_header(POWER, 0, NOTIFICATION, 0), ARGS(PLATFORM, 0, off));
	scmi_done(rig, POWER, 4, ARGS(1, 1, off));
	scmi_event(rig, scmi_header(POWER, 4, DELAYED, 0x155), ARGS(SUCCESS, 1, off));
	scmi_expect(rig, POWER, 5, ARGS(1), ARGS(off));
	rig_stop(rig);
}

static void a_power_domain_refuses_what_it_cannot_do(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, "power 0 gpu\n");
	scmi_refused(rig, NOT_SUPPORTED, POWER, 4, ARGS(1, 0, 0));
	scmi_refused(rig, INVALID_PARAMETERS, POWER, 4, ARGS(2, 0, 0));
	scmi_refused(rig, INVALID_PARAMETERS, POWER, 4, ARGS(0, 0, 1));
	scmi_refused(rig, INVALID_PARAMETERS, POWER, 4, ARGS(0, 0, off | 1));
	scmi_refused(rig, NOT_FOUND, POWER, 4, ARGS(0, 1, 0));
	scmi_refused(rig, NOT_FOUND, POWER, 5, ARGS(1));
	scmi_refused(rig, NOT_FOUND, POWER, 6, ARGS(1, 1));
	scmi_refused(rig, INVALID_PARAMETERS, POWER, 6, ARGS(0, 2));
	scmi_expect(rig, POWER, 5, ARGS(0), ARGS(off));
	rig_say_refused(rig, "power 0 maybe");
	rig_stop(rig);
}

/* --- performance --- */

static const char cpu[] = "perf 0 cpu levels 500:200:50,1000:600:60,1500 level 1000 "
			  "sustained 1000 2000000\n";

static void performance_levels_are_described_in_parts(void **state)
{
	struct rig *rig = *state;
	struct answer answer;

	scmi_start(rig, cpu);
	scmi_expect(rig, PERF, ATTRIBUTES, ARGS(), ARGS(1 | 1 << 16, 0, 0, 0));
	scmi_expect(
		rig, PERF, 3, ARGS(0),
		ARGS(UINT32_C(15) << 28, 0, 2000000, 1000, 'c' | 'p' << 8 | 'u' << 16, 0, 0, 0));
	scmi_expect(rig, PERF, 4, ARGS(0, 0), ARGS(3, 500, 200, 50, 1000, 600, 60, 1500, 0, 0));
	answer = scmi_ask_room(rig, PERF, 4, ARGS(0, 1), STATUS + 4 + 23);
	assert_int_equal(answer.words[0], 1 | 1 << 16);
	assert_int_equal(answer.words[1], 1000);
	scmi_refused(rig, OUT_OF_RANGE, PERF, 4, ARGS(0, 3));
	scmi_refused(rig, NOT_FOUND, PERF, 4, ARGS(1, 0));
	scmi_refused(rig, NOT_SUPPORTED, PERF, 11, ARGS(0, 7)); /* fast channels */
	rig_stop(rig);
}

static void limits_move_the_level_and_both_are_announced(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, cpu);
	scmi_done(rig, PERF, 9, ARGS(0, 1));
	scmi_done(rig, PERF, 10, ARGS(0, 1));
	scmi_done(rig, PERF, 7, ARGS(0, 1500));
	assert_string_equal(rig_hear(rig), "perf 0 level 1500");
	scmi_event(rig, scmi_header(PERF, 1, NOTIFICATION, 0), ARGS(GUEST, 0, 1500));
	scmi_done(rig, PERF, 5, ARGS(0, 1000, 500));
	scmi_event(rig, scmi_header(PERF, 0, NOTIFICATION, 0), ARGS(GUEST, 0, 1000, 500));
	scmi_event(rig, scmi_header(PERF, 1, NOTIFICATION, 0), ARGS(GUEST, 0, 1000));
	scmi_expect(rig, PERF, 6, ARGS(0), ARGS(1000, 500));
	scmi_expect(rig, PERF, 8, ARGS(0), ARGS(1000));
	scmi_refused(rig, OUT_OF_RANGE, PERF, 7, ARGS(0, 1500));
	/* 0 leaves a limit as it is. */
	scmi_done(rig, PERF, 5, ARGS(0, 1500, 0));
	scmi_expect(rig, PERF, 6, ARGS(0), ARGS(1500, 500));
	scmi_event(rig, scmi_header(PERF, 0, NOTIFICATION, 0), ARGS(GUEST, 0, 1500, 500));
	rig_say(rig, "perf 0 limits 1500 1500");
	scmi_event(rig, scmi_header(PERF, 0, NOTIFICATION, 0), ARGS(PLATFORM, 0, 1500, 1500));
	scmi_event(rig, scmi_header(PERF, 1, NOTIFICATION, 0), ARGS(PLATFORM, 0, 1500));
	rig_stop(rig);
}

static void a_performance_domain_refuses_what_it_cannot_do(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, cpu);
	scmi_refused(rig, OUT_OF_RANGE, PERF, 7, ARGS(0, 499));
	scmi_refused(rig, OUT_OF_RANGE, PERF, 7, ARGS(0, 501));
	scmi_refused(rig, OUT_OF_RANGE, PERF, 7, ARGS(0, UINT32_MAX));
	scmi_refused(rig, NOT_FOUND, PERF, 7, ARGS(1, 500));
	scmi_refused(rig, NOT_FOUND, PERF, 8, ARGS(1));
	scmi_refused(rig, INVALID_PARAMETERS, PERF, 5, ARGS(0, 500, 1000));
	scmi_refused(rig, INVALID_PARAMETERS, PERF, 5, ARGS(0, 0, 0));
	scmi_refused(rig, OUT_OF_RANGE, PERF, 5, ARGS(0, 2000, 500));
	scmi_refused(rig, NOT_FOUND, PERF, 5, ARGS(1, 1000, 500));
	scmi_refused(rig, NOT_FOUND, PERF, 6, ARGS(1));
	scmi_refused(rig, NOT_FOUND, PERF, 9, ARGS(1, 1));
	scmi_refused(rig, INVALID_PARAMETERS, PERF, 10, ARGS(0, 3));
	scmi_expect(rig, PERF, 8, ARGS(0), ARGS(1000));
	rig_say_refused(rig, "perf 0 level 501");
	rig_stop(rig);
}

/* --- reset --- */

static void a_reset_is_issued_asserted_and_taken_back(void **state)
{
	enum { AUTONOMOUS = 1, ASSERT = 2, ASYNC = 4 };
	const uint32_t cold = UINT32_C(1) << 31 | 1;
	struct rig *rig = *state;

	scmi_start(rig, "reset 0 usb\nreset 1 eth async 1 latency 100\n");
	scmi_expect(rig, RESET, ATTRIBUTES, ARGS(), ARGS(2));
	scmi_expect(rig, RESET, 3, ARGS(0),
		    ARGS(1 << 30, UINT32_MAX, 'u' | 's' << 8 | 'b' << 16, 0, 0, 0));
	assert_int_equal(scmi_ask(rig, RESET, 3, ARGS(1)).words[0], UINT32_C(3) << 30);
	assert_int_equal(scmi_ask(rig, RESET, 3, ARGS(1)).words[1], 100);
	scmi_done(rig, RESET, 5, ARGS(0, 1));
	scmi_done(rig, RESET, 4, ARGS(0, AUTONOMOUS, 0));
	assert_string_equal(rig_hear(rig), "reset 0 done");
	scmi_event(rig, scmi_header(RESET, 0, NOTIFICATION, 0), ARGS(GUEST, 0, 0));
	scmi_done(rig, RESET, 4, ARGS(0, ASSERT, cold));
	assert_string_equal(rig_hear(rig), "reset 0 asserted");
	scmi_event(rig, scmi_header(RESET, 0, NOTIFICATION, 0), ARGS(GUEST, 0, cold));
	scmi_done(rig, RESET, 4, ARGS(0, 0, cold));
	assert_string_equal(rig_hear(rig), "reset 0 deasserted");
	rig_say(rig, "reset 0");
	scmi_event(rig, scmi_header(RESET, 0, NOTIFICATION, 0), ARGS(PLATFORM, 0, 0));
	scmi_done(rig, RESET, 4, ARGS(1, ASYNC | AUTONOMOUS, 0));
	scmi_event(rig, scmi_header(RESET, 4, DELAYED, 0x155), ARGS(SUCCESS, 1));
	scmi_refused(rig, NOT_SUPPORTED, RESET, 4, ARGS(0, ASYNC | AUTONOMOUS, 0));
	scmi_refused(rig, INVALID_PARAMETERS, RESET, 4, ARGS(0, 8, 0));
	scmi_refused(rig, INVALID_PARAMETERS, RESET, 4, ARGS(0, 1, 77));
	scmi_refused(rig, NOT_FOUND, RESET, 4, ARGS(2, 1, 0));
	scmi_refused(rig, NOT_FOUND, RESET, 5, ARGS(2, 1));
	scmi_refused(rig, INVALID_PARAMETERS, RESET, 5, ARGS(0, 2));
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(long_names_have_a_command_of_their_own),
		TEST(clocks_are_listed_with_rates_in_parts),
		TEST(a_rate_is_rounded_as_the_request_says),
		TEST(a_clock_is_switched_and_the_control_side_hears_it),
		TEST(a_rate_set_asynchronously_is_answered_later),
		TEST(a_power_domain_is_switched_by_both_sides),
		TEST(a_power_domain_refuses_what_it_cannot_do),
		TEST(performance_levels_are_described_in_parts),
		TEST(limits_move_the_level_and_both_are_announced),
		TEST(a_performance_domain_refuses_what_it_cannot_do),
		TEST(a_reset_is_issued_asserted_and_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
