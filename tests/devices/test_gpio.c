/* SPDX-License-Identifier: MIT */
/* vu-gpio: lines, what the guest and the host see of each other, and requests that are wrong. */
#include "gpio.h"

#include <stdio.h>
#include <stdlib.h>

const char *const rig_program = "VU_GPIO";

static const char named[] = "line MMC-CD 1\n"
			    "line\n"
			    "line \"Red \\\"LED\\\"\"\n"
			    "lines 2\n"
			    "wire 2 MMC-CD\n";

static void there_are_8_unnamed_lines_without_a_file(void **state)
{
	struct rig *rig = *state;
	struct virtio_gpio_config config;

	gpio_start(rig, false, NULL);
	rig_get_config(rig, 0, &config, sizeof(config));
	assert_int_equal(le16toh(config.ngpio), 8);
	assert_int_equal(config.padding[0] | config.padding[1], 0);
	assert_int_equal(le32toh(config.gpio_names_size), 0);
	assert_int_equal(gpio_ask(rig, VIRTIO_GPIO_MSG_GET_NAMES, 0, 0), REFUSED);
	for (uint16_t i = 0; i < 8; i++) {
		assert_int_equal(gpio_direction(rig, i), NONE);
		assert_int_equal(gpio_value(rig, i), 0);
	}
	assert_int_equal(gpio_direction(rig, 8), REFUSED);
	rig_stop(rig);
}

static void a_file_gives_lines_names_and_levels(void **state)
{
	struct rig *rig = *state;
	static const char want[] = "\0MMC-CD\0\0Red \"LED\"\0\0";
	const struct virtio_gpio_request request = {htole16(VIRTIO_GPIO_MSG_GET_NAMES), 0, 0};
	struct virtio_gpio_config config;
	char option[RIG_PATH + 8], got[sizeof(want) + 10];

	snprintf(option, sizeof(option), "--lines=%s", rig_file(rig, "lines", named));
	gpio_start(rig, false, option);
	rig_get_config(rig, 0, &config, sizeof(config));
	assert_int_equal(le16toh(config.ngpio), 5);
	/* The answer begins with its status; the string ends with one more NUL. */
	assert_int_equal(le32toh(config.gpio_names_size), sizeof(want) - 1);
	assert_int_equal(rig_ask(rig, REQUESTQ, &request, sizeof(request), got, sizeof(want)),
			 sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
	/* Room for more is no harm, room for less is. */
	assert_int_equal(rig_ask(rig, REQUESTQ, &request, sizeof(request), got, sizeof(got)),
			 sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(rig_ask(rig, REQUESTQ, &request, sizeof(request), got, sizeof(want) - 1),
			 2);
	assert_int_equal(got[0], VIRTIO_GPIO_STATUS_ERR);
	assert_int_equal(gpio_value(rig, 0), 0); /* its wire, not what it began with */
	assert_string_equal(rig_say(rig, "list"), "0 \"MMC-CD\" none 0\n1 - none 0\n"
						  "2 \"Red \\\"LED\\\"\" none 0\n3 - none 0\n"
						  "4 - none 0");
	rig_say(rig, "set \"Red \\\"LED\\\"\" 1");
	assert_string_equal(rig_say(rig, "get MMC-CD 2"),
			    "0 \"MMC-CD\" none 1\n2 \"Red \\\"LED\\\"\" none 1");
	rig_stop(rig);
}

static void files_with_mistakes_are_refused(void **state)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{"line a\nline a\n", ":2: another line has this name"},
		{"line \"b\xc3\xa9\"\n", ":1: a name is made of printable ASCII"},
		{"line a 2\n", ":1: a level is 0 or 1"},
		{"lines 0\n", ":1: a device has 1 to 65535 lines"},
		{"lines 65535\nline\n", ":2: No space left on device"},
		{"lines 2\nwire 0 2\n", ":2: no such line (so far)"},
		{"lines 2\nwire 0 0\n", ":2: a line has one wire, to another one"},
		{"lines 3\nwire 0 1\nwire 0 2\n", ":3: a line has one wire, to another one"},
		{"# nothing\n", "no lines"},
		{"pin 3\n", ":1: "},
	};
	struct rig *rig = *state;
	const char *path = rig_file(rig, "lines", "");
	const char *argv[] = {
		getenv(rig_program), "--socket-path", rig->socket, "--lines", path, NULL};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *file = fopen(path, "w");

		fputs(cases[i].text, file);
		fclose(file);
		spawn_run(&rig->program, argv);
		assert_int_equal(rig->program.status, 1);
		if (!strstr(rig->program.err, cases[i].complaint))
			fail_msg("case %zu: %s", i, rig->program.err);
		spawn_free(&rig->program);
	}
	memset(&rig->program, 0, sizeof(rig->program));
}

