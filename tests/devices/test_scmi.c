/* SPDX-License-Identifier: MIT */
/* vu-scmi: the transport, the base protocol, and requests that are none. */
#include "scmi_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char board[] = "vendor Acme Board\n"
			    "clock 0 uart rates 1000,2000\n"
			    "power 0 gpu\n"
			    "sensor 0 t type celsius\n";

static uint32_t text(const char *four)
{
	uint32_t word;

	memcpy(&word, four, 4);
	return le32toh(word);
}

static void check_base(struct rig *rig)
{
	scmi_start(rig, board);
	scmi_expect(rig, BASE, VERSION, ARGS(), ARGS(0x20000));
	scmi_expect(rig, BASE, ATTRIBUTES, ARGS(), ARGS(3 | 1 << 8));
	scmi_expect(rig, BASE, 3, ARGS(), ARGS(text("Acme"), 0, 0, 0));
	scmi_expect(rig, BASE, 4, ARGS(), ARGS(text("Boar"), 'd', 0, 0));
	scmi_expect(rig, BASE, 5, ARGS(), ARGS(1));
	scmi_expect(rig, BASE, 6, ARGS(0), ARGS(3, POWER | CLOCK << 8 | SENSOR << 16));
	scmi_expect(rig, BASE, 6, ARGS(2), ARGS(1, SENSOR));
	scmi_expect(rig, BASE, 6, ARGS(3), ARGS(0));
	scmi_refused(rig, INVALID_PARAMETERS, BASE, 6, ARGS(4));
	scmi_expect(rig, BASE, 7, ARGS(0), ARGS(0, text("plat"), text("form"), 0, 0));
	scmi_expect(rig, BASE, 7, ARGS(UINT32_MAX), ARGS(1, text("gues"), 't', 0, 0));
	scmi_refused(rig, NOT_FOUND, BASE, 7, ARGS(2));
	rig_stop(rig);
}

static void base_says_who_the_platform_is_and_which_protocols_it_has(void **state)
{
	check_base(*state);
}

static void base_says_the_same_over_packed_rings(void **state)
{
	((struct rig *)*state)->config.packed = true;
	check_base(*state);
}

static void the_platform_without_a_description_has_one_of_each_kind(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, NULL);
	scmi_expect(rig, BASE, 6, ARGS(0),
		    ARGS(5, POWER | PERF << 8 | CLOCK << 16 | (uint32_t)SENSOR << 24, RESET));
	rig_stop(rig);
}

static void protocols_tell_their_versions_and_which_messages_they_have(void **state)
{
	static const struct {
		uint32_t protocol, version, last;
	} protocols[] = {{BASE, 0x20000, 11}, {POWER, 0x30000, 8},   {PERF, 0x30000, 12},
			 {CLOCK, 0x20000, 9}, {SENSOR, 0x30000, 13}, {RESET, 0x30000, 6}};
	struct rig *rig = *state;

	scmi_start(rig, NULL);
	for (int i = 0; i < 6; i++) {
		uint32_t protocol = protocols[i].protocol, last = protocols[i].last;

		scmi_expect(rig, protocol, VERSION, ARGS(), ARGS(protocols[i].version));
		scmi_expect(rig, protocol, MESSAGE_ATTRIBUTES, ARGS(VERSION), ARGS(0));
		scmi_expect(rig, protocol, MESSAGE_ATTRIBUTES, ARGS(last), ARGS(0));
		scmi_refused(rig, NOT_FOUND, protocol, MESSAGE_ATTRIBUTES, ARGS(last + 1));
		scmi_refused(rig, NOT_FOUND, protocol, MESSAGE_ATTRIBUTES, ARGS(last + 256));
		scmi_refused(rig, NOT_SUPPORTED, protocol, last + 1, ARGS(0));
	}
	rig_stop(rig);
}

