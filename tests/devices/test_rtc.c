/* SPDX-License-Identifier: MIT */
/* vu-rtc: what a driver may ask of clocks and alarms, and clocks that a test sets. */
#include "rig.h"

#include <stdlib.h>
#include <time.h>

const char *const rig_program = "VU_RTC";

enum { REQUESTQ, ALARMQ };
enum { READ = 1, CROSS = 2, CFG = 0x1000, CLOCK_CAP, CROSS_CAP, GET_ALARM, SET_ALARM, ENABLE };
enum { OK, EOPNOTSUPP_ = 2, ENODEV_, EINVAL_ };
enum { UTC, TAI, MONOTONIC, SMEARED, MAYBE_SMEARED };
enum { HEAD = 8, TSC = 1 };

static const uint64_t second = 1000000000;

/* What follows the head of a request, and of its answer. */
struct words {
	uint64_t a, b;
};

/* The status; written receives what follows the answer's head. */
static uint8_t ask(struct rig *rig, uint16_t type, const void *body, uint32_t len,
		   struct words *words, uint32_t room)
{
	unsigned char out[24] = {(uint8_t)type, (uint8_t)(type >> 8)}, in[24] = {0};
	uint32_t written;

	memcpy(out + HEAD, body, len);
	written = rig_ask(rig, REQUESTQ, out, HEAD + len, in, HEAD + room);
	assert_int_equal(written, in[0] ? HEAD : HEAD + room);
	for (int i = 1; i < HEAD; i++)
		assert_int_equal(in[i], 0);
	memcpy(words, in + HEAD, sizeof(*words));
	words->a = le64toh(words->a);
	words->b = le64toh(words->b);
	return in[0];
}

/* A request of a clock, with a counter or flags. */
static uint8_t ask_clock(struct rig *rig, uint16_t type, uint16_t clock, uint8_t byte,
			 struct words *words, uint32_t room)
{
	const unsigned char body[8] = {(uint8_t)clock, (uint8_t)(clock >> 8), byte};

	return ask(rig, type, body, sizeof(body), words, room);
}

static uint64_t read_clock(struct rig *rig, uint16_t clock)
{
	struct words words;

	assert_int_equal(ask_clock(rig, READ, clock, 0, &words, 8), OK);
	return words.a;
}

static uint8_t set_alarm(struct rig *rig, uint16_t clock, uint64_t time, uint8_t flags)
{
	unsigned char body[16] = {0};
	struct words words;

	time = htole64(time);
	memcpy(body, &time, 8);
	body[8] = (uint8_t)clock;
	body[10] = flags;
	return ask(rig, SET_ALARM, body, sizeof(body), &words, 0);
}

static uint8_t enable(struct rig *rig, uint16_t clock, uint8_t flags)
{
	struct words words;

	return ask_clock(rig, ENABLE, clock, flags, &words, 0);
}

static void expect_alarm(struct rig *rig, uint16_t clock, uint64_t time, bool enabled)
{
	struct words words;

	assert_int_equal(ask_clock(rig, GET_ALARM, clock, 0, &words, 16), OK);
	assert_int_equal(words.a, time);
	assert_int_equal(words.b, enabled);
}

/* A buffer for an alarm. */
static void offer(struct rig *rig, struct rig_buffer *buffer, uint32_t len)
{
	struct driver_seg seg;

	rig_buffer(rig, buffer, len);
	seg = rig_write_seg(buffer, len);
	rig_offer(rig, ALARMQ, &seg, 1, buffer);
}

static void expect_expired(struct rig *rig, struct rig_buffer *buffer, uint16_t clock)
{
	const unsigned char wanted[16] = {0, 0x20, 0, 0, 0, 0, 0, 0, (uint8_t)clock};
	uint32_t len;

	assert_ptr_equal(rig_wait(rig, ALARMQ, &len), buffer);
	assert_int_equal(len, sizeof(wanted));
	assert_memory_equal(buffer->data, wanted, sizeof(wanted));
}

static void start(struct rig *rig, bool packed, const char *clock)
{
	const char *args[] = {"--control", rig->control, clock, NULL};

	rig->config.n_queues = 2;
	rig->config.packed = packed;
	rig_start(rig, args);
}

