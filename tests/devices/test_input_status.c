/* SPDX-License-Identifier: MIT */
/* vu-input: what the guest sends, hostile buffers, commands and files that are wrong, recordings.
 */
#include "input_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const char *const rig_program = "VU_INPUT";

static void start_keyboard(struct rig *rig)
{
	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){"--control", rig->control, NULL});
}

/* --- status --- */

static void lights_of_the_guest_reach_the_host(void **state)
{
	struct rig *rig = *state;

	start_keyboard(rig);
	input_send_status(rig, EV_LED, LED_CAPSL, 1);
	assert_string_equal(rig_hear(rig), "led LED_CAPSL 1");
	input_send_status(rig, EV_LED, LED_NUML, 1);
	assert_string_equal(rig_hear(rig), "led LED_NUML 1");
	assert_non_null(strstr(rig_say(rig, "state"), "lit LED_NUML\nlit LED_CAPSL"));
	input_send_status(rig, EV_LED, LED_CAPSL, 0);
	assert_string_equal(rig_hear(rig), "led LED_CAPSL 0");
	assert_null(strstr(rig_say(rig, "state"), "lit LED_CAPSL"));
	input_send_status(rig, EV_REP, REP_DELAY, 250);
	assert_string_equal(rig_hear(rig), "status EV_REP REP_DELAY 250");
	rig_stop(rig);
}

static void force_feedback_is_passed_to_a_device_that_has_it(void **state)
{
	struct rig *rig = *state;

	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){
			       "--control", rig->control, "--simulate",
			       rig_file(rig, "pad", "name pad\nhas BTN_SOUTH FF_RUMBLE FF_GAIN\n"),
			       NULL});
	input_send_status(rig, EV_FF, FF_GAIN, 0x8000);
	assert_string_equal(rig_hear(rig), "status EV_FF FF_GAIN 32768");
	input_send_status(rig, EV_FF, 3, 1); /* an effect's number */
	assert_string_equal(rig_hear(rig), "status EV_FF 3 1");
	rig_stop(rig);
}

static void what_is_no_status_of_the_device_is_ignored(void **state)
{
	struct rig *rig = *state;

	start_keyboard(rig);
	input_send_status(rig, EV_MSC, MSC_SCAN, 4); /* Linux sends events back */
	input_send_status(rig, EV_KEY, KEY_A, 1);
	input_send_status(rig, EV_LED, LED_MAIL, 1);
	input_send_status(rig, EV_LED, 0xffff, 1);
	input_send_status(rig, EV_SND, SND_BELL, 1);
	input_send_status(rig, EV_FF, FF_GAIN, 1);
	input_send_status(rig, 0xffff, 0xffff, -1);
	input_send_status(rig, EV_LED, LED_CAPSL, 1);
	assert_string_equal(rig_hear(rig), "led LED_CAPSL 1");
	rig_stop(rig);
}

static void status_that_is_no_event_comes_back(void **state)
{
	static const struct virtio_input_event led = {EV_LED, LED_CAPSL, 1};
	struct rig *rig = *state;
	unsigned char many[100] = {0}, in[8];
	struct rig_buffer buffer;
	struct driver_seg bytes[sizeof(led)];

	start_keyboard(rig);
	assert_int_equal(rig_ask(rig, STATUSQ, &led, 1, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, STATUSQ, &led, 7, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, STATUSQ, NULL, 0, in, 8), 0); /* the wrong direction */
	/* What is longer is read as far as it is an event, however it is cut. */
	memcpy(many, &led, sizeof(led));
	assert_int_equal(rig_ask(rig, STATUSQ, many, sizeof(many), in, 8), 0);
	assert_string_equal(rig_hear(rig), "led LED_CAPSL 1");
	rig_buffer(rig, &buffer, sizeof(led));
	memcpy(buffer.data, &led, sizeof(led));
	for (uint32_t i = 0; i < sizeof(led); i++)
		bytes[i] = (struct driver_seg){.gpa = buffer.gpa + i, .len = 1};
	assert_int_equal(rig_do(rig, STATUSQ, bytes, sizeof(led)), 0);
	assert_string_equal(rig_hear(rig), "led LED_CAPSL 1");
	rig_stop(rig);
	assert_non_null(strstr(rig->program.err, "statusq: buffers are too small"));
}