static void a_kind_that_is_not_described_has_no_protocol(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, board);
	scmi_refused(rig, NOT_SUPPORTED, PERF, VERSION, ARGS());
	scmi_refused(rig, NOT_SUPPORTED, RESET, ATTRIBUTES, ARGS());
	scmi_refused(rig, NOT_SUPPORTED, 0x12, VERSION, ARGS());
	scmi_refused(rig, NOT_SUPPORTED, 0, VERSION, ARGS());
	rig_stop(rig);
}

static void parameters_that_lack_or_are_too_many_are_protocol_errors(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, NULL);
	for (uint32_t protocol = BASE; protocol <= RESET; protocol++)
		if (protocol != 0x12)
			scmi_refused(rig, PROTOCOL_ERROR, protocol, VERSION, ARGS(0));
	scmi_refused(rig, PROTOCOL_ERROR, BASE, MESSAGE_ATTRIBUTES, ARGS());
	scmi_refused(rig, PROTOCOL_ERROR, CLOCK, 5, ARGS(0, 0, 24000000));
	scmi_refused(rig, PROTOCOL_ERROR, CLOCK, 5, ARGS(0, 0, 24000000, 0, 0));
	scmi_refused(rig, PROTOCOL_ERROR, CLOCK, 5,
		     ARGS(0, 0, 24000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	scmi_refused(rig, PROTOCOL_ERROR, SENSOR, 6, ARGS(0));
	rig_stop(rig);
}

static void a_header_without_end_and_half_a_word_are_no_message(void **state)
{
	struct rig *rig = *state;
	unsigned char out[16] = {VERSION, BASE << 2 & 0xff, BASE >> 6}, in[ROOM];
	uint32_t status;

	scmi_start(rig, board);
	for (uint32_t len = 1; len < 4; len++)
		assert_int_equal(rig_ask(rig, CMDQ, out, len, in, sizeof(in)), 0);
	assert_int_equal(rig_ask(rig, CMDQ, NULL, 0, in, sizeof(in)), 0);
	/* One byte too many. */
	assert_int_equal(rig_ask(rig, CMDQ, out, 5, in, sizeof(in)), STATUS);
	memcpy(&status, in + HEADER, sizeof(status));
	assert_int_equal((int32_t)le32toh(status), PROTOCOL_ERROR);
	scmi_expect(rig, BASE, VERSION, ARGS(), ARGS(0x20000));
	rig_stop(rig);
	assert_non_null(strstr(rig->program.err, "no room for its header"));
}

static void wrong_and_right_requests_in_turn_are_logged_within_a_limit(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, board);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rig_ask(rig, CMDQ, "xyz", 3, NULL, 0), 0);
		scmi_expect(rig, BASE, VERSION, ARGS(), ARGS(0x20000));
	}
	rig_stop(rig);
	assert_true(rig_logged(rig, "no room for its header") >= RIG_LOG_BURST);
	assert_true(rig_logged(rig, "no room for its header") <= rig_log_limit(rig));
}

static void what_is_no_command_is_a_protocol_error(void **state)
{
	struct rig *rig = *state;
	uint32_t in[ROOM / 4];

	scmi_start(rig, board);
	for (enum type type = 1; type <= NOTIFICATION; type++) {
		uint32_t out = htole32(scmi_header(BASE, VERSION, type, 7));

		assert_int_equal(rig_ask(rig, CMDQ, &out, 4, in, sizeof(in)), STATUS);
		assert_int_equal(in[0], out);
		assert_int_equal((int32_t)le32toh(in[1]), PROTOCOL_ERROR);
	}
	rig_stop(rig);
}

