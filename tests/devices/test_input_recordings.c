/* SPDX-License-Identifier: MIT */
/* vu-input with what evemu recorded of devices as there are. */
#include "input_guest.h"

#include <stdio.h>

const char *const rig_program = "VU_INPUT";

/* A name, written into a recording, read, recorded again, and read again, is the same. */
static void expect_name(struct rig *rig, const char *line, const char *wanted)
{
	const char *copy = rig_file(rig, "copy", NULL), *path;
	char text[512];

	snprintf(text, sizeof(text), "# EVEMU 1.3\n%s\nB: 01 00 00 00 40 00 00 00 00\n", line);
	path = rig_file(rig, "recording", text);
	rig->config.n_queues = 2;
	for (int i = 0; i < 2; i++) {
		struct virtio_input_config c;

		rig_start(rig,
			  (const char *[]){"--control", rig->control, "--simulate", i ? copy : path,
					   i ? NULL : "--record", copy, NULL});
		input_select(rig, VIRTIO_INPUT_CFG_ID_NAME, 0, &c);
		assert_int_equal(c.size, strlen(wanted));
		assert_memory_equal(c.u.string, wanted, c.size);
		rig_stop(rig);
	}
	remove(copy);
	remove(path);
	rig->n_files -= 2;
}

static void a_name_is_the_rest_of_its_line(void **state)
{
	struct rig *rig = *state;

	expect_name(rig, "N: ELAN Touchscreen 10.1\"", "ELAN Touchscreen 10.1\"");
	expect_name(rig, "N: # of \\ \"one\" 'two'", "# of \\ \"one\" 'two'");
	expect_name(rig, "N: a   run  of blanks ", "a   run  of blanks ");
	expect_name(rig, "N:  begins with one", " begins with one");
	expect_name(rig, "N: from elsewhere\r", "from elsewhere");
	expect_name(rig, "N:", "");
	expect_name(rig, "N: ", "");
	expect_name(rig, "N: 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4",
		    "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2");
}

static const char laptop[] =
	"# EVEMU 1.3\n"
	"# Kernel: 5.10.0-8-amd64\n"
	"# DMI: dmi:bvnLENOVO:bvrN2HET\"30W\":svnLENOVO:\n"
	"# Input device name: \"SynPS/2 Synaptics TouchPad\"\n"
	"# Supported events:\n"
	"#   Event type 0 (EV_SYN)\n"
	"#        Min        0\n"
	"N: SynPS/2 \"Synaptics\" TouchPad\n"
	"I: 0011 0002 0007 01b1\n"
	"P: 05 00 00 00 00 00 00 00\n"
	"B: 00 0b 00 00 00 00 00 00 00\n"
	"B: 01 00 00 00 00 00 00 00 00\n"
	"B: 01 00 00 00 00 00 00 00 00\n"
	"B: 01 00 00 00 00 00 00 00 00\n"
	"B: 01 00 00 00 00 00 00 00 00\n"
	"B: 01 00 00 01 00 00 00 00 00\n"
	"B: 01 20 e5 00 00 00 00 00 00\n"
	"B: 02 00 00 00 00 00 00 00 00\n"
	"B: 03 03 00 00 01 00 80 60 02\n"
	"B: 04 00 00 00 00 00 00 00 00\n"
	"B: 05 01 00 00 00 00 00 00 00\n"
	"B: 11 00 00 00 00 00 00 00 00\n"
	"B: 12 00 00 00 00 00 00 00 00\n"
	"B: 14 00 00 00 00 00 00 00 00\n"
	"B: 15 00 00 00 00 00 00 00 00\n"
	"B: 15 00 00 00 00 00 00 00 00\n"
	"A: 00 1472 5690 8 0 42\n"
	"A: 01 4712 1408 8 0\n" /* without resolution, and upside down */
	"A: 18 0 255 0 0 0\n"
	"A: 2f 0 255 0 0 0\n"
	"A: 35 1472 5690 8 0 42\n"
	"A: 36 1408 4712 8 0 68\n"
	"A: 39 0 65535 0 0 0\n"
	"L: 00 0\n"
	"S: 00 1\n"
	"################################\n"
	"#      Waiting for events      #\n"
	"E: 0.000001 0003 0039 0001\t# EV_ABS / ABS_MT_TRACKING_ID   1\n"
	"E: 0.000001 0003 0035 3000\t# EV_ABS / ABS_MT_POSITION_X    3000\n"
	"E: 0.000001 0000 0000 0000\t# ------------ SYN_REPORT (0) ---------- +0ms\n"
	"E: 0.000002 0003 002f 0255\t# EV_ABS / ABS_MT_SLOT          255\n"
	"E: 0.000002 0003 0039 -001\n"
	"E: 0.000002 0000 0000 0000\n";

