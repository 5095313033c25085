/* SPDX-License-Identifier: MIT */
/* vu-can: a controller with a loopback: frames, what is refused, its states, hostile requests. */
#include "can_guest.h"

#include <stdio.h>
#include <stdlib.h>

const char *const rig_program = "VU_CAN";

static const char data[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char *const loopback[] = {"--backend=loopback", NULL};

static void a_frame_of_each_kind_comes_back(void **state)
{
	static const struct frame frames[] = {
		{0, 0, 0, ""},
		{0, 0x7ff, 8, data},
		{EXTENDED, 0, 1, data},
		{EXTENDED, 0x1fffffff, 8, data},
		{RTR, 0x123, 0, NULL},
		{RTR | EXTENDED, 0x12345678, 8, NULL},
		{FD, 0x321, 0, ""},
		{FD, 0x321, 12, data},
		{FD | EXTENDED, 0x1234567, 64, data},
	};
	struct rig *rig = *state;

	for (int packed = 0; packed <= 1; packed++) {
		rig->config.packed = packed;
		can_start(rig, loopback);
		assert_int_equal(can_control(rig, START), OK);
		for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
			struct rig_buffer buffer;

			can_give(rig, &buffer, CAN_ROOM);
			assert_int_equal(can_send(rig, &frames[i]), OK);
			can_expect(rig, &buffer, &frames[i]);
		}
		can_stats(rig, "started sent 9 refused 0 lost 0 received 9 dropped 0");
		rig_stop(rig);
	}
}

/* As Linux sends them: with as many bytes as are asked for. */
static void a_remote_frame_may_have_bytes_that_do_not_count(void **state)
{
	const struct frame sent = {RTR, 1, 4, "abcd"};
	struct rig_buffer buffer;
	struct rig *rig = *state;

	can_start(rig, loopback);
	can_control(rig, START);
	can_give(rig, &buffer, CAN_ROOM);
	assert_int_equal(can_send(rig, &sent), OK);
	can_expect(rig, &buffer, &sent);
	rig_stop(rig);
}

static void what_no_bus_can_carry_is_refused(void **state)
{
	static const char longer[2048];
	static const struct frame frames[] = {
		{0, 0x800, 0, NULL},
		{0, 0x80000001, 0, NULL},
		{EXTENDED, 0x20000000, 0, NULL},
		{FD, 0x800, 0, NULL},
		{0, 1, 9, data},
		{FD, 1, 65, longer},
		{FD, 1, 2048, longer},
		{RTR, 1, 9, NULL},
		{RTR | FD, 1, 0, NULL},
		{1, 1, 0, NULL},
		{0x1000, 1, 0, NULL},
		{0x80000000, 1, 0, NULL},
		{0, 1, 8, NULL} /* no data */,
		{FD, 1, 64, NULL},
		{EXTENDED | FD, 1, 65535, NULL},
	};
	const struct frame good = {0, 1, 1, "x"};
	struct rig_buffer buffer;
	struct rig *rig = *state;

	can_start(rig, loopback);
	can_control(rig, START);
	can_give(rig, &buffer, CAN_ROOM);
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++)
		assert_int_equal(can_send(rig, &frames[i]), NOT_OK);
	rig_expect_nothing(rig, CAN_RX);
	assert_int_equal(can_send(rig, &good), OK);
	can_expect(rig, &buffer, &good);
	can_stats(rig, "started sent 1 refused 15 lost 0 received 1 dropped 0");
	rig_stop(rig);
}

static void what_was_not_negotiated_is_refused(void **state)
{
	static const struct {
		uint64_t features;
		uint32_t good, bad[2];
	} cases[] = {
		{F_CLASSIC, 0, {RTR, FD}},
		{F_CLASSIC | F_RTR, RTR, {FD, FD | EXTENDED}},
		{F_FD, FD, {0, RTR}},
		{F_FD | F_RTR, FD, {0, RTR}},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct frame frame = {cases[i].good, 1, 0, NULL};

		rig->config.features = F_VERSION_1 | cases[i].features;
		can_start(rig, loopback);
		can_control(rig, START);
		assert_int_equal(can_send(rig, &frame), OK);
		for (int k = 0; k < 2; k++) {
			frame.flags = cases[i].bad[k];
			assert_int_equal(can_send(rig, &frame), NOT_OK);
		}
		rig_stop(rig);
	}
}