/* Two clocks that stand still at 1000 s. */
static void start_stopped(struct rig *rig, bool packed)
{
	const char *args[] = {"--control", rig->control, "--clock=utc-smeared@1000",
			      "--clock=monotonic@1000", NULL};

	rig->config.n_queues = 2;
	rig->config.packed = packed;
	rig_start(rig, args);
	rig_say(rig, "stop 0");
	rig_say(rig, "stop 1");
	rig_say(rig, "set 0 2000");
	rig_say(rig, "set 1 2000");
}

static uint64_t host(clockid_t id)
{
	struct timespec now;

	assert_int_equal(clock_gettime(id, &now), 0);
	return (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec;
}

static void clocks_are_those_of_the_host(void **state)
{
	static const uint8_t types[] = {MAYBE_SMEARED, TAI, MONOTONIC};
	struct rig *rig = *state;
	struct words words;
	uint64_t before, read;

	for (int packed = 0; packed <= 1; packed++) {
		start(rig, packed, NULL);
		assert_int_equal(ask(rig, CFG, "", 0, &words, 8), OK);
		assert_int_equal(words.a, 3);
		for (uint16_t i = 0; i < 3; i++) {
			assert_int_equal(ask_clock(rig, CLOCK_CAP, i, 0, &words, 8), OK);
			assert_int_equal(words.a, types[i] | 1 << 16); /* with an alarm */
		}
		before = host(CLOCK_MONOTONIC);
		read = read_clock(rig, 2);
		assert_in_range(read, before, host(CLOCK_MONOTONIC));
		before = host(CLOCK_REALTIME);
		read = read_clock(rig, 0);
		assert_in_range(read, before, host(CLOCK_REALTIME));
		before = read_clock(rig, 0);
		read = read_clock(rig, 1) - before;
		assert_true(read >= 37 * second);
		rig_stop(rig);
	}
}

static void a_clock_begins_where_it_is_told_and_goes_on(void **state)
{
	struct rig *rig = *state;
	struct words words;
	uint64_t first;

	start(rig, false, "--clock=utc@1000.25");
	assert_int_equal(ask(rig, CFG, "", 0, &words, 8), OK);
	assert_int_equal(words.a, 1);
	first = read_clock(rig, 0);
	assert_true(first >= 1000 * second + second / 4);
	assert_true(read_clock(rig, 0) > first);
	rig_stop(rig);
}

static void commands_set_step_and_stop_clocks(void **state)
{
	struct rig *rig = *state;

	start_stopped(rig, false);
	assert_int_equal(read_clock(rig, 0), 2000 * second);
	rig_say(rig, "step 0 -1.5");
	assert_int_equal(read_clock(rig, 0), 1998 * second + second / 2);
	rig_say(rig, "step 0 +0.000000001");
	assert_int_equal(read_clock(rig, 0), 1998 * second + second / 2 + 1);
	rig_say(rig, "set 0 0");
	assert_int_equal(read_clock(rig, 0), 0);
	assert_string_equal(rig_say(rig, "list"), "0 utc-smeared 0.000000000 stopped alarm off\n"
						  "1 monotonic 2000.000000000 stopped alarm off");
	rig_say(rig, "run 0");
	while (!read_clock(rig, 0))
		;
	assert_non_null(strstr(rig_say(rig, "get 0"), " runs alarm off"));
	rig_stop(rig);
}

static void commands_that_make_no_sense_are_refused(void **state)
{
	static const char *const lines[] = {
		"get 2",
		"get x",
		"set 0 -1",
		"set 0 1.",
		"set 0 .5",
		"set 0 1.1234567890",
		"set 0 18446744073709551615",
		"step 0 x",
		"step 0 -2000.5",
		"step 0 18446744072",
		"set 1 1999.999999999",
		"step 1 -1",
		"stop 9",
		"watch 2",
	};
	struct rig *rig = *state;

	start_stopped(rig, false);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		rig_say_refused(rig, lines[i]);
	assert_int_equal(read_clock(rig, 0), 2000 * second);
	assert_int_equal(read_clock(rig, 1), 2000 * second);
	rig_stop(rig);
}

static void an_alarm_expires_when_its_time_comes(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;

	for (int packed = 0; packed <= 1; packed++) {
		start_stopped(rig, packed);
		rig_say(rig, "watch");
		assert_int_equal(set_alarm(rig, 0, 2001 * second, 1), OK);
		assert_string_equal(rig_hear(rig), "alarm 0 2001.000000000");
		expect_alarm(rig, 0, 2001 * second, true);
		offer(rig, &buffer, 16);
		rig_say(rig, "set 0 2000.999999999");
		rig_expect_nothing(rig, ALARMQ);
		rig_say(rig, "step 0 0.000000001");
		expect_expired(rig, &buffer, 0);
		assert_string_equal(rig_hear(rig), "alarm 0 expired");
		/* Once; it is enabled still, so a clock that goes back comes to it again. */
		offer(rig, &buffer, 16);
		rig_say(rig, "step 0 10");
		rig_expect_nothing(rig, ALARMQ);
		expect_alarm(rig, 0, 2001 * second, true);
		rig_say(rig, "set 0 1");
		rig_expect_nothing(rig, ALARMQ);
		rig_say(rig, "set 0 3000");
		expect_expired(rig, &buffer, 0);
		rig_stop(rig);
	}
}

static void an_alarm_of_a_running_clock_expires_by_itself(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;

	start(rig, false, NULL);
	for (uint16_t clock = 0; clock < 3; clock++) {
		uint64_t time = read_clock(rig, clock) + second / 100;

		offer(rig, &buffer, 64);
		assert_int_equal(set_alarm(rig, clock, time, 1), OK);
		expect_expired(rig, &buffer, clock);
		assert_true(read_clock(rig, clock) >= time);
	}
	rig_stop(rig);
}

static void what_is_past_expires_when_it_is_set_or_enabled(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;

	start_stopped(rig, false);
	offer(rig, &buffer, 16);
	assert_int_equal(set_alarm(rig, 1, 2000 * second, 1), OK);
	expect_expired(rig, &buffer, 1);
	offer(rig, &buffer, 16);
	assert_int_equal(set_alarm(rig, 1, 5, 0), OK);
	rig_expect_nothing(rig, ALARMQ);
	assert_int_equal(enable(rig, 1, 1), OK);
	expect_expired(rig, &buffer, 1);
	expect_alarm(rig, 1, 5, true);
	rig_stop(rig);
}

static void a_disabled_alarm_says_nothing(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;

	start_stopped(rig, false);
	assert_int_equal(set_alarm(rig, 0, 2001 * second, 1), OK);
	assert_int_equal(enable(rig, 0, 0), OK);
	expect_alarm(rig, 0, 2001 * second, false);
	offer(rig, &buffer, 16);
	rig_say(rig, "step 0 5");
	rig_expect_nothing(rig, ALARMQ);
	rig_stop(rig);
}

/* One that expired before there was a buffer is told when there is one, unless it is obsolete. */
static void an_expired_alarm_waits_for_a_buffer(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffers[2];

	start_stopped(rig, true);
	assert_int_equal(set_alarm(rig, 0, 2001 * second, 1), OK);
	assert_int_equal(set_alarm(rig, 1, 2001 * second, 1), OK);
	rig_say(rig, "step 0 5");
	rig_say(rig, "step 1 5");
	offer(rig, &buffers[0], 16);
	expect_expired(rig, &buffers[0], 0);
	/* A small one is no use, and does not lose it. */
	offer(rig, &buffers[0], 15);
	offer(rig, &buffers[1], 16);
	for (int i = 0; i < 2; i++) {
		uint32_t len;
		void *cookie = rig_wait(rig, ALARMQ, &len);

		assert_ptr_equal(cookie, &buffers[i]);
		assert_int_equal(len, i ? 16 : 0);
	}
	assert_int_equal(buffers[1].data[8], 1);
	assert_int_equal(set_alarm(rig, 1, 1, 1), OK);
	assert_int_equal(enable(rig, 1, 0), OK);
	offer(rig, &buffers[0], 16);
	rig_expect_nothing(rig, ALARMQ);
	rig_stop(rig);
}

static void alarms_outlive_a_pause_and_not_the_front_end(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;

	start_stopped(rig, false);
	assert_int_equal(set_alarm(rig, 0, 2001 * second, 1), OK);
	rig_check(rig, peer_stop(rig->peer));
	rig_say(rig, "step 0 5");
	for (uint32_t i = 0; i < 2; i++) {
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, 1));
	}
	offer(rig, &buffer, 16);
	expect_expired(rig, &buffer, 0);
	rig_connect(rig);
	expect_alarm(rig, 0, 0, false);
	rig_stop(rig);
}