static void a_touchpad_of_a_laptop_is_what_was_recorded(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "laptop", laptop);
	struct virtio_input_config c;
	char line[RIG_PATH + 16];

	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){"--control", rig->control, "--simulate", path, NULL});
	input_select(rig, VIRTIO_INPUT_CFG_ID_NAME, 0, &c);
	assert_memory_equal(c.u.string, "SynPS/2 \"Synaptics\" TouchPad\0", c.size + 1);
	input_select(rig, VIRTIO_INPUT_CFG_PROP_BITS, 0, &c);
	assert_int_equal(c.size, 1);
	assert_int_equal(c.u.bitmap[0], 5);
	input_select(rig, VIRTIO_INPUT_CFG_ABS_INFO, ABS_X, &c);
	assert_int_equal(le32toh(c.u.abs.min), 1472);
	assert_int_equal(le32toh(c.u.abs.res), 42);
	input_select(rig, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Y, &c);
	assert_int_equal(le32toh(c.u.abs.min), 4712);
	assert_int_equal(le32toh(c.u.abs.max), 1408);
	assert_int_equal(le32toh(c.u.abs.res), 0);
	input_select(rig, VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_SLOT, &c);
	assert_int_equal(le32toh(c.u.abs.max), 255);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_SW, &c);
	assert_int_equal(c.size, 1);
	input_give(rig, 8);
	snprintf(line, sizeof(line), "replay %s", path);
	rig_say(rig, line);
	input_expect(rig, EV_ABS, ABS_MT_TRACKING_ID, 1);
	input_expect(rig, EV_ABS, ABS_MT_POSITION_X, 3000);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_ABS, ABS_MT_SLOT, 255);
	input_expect(rig, EV_ABS, ABS_MT_TRACKING_ID, -1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_stop(rig);
}

enum { FINGERS = 1024, ROUND = 32 };

/* More of them than events wait: what the guest does not hear in time it is told at once. */
static void as_many_fingers_as_linux_takes_are_followed(void **state)
{
	struct rig *rig = *state;
	uint32_t slot = 0, touched = 0, left = 0;
	int32_t value;
	char line[64];
	bool touching[FINGERS] = {false};

	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){"--control", rig->control, "--simulate",
					rig_file(rig, "table",
						 "abs ABS_MT_SLOT 0 1023\n"
						 "abs ABS_MT_TRACKING_ID 0 65535\n"
						 "abs ABS_MT_POSITION_X 0 4095\n"
						 "abs ABS_MT_POSITION_Y 0 4095\n"),
					NULL});
	rig_say_refused(rig, "touch 1024 1 1");
	for (int i = 0; i < FINGERS; i++) {
		snprintf(line, sizeof(line), "touch %d %d 7", i, i + 1);
		rig_say(rig, line);
	}
	for (;;) {
		struct virtio_input_event ev;

		if (!left) {
			const char *answer = rig_say(rig, "state"),
				   *at = strstr(answer, "waiting ");

			assert_non_null(at);
			if (sscanf(at, "waiting %u", &left) != 1 || !left)
				break;
			left = left < ROUND ? left : ROUND;
			input_give(rig, left);
		}
		left--;
		ev = input_take(rig);
		value = (int32_t)ev.value;
		if (ev.type != EV_ABS)
			continue;
		if (ev.code == ABS_MT_SLOT)
			slot = (uint32_t)value;
		else if (ev.code == ABS_MT_TRACKING_ID)
			touching[slot] = value >= 0;
		else if (ev.code == ABS_MT_POSITION_X)
			assert_int_equal(value, slot + 1);
	}
	for (slot = 0; slot < FINGERS; slot++)
		touched += touching[slot];
	assert_int_equal(touched, FINGERS);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_the_rest_of_its_line),
		TEST(a_touchpad_of_a_laptop_is_what_was_recorded),
		TEST(as_many_fingers_as_linux_takes_are_followed),
	};

	return cmocka_run_group_tests_name("input_recordings", tests, NULL, NULL);
}