static void a_stopped_controller_sends_and_receives_nothing(void **state)
{
	const struct frame frame = {0, 1, 1, "x"};
	struct rig_buffer buffer;
	struct rig *rig = *state;

	can_start(rig, loopback);
	can_give(rig, &buffer, CAN_ROOM);
	assert_int_equal(can_send(rig, &frame), NOT_OK);
	rig_say_refused(rig, "send 123#00");
	assert_int_equal(can_control(rig, START), OK);
	assert_int_equal(can_control(rig, START), OK);
	assert_int_equal(can_control(rig, STOP), OK);
	assert_int_equal(can_send(rig, &frame), NOT_OK);
	assert_int_equal(can_control(rig, 0), NOT_OK);
	assert_int_equal(can_control(rig, 0x0203), NOT_OK);
	rig_expect_nothing(rig, CAN_RX);
	can_stats(rig, "stopped sent 0 refused 2 lost 0 received 0 dropped 0");
	/* The next driver finds it stopped. */
	can_control(rig, START);
	rig_connect(rig);
	assert_int_equal(can_send(rig, &frame), NOT_OK);
	rig_stop(rig);
}

static uint16_t status(struct rig *rig)
{
	uint16_t value;

	rig_get_config(rig, 0, &value, sizeof(value));
	return le16toh(value);
}

static void a_bus_off_stops_the_controller_until_it_is_started(void **state)
{
	const struct frame frame = {0, 1, 1, "x"};
	struct rig *rig = *state;

	can_start(rig, loopback);
	rig_say_refused(rig, "busoff");
	can_control(rig, START);
	assert_int_equal(status(rig), 0);
	rig_say_refused(rig, "busoff now");
	rig_say(rig, "busoff");
	assert_int_equal(status(rig), 1);
	can_stats(rig, "busoff sent 0 refused 0 lost 0 received 0 dropped 0");
	assert_int_equal(can_send(rig, &frame), NOT_OK);
	assert_int_equal(can_control(rig, START), OK);
	assert_int_equal(status(rig), 0);
	assert_int_equal(can_send(rig, &frame), OK);
	rig_say(rig, "busoff hold");
	assert_int_equal(can_control(rig, START), NOT_OK);
	assert_int_equal(status(rig), 1);
	assert_int_equal(can_control(rig, STOP), OK);
	assert_int_equal(status(rig), 0);
	assert_int_equal(can_control(rig, START), NOT_OK);
	rig_say(rig, "on");
	assert_int_equal(can_control(rig, START), OK);
	assert_int_equal(can_send(rig, &frame), OK);
	rig_stop(rig);
}

static void frames_wait_for_buffers_and_only_so_many(void **state)
{
	enum { WAITING = 64, MORE = 3 };
	struct rig_buffer buffers[WAITING];
	struct rig *rig = *state;

	can_start(rig, loopback);
	can_control(rig, START);
	for (int i = 0; i < WAITING + MORE; i++) {
		const struct frame frame = {0, (uint32_t)i, 0, NULL};

		assert_int_equal(can_send(rig, &frame), OK);
	}
	can_stats(rig, "started sent 67 refused 0 lost 0 received 0 dropped 3");
	for (int i = 0; i < WAITING; i++) {
		const struct frame frame = {0, (uint32_t)i, 0, NULL};

		can_give(rig, &buffers[i], CAN_ROOM);
		can_expect(rig, &buffers[i], &frame);
	}
	rig_expect_nothing(rig, CAN_RX);
	rig_stop(rig);
}

static void what_waits_is_gone_when_the_controller_stops(void **state)
{
	struct rig_buffer buffer;
	struct rig *rig = *state;

	can_start(rig, loopback);
	can_control(rig, START);
	rig_say(rig, "send 123#00");
	can_control(rig, STOP);
	can_control(rig, START);
	can_give(rig, &buffer, CAN_ROOM);
	rig_expect_nothing(rig, CAN_RX);
	rig_stop(rig);
}

static void a_buffer_that_is_too_small_comes_back_empty(void **state)
{
	const struct frame frame = {0, 1, 8, data};
	struct rig_buffer small[2], large;
	struct rig *rig = *state;
	uint32_t got;

	can_start(rig, loopback);
	can_control(rig, START);
	can_give(rig, &small[0], 1);
	can_give(rig, &small[1], CAN_HEADER + 7);
	can_give(rig, &large, CAN_HEADER + 8);
	can_send(rig, &frame);
	for (int i = 0; i < 2; i++) {
		assert_ptr_equal(rig_wait(rig, CAN_RX, &got), &small[i]);
		assert_int_equal(got, 0);
		assert_int_equal(small[i].data[0], RIG_UNTOUCHED);
	}
	can_expect(rig, &large, &frame);
	rig_stop(rig);
	assert_true(rig_logged(rig, "too small") >= 1);
}