static void without_the_feature_there_are_no_alarms(void **state)
{
	struct rig *rig = *state;
	struct words words;

	rig->config.features = UINT64_MAX & ~UINT64_C(1);
	start_stopped(rig, false);
	assert_int_equal(ask_clock(rig, CLOCK_CAP, 0, 0, &words, 8), OK);
	assert_int_equal(words.a, SMEARED);
	assert_int_equal(ask_clock(rig, GET_ALARM, 0, 0, &words, 16), ENODEV_);
	assert_int_equal(set_alarm(rig, 0, 5, 1), ENODEV_);
	assert_int_equal(enable(rig, 0, 1), ENODEV_);
	assert_int_equal(read_clock(rig, 0), 2000 * second);
	rig_stop(rig);
}

static void what_there_is_not_is_refused_as_what_it_is(void **state)
{
	struct rig *rig = *state;
	struct words words;

	start_stopped(rig, false);
	assert_int_equal(ask(rig, 0x4711, "", 0, &words, 8), EOPNOTSUPP_);
	assert_int_equal(ask_clock(rig, READ, 2, 0, &words, 8), ENODEV_);
	assert_int_equal(ask_clock(rig, READ, 0xffff, 0, &words, 8), ENODEV_);
	assert_int_equal(ask_clock(rig, READ, 0, 1, &words, 8), EINVAL_);
	/* A back-end does not know the guest's counters. */
	assert_int_equal(ask_clock(rig, CROSS_CAP, 0, TSC, &words, 8), OK);
	assert_int_equal(words.a, 0);
	assert_int_equal(ask_clock(rig, CROSS_CAP, 0, 0xff, &words, 8), EOPNOTSUPP_);
	assert_int_equal(ask_clock(rig, CROSS, 0, TSC, &words, 16), EOPNOTSUPP_);
	assert_int_equal(ask_clock(rig, CROSS, 5, TSC, &words, 16), ENODEV_);
	assert_int_equal(set_alarm(rig, 0, 5, 2), EINVAL_);
	assert_int_equal(enable(rig, 0, 0x81), EINVAL_);
	expect_alarm(rig, 0, 0, false);
	rig_stop(rig);
}