static void what_the_guest_drives_the_host_reads(void **state)
{
	struct rig *rig = *state;

	gpio_start(rig, false, NULL);
	/* What is set before is what the output begins with. */
	assert_int_equal(gpio_set_value(rig, 3, 1), 0);
	assert_string_equal(rig_say(rig, "get 3"), "3 - none 0");
	assert_int_equal(gpio_set_direction(rig, 3, OUT), 0);
	assert_string_equal(rig_say(rig, "get 3"), "3 - out 1");
	assert_int_equal(gpio_direction(rig, 3), OUT);
	assert_int_equal(gpio_value(rig, 3), 1);
	assert_int_equal(gpio_set_value(rig, 3, 0), 0);
	assert_string_equal(rig_say(rig, "get 3"), "3 - out 0");
	assert_int_equal(gpio_set_value(rig, 3, 1), 0);
	/* A line that is given up forgets everything. */
	assert_int_equal(gpio_set_direction(rig, 3, NONE), 0);
	assert_string_equal(rig_say(rig, "get 3"), "3 - none 0");
	assert_int_equal(gpio_set_direction(rig, 3, OUT), 0);
	assert_string_equal(rig_say(rig, "get 3"), "3 - out 0");
	rig_stop(rig);
}

static void what_the_host_drives_the_guest_reads(void **state)
{
	struct rig *rig = *state;

	gpio_start(rig, false, NULL);
	assert_int_equal(gpio_set_direction(rig, 0, IN), 0);
	assert_int_equal(gpio_direction(rig, 0), IN);
	assert_int_equal(gpio_value(rig, 0), 0);
	rig_say(rig, "set 0 1");
	assert_int_equal(gpio_value(rig, 0), 1);
	/* The driver's value is for when the line is an output, and the host's for when not. */
	assert_int_equal(gpio_set_value(rig, 0, 0), 0);
	assert_int_equal(gpio_value(rig, 0), 1);
	assert_int_equal(gpio_set_direction(rig, 0, OUT), 0);
	assert_int_equal(gpio_value(rig, 0), 0);
	assert_int_equal(gpio_set_direction(rig, 0, IN), 0);
	assert_int_equal(gpio_value(rig, 0), 1);
	rig_say(rig, "pulse 0");
	assert_int_equal(gpio_value(rig, 0), 1);
	rig_stop(rig);
}

static void a_wire_carries_what_the_guest_drives(void **state)
{
	struct rig *rig = *state;
	char option[RIG_PATH + 8];

	snprintf(option, sizeof(option), "--lines=%s",
		 rig_file(rig, "lines", "lines 3\nwire 0 1\nwire 1 2\nwire 2 0\n"));
	gpio_start(rig, false, option);
	assert_int_equal(gpio_set_direction(rig, 2, IN), 0);
	assert_int_equal(gpio_set_value(rig, 0, 1), 0);
	assert_int_equal(gpio_set_direction(rig, 0, OUT), 0);
	assert_int_equal(gpio_value(rig, 1), 1);
	assert_int_equal(gpio_value(rig, 2), 1);
	/* A line that is driven does not follow, nor does what is behind it. */
	assert_int_equal(gpio_set_direction(rig, 1, OUT), 0);
	assert_int_equal(gpio_value(rig, 1), 0);
	assert_int_equal(gpio_value(rig, 2), 0);
	assert_int_equal(gpio_set_value(rig, 0, 0), 0);
	assert_int_equal(gpio_set_value(rig, 0, 1), 0);
	assert_int_equal(gpio_value(rig, 2), 0);
	rig_stop(rig);
}