static void an_answer_never_exceeds_its_room_and_changes_nothing_without_it(void **state)
{
	struct rig *rig = *state;
	uint32_t out = htole32(scmi_header(BASE, VERSION, COMMAND, 0)), in[2];

	scmi_start(rig, NULL);
	for (uint32_t room = 1; room < STATUS; room++)
		assert_int_equal(rig_ask(rig, CMDQ, &out, 4, in, room), 0);
	assert_int_equal(rig_ask(rig, CMDQ, &out, 4, NULL, 0), 0);
	for (uint32_t room = STATUS; room < STATUS + 16; room++)
		assert_int_equal(scmi_ask_room(rig, BASE, 3, ARGS(), room).status, PROTOCOL_ERROR);
	assert_int_equal(scmi_ask_room(rig, BASE, 3, ARGS(), STATUS + 16).status, SUCCESS);
	/* Lists come in as many parts as it needs; some need more than others. */
	for (uint32_t protocol = POWER; protocol <= RESET; protocol++)
		for (uint32_t id = 3; id < 16; id++)
			for (uint32_t room = STATUS; room < 64; room++)
				scmi_ask_room(rig, protocol, id, ARGS(0, 0), room);
	rig_stop(rig);
}

static void a_list_of_protocols_comes_in_parts(void **state)
{
	struct rig *rig = *state;
	struct answer answer;

	scmi_start(rig, NULL);
	answer = scmi_ask_room(rig, BASE, 6, ARGS(0), STATUS + 8);
	assert_int_equal(answer.n, 2);
	assert_int_equal(answer.words[0], 4);
	scmi_expect(rig, BASE, 6, ARGS(4), ARGS(1, RESET));
	rig_stop(rig);
}

static void a_request_may_be_cut_anywhere(void **state)
{
	struct rig *rig = *state;
	uint32_t message[2] = {htole32(scmi_header(BASE, 7, COMMAND, 3)), 0}, words[7];
	struct driver_seg segs[8 + 28];
	struct rig_buffer out, in;

	scmi_start(rig, board);
	rig_buffer(rig, &out, sizeof(message));
	rig_buffer(rig, &in, sizeof(words));
	memcpy(out.data, message, sizeof(message));
	for (uint32_t i = 0; i < 8 + 28; i++)
		segs[i] = (struct driver_seg){i < 8 ? out.gpa + i : in.gpa + i - 8, 1, i >= 8};
	assert_int_equal(rig_do(rig, CMDQ, segs, 8 + 28), 28);
	memcpy(words, in.data, sizeof(words));
	assert_int_equal(words[0], message[0]);
	assert_int_equal(words[1], SUCCESS);
	assert_memory_equal(words + 3, "platform\0\0\0\0\0\0\0", 16);
	rig_stop(rig);
}

static void without_an_event_queue_nothing_asks_for_events(void **state)
{
	static const uint32_t notify[][2] = {{BASE, 8},	  {POWER, 6},	{PERF, 9},
					     {PERF, 10},  {CLOCK, 9},	{SENSOR, 4},
					     {SENSOR, 5}, {SENSOR, 11}, {RESET, 5}};
	struct rig *rig = *state;

	scmi_no_events(rig);
	scmi_start(rig, "clock 0 c rates 1,2 async 1\npower 0 p async 1\nperf 0 p levels 1,2\n"
			"sensor 0 s type celsius trips 1 intervals 5 async 1\nreset 0 r async 1\n");
	for (uint32_t i = 0; i < sizeof(notify) / sizeof(notify[0]); i++) {
		scmi_refused(rig, NOT_SUPPORTED, notify[i][0], notify[i][1], ARGS(0, 1));
		scmi_refused(rig, NOT_FOUND, notify[i][0], MESSAGE_ATTRIBUTES, ARGS(notify[i][1]));
	}
	scmi_refused(rig, NOT_SUPPORTED, CLOCK, 5, ARGS(1, 0, 2, 0));
	scmi_refused(rig, NOT_SUPPORTED, POWER, 4, ARGS(1, 0, 0));
	scmi_refused(rig, NOT_SUPPORTED, SENSOR, 6, ARGS(0, 1));
	scmi_refused(rig, NOT_SUPPORTED, RESET, 4, ARGS(0, 5, 0));
	/* Nor do descriptions say that there were any. */
	scmi_expect(rig, CLOCK, ATTRIBUTES, ARGS(), ARGS(1));
	assert_int_equal(scmi_ask(rig, CLOCK, 3, ARGS(0)).words[0], 0);
	assert_int_equal(scmi_ask(rig, POWER, 3, ARGS(0)).words[0], 1 << 29);
	assert_int_equal(scmi_ask(rig, PERF, 3, ARGS(0)).words[0], UINT32_C(3) << 30);
	assert_int_equal(scmi_ask(rig, SENSOR, 3, ARGS(0)).words[2], 0);
	assert_int_equal(scmi_ask(rig, RESET, 3, ARGS(0)).words[0], 0);
	rig_stop(rig);
}