static void requests_that_are_none_harm_nobody(void **state)
{
	static const struct {
		uint32_t queue, out, in;
	} cases[] = {
		{CAN_TX, 0, 1},	 {CAN_TX, 15, 1},     {CAN_TX, 16, 0},	   {CAN_TX, 16, 1},
		{CAN_TX, 16, 9}, {CAN_CONTROL, 0, 1}, {CAN_CONTROL, 1, 1}, {CAN_CONTROL, 2, 0},
	};
	const struct frame good = {0, 1, 1, "x"};
	struct rig *rig = *state;

	rig->config.packed = true;
	can_start(rig, loopback);
	can_control(rig, START);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig_buffer out, in;
		struct driver_seg segs[2];
		uint32_t n = 0, written = cases[i].in ? 1 : 0;

		rig_buffer(rig, &out, 64);
		rig_buffer(rig, &in, 16);
		if (cases[i].out)
			segs[n++] = rig_read_seg(&out, cases[i].out);
		if (cases[i].in)
			segs[n++] = rig_write_seg(&in, cases[i].in);
		assert_int_equal(rig_do(rig, cases[i].queue, segs, n), written);
		if (written)
			assert_int_equal(in.data[0], NOT_OK);
		assert_int_equal(in.data[written], RIG_UNTOUCHED);
	}
	assert_int_equal(can_send(rig, &good), OK);
	rig_stop(rig);
	assert_true(rig_logged(rig, "no room for its result") >= 1);
	assert_true(rig_logged(rig, "a frame is refused") >= 1);
}

static void commands_send_and_watch(void **state)
{
	static const struct {
		const char *text, *again;
		struct frame frame;
	} cases[] = {
		{"123#00fF", "123#00FF", {0, 0x123, 2, "\0\xff"}},
		{"00000001#", "00000001#", {EXTENDED, 1, 0, ""}},
		{"1ABCDEF0##1303132", "1ABCDEF0##0303132", {EXTENDED | FD, 0x1abcdef0, 3, "012"}},
		{"7FF#R", "7FF#R", {RTR, 0x7ff, 0, NULL}},
		{"001#R8", "001#R8", {RTR, 1, 8, NULL}},
	};
	static const char *const bad[] = {"send 12#00",
					  "send 800#",
					  "send 20000000#",
					  "send 123",
					  "send 123#0",
					  "send 123#0g",
					  "send 123#R9",
					  "send 123#R11",
					  "send 123##",
					  "send 123##0R",
					  "send 1234#",
					  "send x23#",
					  "send 123#001122334455667788"};
	struct rig *rig = *state;

	can_start(rig, loopback);
	can_control(rig, START);
	rig_say(rig, "watch");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig_buffer buffer, echo;
		char line[200];

		can_give(rig, &buffer, CAN_ROOM);
		snprintf(line, sizeof(line), "send %s", cases[i].text);
		rig_say(rig, line);
		can_expect(rig, &buffer, &cases[i].frame);
		can_give(rig, &echo, CAN_ROOM);
		assert_int_equal(can_send(rig, &cases[i].frame), OK);
		can_expect(rig, &echo, &cases[i].frame);
		snprintf(line, sizeof(line), "sent %s", cases[i].again);
		assert_non_null(strstr(rig_hear(rig), line));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		rig_say_refused(rig, bad[i]);
	rig_say_refused(rig, "watch 2");
	rig_say(rig, "watch 0");
	assert_int_equal(can_send(rig, &cases[0].frame), OK);
	rig_say(rig, "watch 1");
	assert_int_equal(can_send(rig, &cases[1].frame), OK);
	assert_string_equal(rig_hear(rig), "sent 00000001#");
	rig_stop(rig);
}

static void a_bad_option_ends_the_program(void **state)
{
	static const char *const bad[] = {
		"--backend=",
		"--backend=vcan0",
		"--backend=socketcan",
		"--backend=socketcan:",
		"--backend=socketcan:no-such-interface-of-ours",
	};

	rig_expect_refused(*state, bad, sizeof(bad) / sizeof(*bad), "vu-can: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_of_each_kind_comes_back),
		TEST(a_remote_frame_may_have_bytes_that_do_not_count),
		TEST(what_no_bus_can_carry_is_refused),
		TEST(what_was_not_negotiated_is_refused),
		TEST(a_stopped_controller_sends_and_receives_nothing),
		TEST(a_bus_off_stops_the_controller_until_it_is_started),
		TEST(frames_wait_for_buffers_and_only_so_many),
		TEST(what_waits_is_gone_when_the_controller_stops),
		TEST(a_buffer_that_is_too_small_comes_back_empty),
		TEST(requests_that_are_none_harm_nobody),
		TEST(commands_send_and_watch),
		TEST(a_bad_option_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