static void the_host_hears_what_the_guest_does(void **state)
{
	struct rig *rig = *state;

	gpio_start(rig, false, NULL);
	assert_int_equal(gpio_set_direction(rig, 1, IN), 0); /* nobody watches yet */
	rig_say(rig, "watch");
	assert_int_equal(gpio_set_direction(rig, 2, OUT), 0);
	assert_int_equal(gpio_set_value(rig, 2, 1), 0);
	assert_int_equal(gpio_irq_type(rig, 1, BOTH), 0);
	assert_int_equal(gpio_set_direction(rig, 1, NONE), 0);
	assert_string_equal(rig_hear(rig), "line 2 - out 0");
	assert_string_equal(rig_hear(rig), "line 2 - out 1");
	assert_string_equal(rig_hear(rig), "line 1 - in 0 both");
	assert_string_equal(rig_hear(rig), "line 1 - none 0");
	rig_say(rig, "watch 0");
	assert_int_equal(gpio_set_value(rig, 2, 0), 0);
	rig_say(rig, "watch 1");
	assert_int_equal(gpio_set_direction(rig, 3, IN), 0);
	assert_string_equal(rig_hear(rig), "line 3 - in 0");
	rig_stop(rig);
}

static void commands_with_mistakes_are_refused(void **state)
{
	struct rig *rig = *state;

	gpio_start(rig, false, NULL);
	assert_string_equal(rig_say_refused(rig, "get 8"), "no such line");
	assert_string_equal(rig_say_refused(rig, "set LED 1"), "no such line");
	assert_string_equal(rig_say_refused(rig, "set 0 2"), "a level is 0 or 1");
	assert_string_equal(rig_say_refused(rig, "pulse 0 x"),
			    "a length is a number of milliseconds");
	assert_string_equal(rig_say_refused(rig, "watch 2"), "0 or 1");
	assert_int_equal(gpio_set_direction(rig, 0, OUT), 0);
	assert_string_equal(rig_say_refused(rig, "pulse 0"), "the guest drives this line");
	rig_stop(rig);
}