static void a_wrong_description_is_refused_with_its_line(void **state)
{
	static const char *const wrong[][2] = {
		{"clock 1 a rates 1\n", "the numbers of a kind are 0, 1, 2"},
		{"clock 0 a\n", ""},
		{"clock 0 a rates 2,1\n",
		 "'rates' wants 1 to 256 rates in Hz with commas between, ascending"},
		{"clock 0 a rates 1,\n", ""},
		{"clock 0 a rates 0\n", ""},
		{"clock 0 a rates 1,2 rate 3\n", ""},
		{"clock 0 a range 3 2 1\n", ""},
		{"clock 0 a range 1 2 0\n", ""},
		{"clock 0 a range 1 2\n", "'range' wants MIN MAX STEP"},
		{"clock 0 a rates 1 speed 2\n",
		 "unknown keyword 'speed' (valid: rates, range, rate, on, async, latency)\n"},
		{"sensor 0 a typ celsius\n",
		 "unknown keyword 'typ' (valid: type, scale, axes, value, range, trips, intervals, "
		 "timestamps, async)\n"},
		{"sensor 0 a \x1b[2J\n", "unknown keyword '\\x1b[2J' (valid: "},
		{"sensor 0 a type m/s2 axes a,\n", "'axes' wants 1 to 6 names"},
		{"clock 0 a rates 1 async 10001\n", ""},
		{"power 0 \"\"\n", ""},
		{"perf 0 a\n", ""},
		{"perf 0 a levels 1,1\n", "'levels' wants 1 to 16 of"},
		{"perf 0 a levels 1:2:3:4\n", ""},
		{"perf 0 a levels 1,2 level 3\n", ""},
		{"sensor 0 a\n", ""},
		{"sensor 0 a type parsecs\n", ""},
		{"sensor 0 a type celsius scale 16\n", ""},
		{"sensor 0 a type celsius trips 9\n", "'trips' wants 0 to 8"},
		{"sensor 0 a type celsius range 1 0\n", "'range' wants MIN MAX\n"},
		{"sensor 0 a type celsius intervals 0\n", ""},
		{"sensor 0 a type celsius value 1.5\n", ""},
		{"sensor 0 a type m/s2 axes a,b,c,d,e,f,g\n", "'axes' wants 1 to 6 names"},
		{"sensor 0 a type m/s2 axes a,b trips 1\n", ""},
		{"vendor 0123456789abcdef\n", ""},
		{"planet 0 mars\n", ""},
	};
	struct rig *rig = *state;

	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char option[RIG_PATH + 16], place[RIG_PATH + 16];
		const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket, option,
				      NULL};
		struct spawned program;

		snprintf(option, sizeof(option), "--platform=%s",
			 rig_file(rig, "wrong", wrong[i][0]));
		snprintf(place, sizeof(place), "%s:1: ", rig->files[0]);
		spawn_run(&program, argv);
		if (program.status != 1 || !strstr(program.err, place) ||
		    !strstr(program.err, wrong[i][1]))
			fail_msg("%s: status %d, %s", wrong[i][0], program.status, program.err);
		spawn_free(&program);
		/* Another of this name is next. */
		unlink(rig->files[0]);
		rig->n_files = 0;
	}
}