static void buffers_that_hold_no_event_cost_none(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	struct driver_seg seg, bytes[8];
	uint32_t len;

	start_keyboard(rig);
	rig_buffer(rig, &buffer, 16);
	seg = rig_read_seg(&buffer, 16);
	rig_offer(rig, EVENTQ, &seg, 1, rig);
	seg = rig_write_seg(&buffer, 7);
	rig_offer(rig, EVENTQ, &seg, 1, rig);
	for (uint32_t i = 0; i < 8; i++)
		bytes[i] = (struct driver_seg){.gpa = buffer.gpa + i, .len = 1, .write = true};
	rig_offer(rig, EVENTQ, bytes, 8, buffer.data);
	rig_expect_nothing(rig, EVENTQ);
	rig_say(rig, "key KEY_A 1");
	assert_ptr_equal(rig_wait(rig, EVENTQ, &len), rig);
	assert_int_equal(len, 0);
	assert_ptr_equal(rig_wait(rig, EVENTQ, &len), rig);
	assert_int_equal(len, 0);
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_give(rig, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_stop(rig);
	assert_non_null(strstr(rig->program.err, "eventq: buffers are too small"));
}

/* --- commands and files --- */

static void commands_name_what_the_device_lacks(void **state)
{
	struct rig *rig = *state;

	start_keyboard(rig);
	input_give(rig, 8);
	assert_string_equal(rig_say_refused(rig, "key KEY_NONSENSE 1"),
			    "the device has no 'KEY_NONSENSE'");
	assert_string_equal(rig_say_refused(rig, "key BTN_LEFT 1"), "the device has no 'BTN_LEFT'");
	assert_string_equal(rig_say_refused(rig, "key REL_X 1"), "the device has no 'REL_X'");
	assert_string_equal(rig_say_refused(rig, "key KEY_A yes"), "not a number");
	assert_string_equal(rig_say_refused(rig, "event EV_REL REL_X 1"),
			    "the device has no 'EV_REL'");
	assert_string_equal(rig_say_refused(rig, "event 99999 0 0"), "the device has no '99999'");
	assert_string_equal(rig_say_refused(rig, "event EV_KEY 65535 0"),
			    "the device has no '65535'");
	rig_say_refused(rig, "move 1 1");
	rig_say_refused(rig, "touch 0 1 1");
	rig_say_refused(rig, "lift 0");
	rig_say_refused(rig, "replay /nowhere");
	/* Nothing of it is sent. */
	rig_say_refused(rig, "type \"ab\xc3\xa4\"");
	rig_say_refused(rig, "tap KEY_A BTN_LEFT");
	rig_expect_nothing(rig, EVENTQ);
	rig_stop(rig);
}

/* The program ends with that status, after it has said so. */
static void refused(struct rig *rig, const char *description, const char *why)
{
	const char *path = rig_file(rig, "description", description);
	struct spawned s;

	spawn_run(&s, (const char *[]){getenv(rig_program), "--socket-path", rig->socket,
				       "--simulate", path, NULL});
	assert_int_equal(s.status, 1);
	if (!strstr(s.err, why))
		fail_msg("'%s' is not in: %s", why, s.err);
	spawn_free(&s);
	remove(path);
	rig->n_files--;
}

static void descriptions_that_are_wrong_are_refused_by_line(void **state)
{
	struct rig *rig = *state;

	refused(rig, "name nothing\n", "describes a device without events");
	refused(rig, "\nhas KEY_A KEY_BEE\n",
		"description:2: 'KEY_BEE' names no event of a device");
	refused(rig, "has KEY_B..KEY_A\n", "description:1: 'KEY_B..KEY_A' names no");
	refused(rig, "has KEY_A..REL_X\n", "names no event");
	refused(rig, "has EV_KEY\n", "names no event");
	refused(rig, "has SYN_REPORT\n", "names no event");
	refused(rig, "abs ABS_X 1 0\n", "its minimum is above its maximum");
	refused(rig, "abs ABS_MT_SLOT 0 1024\n", "slots begin with 0 and end with 1023 at most");
	refused(rig, "abs ABS_MT_SLOT 1 2\n", "slots begin with 0 and end with 1023 at most");
	refused(rig, "abs ABS_MT_SLOT 0 -1\n", "slots begin with 0 and end with 1023 at most");
	refused(rig, "abs REL_X 0 1\n", "there is no such axis");
	refused(rig, "abs 64 0 1\n", "there is no such axis");
	refused(rig, "id BUS_USB 65536 0 0\n", "not a bus or a number");
	refused(rig, "B: 01 100\n", "description:1:");
	refused(rig, "B: 20 01\n", "description:1:");
	refused(rig, "P: zz\n", "description:1:");
	refused(rig, "A: 40 0 1 0 0\n", "there is no such axis");
	refused(rig, "colour red\n", "there is no command 'colour'");
}

static void more_sockets_than_devices_are_refused(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "a", "has KEY_A\n");
	const char *second = rig_file(rig, "second", NULL);
	struct spawned s;

	spawn_run(&s, (const char *[]){getenv(rig_program), "--socket-path", rig->socket,
				       "--socket-path", second, "--simulate", path, NULL});
	assert_int_equal(s.status, 1);
	assert_non_null(strstr(s.err, "more sockets than devices"));
	spawn_free(&s);
}

/* --- recordings --- */