static void requests_with_wrong_values_are_refused(void **state)
{
	static const struct {
		uint16_t type, line;
		uint32_t value;
	} cases[] = {
		{0, 0, 0},
		{VIRTIO_GPIO_MSG_IRQ_TYPE + 1, 0, 0},
		{0x100 + VIRTIO_GPIO_MSG_GET_VALUE, 0, 0},
		{UINT16_MAX, 0, 0},
		{VIRTIO_GPIO_MSG_GET_DIRECTION, 8, 0},
		{VIRTIO_GPIO_MSG_SET_VALUE, UINT16_MAX, 1},
		{VIRTIO_GPIO_MSG_GET_VALUE, 0x100, 1},
		{VIRTIO_GPIO_MSG_SET_DIRECTION, 0, 3},
		{VIRTIO_GPIO_MSG_SET_DIRECTION, 0, 0x100 + OUT},
		{VIRTIO_GPIO_MSG_SET_DIRECTION, 8, OUT},
		{VIRTIO_GPIO_MSG_SET_VALUE, 0, 2},
		{VIRTIO_GPIO_MSG_SET_VALUE, 0, UINT32_MAX},
		{VIRTIO_GPIO_MSG_IRQ_TYPE, 0, 5},
		{VIRTIO_GPIO_MSG_IRQ_TYPE, 0, HIGH | LOW},
		{VIRTIO_GPIO_MSG_IRQ_TYPE, 0, 0x100 + RISING},
		{VIRTIO_GPIO_MSG_IRQ_TYPE, 8, RISING},
	};
	struct rig *rig = *state;

	gpio_start(rig, false, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(gpio_ask(rig, cases[i].type, cases[i].line, cases[i].value),
				 REFUSED);
	assert_int_equal(gpio_direction(rig, 0), NONE);
	/* Nothing of it was done. */
	assert_int_equal(gpio_set_direction(rig, 0, OUT), 0);
	assert_int_equal(gpio_value(rig, 0), 0);
	rig_stop(rig);
}

/* A request that makes line 0 an output, of this many bytes, and so much room for the answer. */
static uint32_t shaped(struct rig *rig, uint32_t out, uint32_t in, uint8_t *response)
{
	const struct virtio_gpio_request request[2] = {
		{htole16(VIRTIO_GPIO_MSG_SET_DIRECTION), 0, htole32(OUT)}};

	memset(response, RIG_UNTOUCHED, 16);
	return rig_ask(rig, REQUESTQ, request, out, response, in);
}

static void requests_of_a_wrong_shape_are_refused(void **state)
{
	struct rig *rig = *state;
	uint8_t response[16];

	for (int packed = 0; packed <= 1; packed++) {
		gpio_start(rig, packed, NULL);
		for (uint32_t out = 0; out <= 16; out++) {
			if (out == sizeof(struct virtio_gpio_request))
				continue;
			assert_int_equal(shaped(rig, out, 2, response), 2);
			assert_int_equal(response[0], VIRTIO_GPIO_STATUS_ERR);
			assert_int_equal(response[1], 0);
		}
		/* Where there is no room for an answer there is none, and nothing is done. */
		assert_int_equal(shaped(rig, 8, 0, response), 0);
		assert_int_equal(shaped(rig, 8, 1, response), 1);
		assert_int_equal(response[0], VIRTIO_GPIO_STATUS_ERR);
		assert_int_equal(gpio_direction(rig, 0), NONE);
		assert_int_equal(shaped(rig, 8, 16, response), 2);
		assert_int_equal(response[0], VIRTIO_GPIO_STATUS_OK);
		assert_int_equal(response[2], RIG_UNTOUCHED);
		assert_int_equal(gpio_direction(rig, 0), OUT);
		rig_stop(rig);
	}
}

static void a_request_may_come_in_pieces(void **state)
{
	const struct virtio_gpio_request request = {htole16(VIRTIO_GPIO_MSG_SET_DIRECTION),
						    htole16(5), htole32(IN)};
	struct rig *rig = *state;
	struct rig_buffer readable, writable;
	struct driver_seg segs[10];

	gpio_start(rig, false, NULL);
	rig_buffer(rig, &readable, sizeof(request));
	rig_buffer(rig, &writable, 2);
	memcpy(readable.data, &request, sizeof(request));
	for (uint32_t i = 0; i < 8; i++)
		segs[i] = (struct driver_seg){readable.gpa + i, 1, false};
	for (uint32_t i = 0; i < 2; i++)
		segs[8 + i] = (struct driver_seg){writable.gpa + i, 1, true};
	assert_int_equal(rig_do(rig, REQUESTQ, segs, 10), 2);
	assert_int_equal(writable.data[0], VIRTIO_GPIO_STATUS_OK);
	assert_int_equal(gpio_direction(rig, 5), IN);
	rig_stop(rig);
}

static void requests_are_answered_in_order(void **state)
{
	enum { N = 100 };
	struct rig *rig = *state;
	struct rig_buffer readable[N], writable[N];

	for (int packed = 0; packed <= 1; packed++) {
		gpio_start(rig, packed, NULL);
		assert_int_equal(gpio_set_direction(rig, 0, OUT), 0);
		for (uint32_t i = 0; i < N; i++) {
			const struct virtio_gpio_request request = {
				htole16(i % 2 ? VIRTIO_GPIO_MSG_GET_VALUE
					      : VIRTIO_GPIO_MSG_SET_VALUE),
				0, htole32(i / 2 % 2)};
			struct driver_seg segs[2];

			rig_buffer(rig, &readable[i], sizeof(request));
			rig_buffer(rig, &writable[i], 2);
			memcpy(readable[i].data, &request, sizeof(request));
			segs[0] = rig_read_seg(&readable[i], sizeof(request));
			segs[1] = rig_write_seg(&writable[i], 2);
			rig_check(rig,
				  driver_add(rig->peer->queues[REQUESTQ], segs, 2, &writable[i]));
		}
		rig_check(rig, driver_kick(rig->peer->queues[REQUESTQ]));
		for (uint32_t i = 0; i < N; i++) {
			assert_ptr_equal(rig_wait(rig, REQUESTQ, NULL), &writable[i]);
			assert_int_equal(writable[i].data[0], VIRTIO_GPIO_STATUS_OK);
			assert_int_equal(writable[i].data[1], i % 2 ? i / 2 % 2 : 0);
		}
		rig_stop(rig);
	}
}

static void two_wrong_requests_in_turn_are_logged_within_a_limit(void **state)
{
	struct rig *rig = *state;
	uint32_t lines, types;

	gpio_start(rig, false, NULL);
	for (int i = 0; i < 1500; i++) {
		assert_int_equal(gpio_direction(rig, 99), REFUSED);
		assert_int_equal(gpio_ask(rig, 99, 0, 0), REFUSED);
	}
	rig_stop(rig);
	lines = rig_logged(rig, "a request names a line that is not there");
	types = rig_logged(rig, "a request is of an unknown type");
	assert_true(lines > 0 && types > 0);
	assert_true(lines + types >= RIG_LOG_BURST);
	assert_true(lines + types <= rig_log_limit(rig));
	assert_true(rig_logged(rig, " lines left out)") > 0);
}

static void lines_are_released_when_the_front_end_is_gone(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	gpio_start(rig, false, NULL);
	rig_say(rig, "watch");
	assert_int_equal(gpio_set_value(rig, 4, 1), 0);
	assert_int_equal(gpio_set_direction(rig, 4, OUT), 0);
	assert_string_equal(rig_hear(rig), "line 4 - out 1");
	assert_int_equal(gpio_irq_type(rig, 5, BOTH), 0);
	assert_string_equal(rig_hear(rig), "line 5 - none 0 both");
	gpio_unmask(rig, &event, 5);
	rig_expect_nothing(rig, EVENTQ);
	peer_disconnect(rig->peer);
	assert_string_equal(rig_hear(rig), "line 4 - none 0");
	assert_string_equal(rig_hear(rig), "line 5 - none 0");
	rig_connect(rig);
	assert_int_equal(gpio_direction(rig, 4), NONE);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(there_are_8_unnamed_lines_without_a_file),
		TEST(a_file_gives_lines_names_and_levels),
		TEST(files_with_mistakes_are_refused),
		TEST(what_the_guest_drives_the_host_reads),
		TEST(what_the_host_drives_the_guest_reads),
		TEST(a_wire_carries_what_the_guest_drives),
		TEST(the_host_hears_what_the_guest_does),
		TEST(commands_with_mistakes_are_refused),
		TEST(requests_with_wrong_values_are_refused),
		TEST(requests_of_a_wrong_shape_are_refused),
		TEST(a_request_may_come_in_pieces),
		TEST(requests_are_answered_in_order),
		TEST(two_wrong_requests_in_turn_are_logged_within_a_limit),
		TEST(lines_are_released_when_the_front_end_is_gone),
	};

	return cmocka_run_group_tests_name("devices_gpio", tests, NULL, NULL);
}