static void requests_of_other_sizes_are_refused(void **state)
{
	static const struct {
		uint32_t out, in, written;
	} cases[] = {
		{0, 16, 8}, {7, 16, 8}, {8, 16, 8}, {15, 16, 8},  {16, 15, 8},	{16, 8, 8},
		{16, 7, 7}, {16, 1, 1}, {16, 0, 0}, {16, 16, 16}, {16, 40, 16}, {40, 16, 16},
	};
	struct rig *rig = *state;

	for (int packed = 0; packed <= 1; packed++) {
		start_stopped(rig, packed);
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			struct rig_buffer out, in;
			struct driver_seg segs[2];
			uint32_t n = 0;

			rig_buffer(rig, &out, cases[i].out ? cases[i].out : 1);
			rig_buffer(rig, &in, cases[i].in ? cases[i].in : 1);
			memset(out.data, 0, out.len);
			out.data[0] = READ;
			if (cases[i].out)
				segs[n++] = rig_read_seg(&out, cases[i].out);
			if (cases[i].in)
				segs[n++] = rig_write_seg(&in, cases[i].in);
			assert_int_equal(rig_do(rig, REQUESTQ, segs, n), cases[i].written);
			if (cases[i].in)
				assert_int_equal(in.data[0], cases[i].written == 16 ? OK : EINVAL_);
		}
		assert_int_equal(read_clock(rig, 0), 2000 * second);
		rig_stop(rig);
	}
}

static void a_bad_option_ends_the_program(void **state)
{
	static const char *const bad[] = {"--clock=sun", "--clock=ut", "--clock=utc@",
					  "--clock=utc@x", "--clock="};

	rig_expect_refused(*state, bad, sizeof(bad) / sizeof(*bad), "vu-rtc: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clocks_are_those_of_the_host),
		TEST(a_clock_begins_where_it_is_told_and_goes_on),
		TEST(commands_set_step_and_stop_clocks),
		TEST(commands_that_make_no_sense_are_refused),
		TEST(an_alarm_expires_when_its_time_comes),
		TEST(an_alarm_of_a_running_clock_expires_by_itself),
		TEST(what_is_past_expires_when_it_is_set_or_enabled),
		TEST(a_disabled_alarm_says_nothing),
		TEST(an_expired_alarm_waits_for_a_buffer),
		TEST(alarms_outlive_a_pause_and_not_the_front_end),
		TEST(without_the_feature_there_are_no_alarms),
		TEST(what_there_is_not_is_refused_as_what_it_is),
		TEST(requests_of_other_sizes_are_refused),
		TEST(a_bad_option_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