static const char mouse[] = "# EVEMU 1.3\n"
			    "N: Mouse of a \"mouse\" #2\n"
			    "I: 0003 046d c077 0111\n"
			    "P: 00 00 00 00 00 00 00 00\n"
			    "B: 00 07 00 00 00 00 00 00 00\n"
			    "B: 01 00 00 00 00 00 00 00 00\n"
			    "B: 01 00 00 00 00 00 00 00 00\n"
			    "B: 01 00 00 00 00 00 00 00 00\n"
			    "B: 01 00 00 00 00 00 00 00 00\n"
			    "B: 01 00 00 01 00 00 00 00 00\n"
			    "B: 02 03 01 00 00 00 00 00 00\n"
			    "E: 5.000000 0002 0000 -003\t# EV_REL / REL_X\n"
			    "E: 5.000000 0002 0001 0001\n"
			    "E: 5.000000 0000 0000 0\n"
			    "E: 5.060000 0001 0110 1\n"
			    "E: 5.060000 0000 0000 0\n";

static uint64_t milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void expect_mouse(struct rig *rig)
{
	input_expect(rig, EV_REL, REL_X, -3);
	input_expect(rig, EV_REL, REL_Y, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, BTN_LEFT, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
}

static void replay(struct rig *rig, const char *path)
{
	char line[160];

	snprintf(line, sizeof(line), "replay %s", path);
	rig_say(rig, line);
}

static void recordings_of_evemu_are_devices_and_play_with_their_timing(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "mouse", mouse);
	struct virtio_input_config c;
	uint64_t began;

	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){"--control", rig->control, "--simulate", path, NULL});
	input_select(rig, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, &c);
	assert_int_equal(le16toh(c.u.ids.product), 0xc077);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, &c);
	assert_int_equal(c.size, BTN_LEFT / 8 + 1);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_REL, &c);
	assert_int_equal(c.size, REL_WHEEL / 8 + 1);
	input_give(rig, 16);
	began = milliseconds();
	replay(rig, path);
	expect_mouse(rig);
	assert_true(milliseconds() - began >= 59); /* the other half of 1 ms is rounding */
	assert_string_equal(rig_hear(rig), "replayed");
	rig_expect_nothing(rig, EVENTQ);
	rig_stop(rig);
}

static void what_was_recorded_can_be_played_again(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "mouse", mouse), *copy = rig_file(rig, "copy", NULL);
	struct virtio_input_config first, again;

	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){"--control", rig->control, "--simulate", path, "--record",
					copy, NULL});
	input_select(rig, VIRTIO_INPUT_CFG_ID_NAME, 0, &first);
	input_give(rig, 16);
	replay(rig, path);
	expect_mouse(rig);
	rig_stop(rig);
	rig_start(rig, (const char *[]){"--control", rig->control, "--simulate", copy, NULL});
	input_select(rig, VIRTIO_INPUT_CFG_ID_NAME, 0, &again);
	assert_memory_equal(&first, &again, sizeof(first));
	input_give(rig, 16);
	replay(rig, copy);
	expect_mouse(rig);
	assert_string_equal(rig_hear(rig), "replayed");
	rig_stop(rig);
}

static void recordings_of_another_device_are_refused(void **state)
{
	struct rig *rig = *state;

	start_keyboard(rig);
	input_give(rig, 8);
	rig_say_refused(rig, "replay /nowhere");
	replay(rig, rig_file(rig, "good", "E: 0.000000 0001 001e 1\nE: 90.000000 0000 0000 0\n"));
	input_expect(rig, EV_KEY, KEY_A, 1);
	rig_say(rig, "stop");
	rig_say_refused(rig, "replay /dev/null");
	for (int i = 0; i < 3; i++) {
		static const char *const wrong[] = {"E: 0.000000 0002 0000 -3\n",
						    "E: 1.000000 0001 001e 1\nE: 0.9 0 0 0\n",
						    ("E: 1.000000 0001 001e 1\n"
						     "E: 0.999999 0001 001e 1\n")};
		char line[160];

		snprintf(line, sizeof(line), "replay %s", rig_file(rig, "wrong", wrong[i]));
		rig_say_refused(rig, line);
		remove(rig->files[--rig->n_files]);
	}
	rig_expect_nothing(rig, EVENTQ);
	rig_stop(rig);
	assert_non_null(strstr(rig->program.err, "the device has no such event"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lights_of_the_guest_reach_the_host),
		TEST(force_feedback_is_passed_to_a_device_that_has_it),
		TEST(what_is_no_status_of_the_device_is_ignored),
		TEST(status_that_is_no_event_comes_back),
		TEST(buffers_that_hold_no_event_cost_none),
		TEST(commands_name_what_the_device_lacks),
		TEST(descriptions_that_are_wrong_are_refused_by_line),
		TEST(more_sockets_than_devices_are_refused),
		TEST(recordings_of_evemu_are_devices_and_play_with_their_timing),
		TEST(what_was_recorded_can_be_played_again),
		TEST(recordings_of_another_device_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