static void an_error_of_the_platform_is_reported_to_who_asked(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, board);
	rig_say(rig, "error fatal");
	scmi_refused(rig, INVALID_PARAMETERS, BASE, 8, ARGS(2));
	scmi_done(rig, BASE, 8, ARGS(1));
	scmi_no_event(rig);
	rig_say(rig, "error fatal");
	scmi_event(rig, scmi_header(BASE, 0, NOTIFICATION, 0), ARGS(PLATFORM, UINT32_C(1) << 31));
	rig_stop(rig);
}

static void an_agent_is_reset_by_its_command(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, board);
	scmi_done(rig, CLOCK, 9, ARGS(0, 1));
	scmi_refused(rig, DENIED, BASE, 11, ARGS(PLATFORM, 0));
	scmi_refused(rig, NOT_FOUND, BASE, 11, ARGS(2, 0));
	scmi_refused(rig, INVALID_PARAMETERS, BASE, 11, ARGS(GUEST, 2));
	scmi_done(rig, BASE, 11, ARGS(GUEST, 0));
	rig_say(rig, "clock 0 rate 2000");
	scmi_done(rig, BASE, 8, ARGS(1));
	scmi_no_event(rig);
	rig_stop(rig);
}

static void what_an_agent_asked_for_stays_until_another_comes(void **state)
{
	struct rig *rig = *state;

	scmi_start(rig, board);
	scmi_expect(rig, BASE, VERSION, ARGS(), ARGS(0x20000));
	scmi_done(rig, CLOCK, 9, ARGS(0, 1));
	/* The same guest, which goes on where it was. */
	rig_check(rig, peer_stop(rig->peer));
	for (uint32_t queue = CMDQ; queue <= EVENTQ; queue++) {
		rig_check(rig, peer_start_queue(rig->peer, queue));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, queue, true));
	}
	rig_say(rig, "clock 0 rate 2000");
	scmi_event(rig, scmi_header(CLOCK, 0, NOTIFICATION, 0), ARGS(PLATFORM, 0, 2000, 0));
	rig_say(rig, "clock 0 rate 1000");
	scmi_event(rig, scmi_header(CLOCK, 0, NOTIFICATION, 0), ARGS(PLATFORM, 0, 1000, 0));
	rig_connect(rig);
	rig_say(rig, "clock 0 rate 2000");
	scmi_event(rig, scmi_header(CLOCK, 0, NOTIFICATION, 0), ARGS(PLATFORM, 0, 2000, 0));
	/* One that boots; the clock is as it was left. */
	rig_connect(rig);
	scmi_expect(rig, BASE, VERSION, ARGS(), ARGS(0x20000));
	scmi_expect(rig, CLOCK, 6, ARGS(0), ARGS(2000, 0));
	rig_say(rig, "clock 0 rate 1000");
	scmi_done(rig, BASE, 8, ARGS(1));
	scmi_no_event(rig);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(base_says_who_the_platform_is_and_which_protocols_it_has),
		TEST(base_says_the_same_over_packed_rings),
		TEST(the_platform_without_a_description_has_one_of_each_kind),
		TEST(protocols_tell_their_versions_and_which_messages_they_have),
		TEST(a_kind_that_is_not_described_has_no_protocol),
		TEST(parameters_that_lack_or_are_too_many_are_protocol_errors),
		TEST(a_header_without_end_and_half_a_word_are_no_message),
		TEST(wrong_and_right_requests_in_turn_are_logged_within_a_limit),
		TEST(what_is_no_command_is_a_protocol_error),
		TEST(an_answer_never_exceeds_its_room_and_changes_nothing_without_it),
		TEST(a_list_of_protocols_comes_in_parts),
		TEST(a_request_may_be_cut_anywhere),
		TEST(without_an_event_queue_nothing_asks_for_events),
		TEST(a_wrong_description_is_refused_with_its_line),
		TEST(an_error_of_the_platform_is_reported_to_who_asked),
		TEST(an_agent_is_reset_by_its_command),
		TEST(what_an_agent_asked_for_stays_until_another_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
