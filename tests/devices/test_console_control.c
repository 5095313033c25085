/* SPDX-License-Identifier: MIT */
/* vu-console's control messages and configuration space, good and hostile. */
#include "console.h"

#include <stdio.h>
#include <stdlib.h>

const char *const rig_program = "VU_CONSOLE";

enum { CONFIG_SIZE = 12, EMERG_WR = 8 };

static const char *const names[] = {"org.test.one", "two"};
static const char *const two_ports[] = {"--port=org.test.one=echo", "--port=two=echo", NULL};

static void the_driver_learns_every_port_its_role_its_name_and_who_is_there(void **state)
{
	static const unsigned char want[CONFIG_SIZE] = {80, 0, 25, 0, 3};
	struct rig *rig = *state;
	unsigned char config[CONFIG_SIZE];

	console_start(rig, 3, two_ports);
	rig_get_config(rig, 0, config, sizeof(config));
	assert_memory_equal(config, want, sizeof(want));
	console_begin(rig, 3, names, 7);
	assert_string_equal(console_ports(rig), "0 console echo host-open guest-open\n"
						"1 org.test.one echo host-open guest-open\n"
						"2 two echo host-open guest-open");
	assert_string_equal(rig_hear(rig), "guest-open 0 console");
	console_tell(rig, 2, OPEN, 0);
	for (int i = 1; i < 3; i++)
		rig_hear(rig);
	assert_string_equal(rig_hear(rig), "guest-closed 2 two");
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void a_driver_that_begins_anew_is_told_everything_anew(void **state)
{
	struct rig *rig = *state;

	console_start(rig, 3, two_ports);
	for (int i = 0; i < 3; i++)
		console_begin(rig, 3, names, 7);
	/* As new: its ports are closed until it opens them. */
	console_tell(rig, 0, READY, 1);
	assert_non_null(strstr(console_ports(rig), "2 two echo host-open guest-closed"));
	rig_stop(rig);
}

static void bad_messages_change_nothing_and_are_logged_within_a_limit(void **state)
{
	static const struct {
		uint32_t port;
		uint16_t event, value;
	} bad[] = {
		{3, PORT_READY, 1},
		{UINT32_MAX, PORT_READY, 1},
		{3, OPEN, 1},
		{0x80000000, OPEN, 0},
		{0, ADD, 0},
		{0, REMOVE, 0},
		{0, CONSOLE, 1},
		{0, RESIZE, 0},
		{0, NAME, 1},
		{0, 8, 0},
		{0, UINT16_MAX, UINT16_MAX},
		{0, OPEN, 2},
		{0, READY, 2},
		{1, PORT_READY, UINT16_MAX},
	};
	struct rig *rig = *state;

	console_start(rig, 3, two_ports);
	console_begin(rig, 3, names, 7);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		console_tell(rig, bad[i].port, bad[i].event, bad[i].value);
	for (uint32_t len = 1; len < CONTROL_SIZE; len++)
		assert_int_equal(rig_ask(rig, CONTROL_TX, "\0\0\0\0\0\0\0", len, NULL, 0), 0);
	assert_non_null(strstr(console_ports(rig), "0 console echo host-open guest-open"));
	console_hear_nothing(rig);
	for (int i = 0; i < 1000; i++)
		console_tell(rig, 99, i & 1 ? OPEN : ADD, 1);
	rig_stop(rig);
	assert_true(rig_logged(rig, "bad control message: Message too long") > 0);
	assert_true(rig_logged(rig, "bad control message: No such device") > 0);
	assert_true(rig_logged(rig, "bad control message") <= rig_log_limit(rig));
}

static void messages_in_the_wrong_direction_are_given_back(void **state)
{
	struct rig *rig = *state;
	char bytes[CONTROL_SIZE];

	console_start(rig, 3, two_ports);
	assert_int_equal(rig_ask(rig, CONTROL_TX, NULL, 0, bytes, sizeof(bytes)), 0);
	console_tell(rig, 0, READY, 1);
	assert_int_equal(rig_ask(rig, CONTROL_RX, "12345678", 8, NULL, 0), 0);
	console_hear(rig, 0, ADD, 0);
	rig_stop(rig);
}

static void what_follows_a_message_is_ignored(void **state)
{
	struct rig *rig = *state;
	unsigned char bytes[5000] = {[CONTROL_SIZE] = 0xff};

	bytes[6] = 1;
	console_start(rig, 3, two_ports);
	assert_int_equal(rig_ask(rig, CONTROL_TX, bytes, sizeof(bytes), NULL, 0), 0);
	console_hear(rig, 0, ADD, 0);
	console_hear(rig, 1, ADD, 0);
	rig_stop(rig);
}

static void a_driver_that_failed_is_told_nothing(void **state)
{
	struct rig *rig = *state;

	console_start(rig, 3, two_ports);
	console_begin(rig, 3, names, 7);
	console_tell(rig, 1, PORT_READY, 0); /* one port */
	rig_say(rig, "close 1");
	console_tell(rig, 0, READY, 0); /* all of it */
	rig_say(rig, "close 2");
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void without_buffers_the_driver_learns_how_things_are_in_the_end(void **state)
{
	struct rig *rig = *state;

	console_start(rig, 3, two_ports);
	console_begin(rig, 3, names, 7);
	for (int i = 0; i < 300; i++) {
		rig_say(rig, "close org.test.one");
		rig_say(rig, "resize 81x26");
		rig_say(rig, i < 299 ? "open 1" : "resize 1x2");
	}
	console_hear_more(rig, 0, RESIZE, 0, "\1\0\2\0", 4);
	console_hear(rig, 1, OPEN, 0);
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void a_buffer_too_small_for_a_message_comes_back_empty(void **state)
{
	struct rig *rig = *state;
	unsigned char bytes[CONTROL_ROOM];

	console_start(rig, 3, two_ports);
	console_tell(rig, 0, READY, 1);
	for (uint32_t len = 1; len < CONTROL_SIZE; len++)
		assert_int_equal(rig_ask(rig, CONTROL_RX, NULL, 0, bytes, len), 0);
	for (uint32_t i = 0; i < 3; i++)
		console_hear(rig, i, ADD, 0);
	console_tell(rig, 2, PORT_READY, 1);
	assert_int_equal(rig_ask(rig, CONTROL_RX, NULL, 0, bytes, CONTROL_SIZE + 2), 0);
	console_hear_more(rig, 2, NAME, 1, "two", 3);
	rig_stop(rig);
}

static void the_size_is_in_the_configuration_space_and_in_a_message(void **state)
{
	struct rig *rig = *state;
	unsigned char config[4];

	console_start(rig, 1, NULL);
	console_begin(rig, 1, NULL, 1);
	rig_say(rig, "resize 300x70");
	console_hear_more(rig, 0, RESIZE, 0, "\x2c\1\x46\0", 4);
	rig_get_config(rig, 0, config, sizeof(config));
	assert_memory_equal(config, "\x2c\1\x46\0", 4);
	for (const char *const *bad = (const char *const[]){"x", "80", "80x", "x25", "80x25x",
							    "-1x3", "65536x1", "80X25", "", NULL};
	     *bad; bad++) {
		char line[32];

		snprintf(line, sizeof(line), "resize \"%s\"", *bad);
		assert_string_equal(rig_say_refused(rig, line), "a size is COLSxROWS");
	}
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void older_linux_gets_rows_before_columns(void **state)
{
	struct rig *rig = *state;
	unsigned char config[4];

	console_start(rig, 1,
		      (const char *const[]){"--resize-rows-first", "--size", "80x25", NULL});
	console_tell(rig, 0, READY, 1);
	console_hear(rig, 0, ADD, 0);
	console_tell(rig, 0, PORT_READY, 1);
	console_hear(rig, 0, CONSOLE, 1);
	console_hear_more(rig, 0, RESIZE, 0, "\x19\0\x50\0", 4);
	rig_get_config(rig, 0, config, sizeof(config)); /* about which there is no doubt */
	assert_memory_equal(config, "\x50\0\x19\0", 4);
	rig_stop(rig);
}

static void ports_come_and_go(void **state)
{
	struct rig *rig = *state;

	console_start(rig, 4,
		      (const char *const[]){"--max-ports=4", two_ports[0], two_ports[1], NULL});
	console_begin(rig, 3, names, 7);
	assert_string_equal(rig_say_refused(rig, "add two echo"), "File exists");
	assert_string_equal(rig_say_refused(rig, "add three nothing"),
			    "no back-end that can be added");
	assert_string_equal(rig_say(rig, "add three echo"), "3");
	console_hear(rig, 3, ADD, 0);
	assert_string_equal(rig_say_refused(rig, "add four echo"),
			    "no port is left: see --max-ports");
	/* It goes before the driver has said a word, and another one takes its place. */
	rig_say(rig, "remove three");
	assert_string_equal(rig_say(rig, "add four echo"), "3");
	console_hear(rig, 3, REMOVE, 0);
	console_hear(rig, 3, ADD, 0);
	console_tell(rig, 3, PORT_READY, 1);
	console_hear_more(rig, 3, NAME, 1, "four", 4);
	console_hear(rig, 3, OPEN, 1);
	console_tell(rig, 3, OPEN, 1);
	console_write(rig, 3, "hello", 5);
	console_expect(rig, 3, "hello");
	/* What the driver does not know of it is not told. */
	rig_say(rig, "remove 3");
	console_hear(rig, 3, REMOVE, 0);
	console_tell(rig, 3, OPEN, 0);
	rig_say(rig, "add five echo");
	rig_say(rig, "remove five");
	assert_string_equal(rig_say_refused(rig, "remove console"), "the console stays");
	assert_string_equal(rig_say_refused(rig, "remove five"), "no such port");
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void a_driver_without_multiport_has_a_console(void **state)
{
	struct rig *rig = *state;

	rig->config.features = ~(UINT64_C(1) << VIRTIO_CONSOLE_F_MULTIPORT | PEER_NONE |
				 UINT64_C(1) << 26 | UINT64_C(1) << 33);
	console_start(rig, 3, two_ports);
	console_write(rig, 0, "hello", 5);
	console_expect(rig, 0, "hello");
	rig_say(rig, "resize 300x70");
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void a_device_without_multiport_has_two_queues(void **state)
{
	struct rig *rig = *state;

	console_start(rig, 0, (const char *const[]){"--no-multiport", NULL});
	assert_int_equal(rig->peer->backend_queues, 2);
	console_write(rig, 0, "hello", 5);
	console_expect(rig, 0, "hello");
	assert_non_null(strstr(rig_say_refused(rig, "add two echo"), "no port is left"));
	rig_stop(rig);
}

/* A front-end that has done no more than to ask for features. */
static void emergency_connect(struct rig *rig, const char *option)
{
	rig->config.n_queues = 4;
	rig_spawn(rig, (const char *const[]){"--console", option, NULL});
	assert_int_equal(peer_new(&rig->config, &rig->peer), 0);
	rig_check(rig, peer_connect(rig->peer, rig->socket));
	rig_check(rig, peer_negotiate(rig->peer));
}

static void emergency_output_needs_no_driver(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", "before ");
	unsigned char whole[CONFIG_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, '!', '?', '?', '?'};
	char option[RIG_PATH + 8], got[32] = "";
	FILE *file;

	snprintf(option, sizeof(option), "file:%s", path);
	emergency_connect(rig, option);
	for (const char *c = "Oops"; *c; c++) {
		const uint32_t value = htole32(0xabcdef00 | (unsigned char)*c);

		rig_set_config(rig, EMERG_WR, &value, sizeof(value));
	}
	rig_set_config(rig, 0, whole, sizeof(whole)); /* as QEMU does */
	rig_get_config(rig, 0, whole, sizeof(whole));
	assert_memory_equal(whole, "\x50\0\x19\0\1\0\0\0", 8);
	rig_stop(rig);
	file = fopen(path, "r");
	assert_true(fread(got, 1, sizeof(got) - 1, file) > 0);
	fclose(file);
	assert_string_equal(got, "before Oops!");
}

static void emergency_output_waits_for_somebody_who_reads_it(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "client", NULL);
	char option[RIG_PATH + 8], got[4096];
	uint32_t value = htole32('x');
	int fd;

	snprintf(option, sizeof(option), "socket:%s", path);
	emergency_connect(rig, option);
	for (int i = 0; i < 4200; i++) /* more than are kept */
		rig_set_config(rig, EMERG_WR, &value, sizeof(value));
	fd = client_connect(path);
	client_read(fd, got, sizeof(got));
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], 'x');
	value = htole32('y');
	rig_set_config(rig, EMERG_WR, &value, sizeof(value));
	client_expect(fd, "y");
	rig_stop(rig);
	client_expect_end(fd);
	assert_true(rig_logged(rig, "nobody reads emergency output") > 0);
	assert_true(rig_logged(rig, "nobody reads emergency output") <= rig_log_limit(rig));
}

static void a_driver_from_before_goes_on_with_a_new_process(void **state)
{
	struct rig *rig = *state;
	struct chunk input;

	console_start(rig, 3, two_ports);
	console_begin(rig, 3, names, 7);
	rig_stop(rig);
	/* It says nothing, for it said everything to the one before: it just uses its ports. */
	console_start(rig, 3, two_ports);
	console_offer_input(rig, 1, &input, 100);
	console_hear(rig, 1, OPEN, 1);
	console_write(rig, 1, "hello", 5);
	assert_int_equal(console_wait_input(rig, 1, &input), 5);
	assert_memory_equal(input.buffer.data, "hello", 5);
	/* And what it says of a port is right, too. */
	console_tell(rig, 2, OPEN, 0);
	console_hear(rig, 2, OPEN, 1);
	assert_string_equal(console_ports(rig), "0 console echo host-open guest-closed\n"
						"1 org.test.one echo host-open guest-open\n"
						"2 two echo host-open guest-closed");
	/* Until another one comes. */
	console_begin(rig, 3, names, 7);
	rig_stop(rig);
}

static void command_lines_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *args[3];
		int status;
	} cases[] = {
		{{"--console=nothing"}, 2},
		{{"--console=socket"}, 2},
		{{"--console=socket:"}, 2},
		{{"--console=stdio:x"}, 2},
		{{"--console=file"}, 2},
		{{"--port=echo"}, 2},
		{{"--port==echo"}, 2},
		{{"--port=a="}, 2},
		{{"--port=a=echo", "--port=a=echo"}, 2},
		{{"--port=0123456789012345678901234567890123456789012345678901234567890123=echo"},
		 2},
		{{"--size=80"}, 2},
		{{"--max-ports=0"}, 2},
		{{"--max-ports=128"}, 2},
		{{"--max-ports=1", "--port=a=echo"}, 1},
		{{"--no-multiport", "--port=a=echo"}, 1},
		{{"--console=stdio", "--port=a=stdio"}, 1},
		{{"--console=stdio", "--control=-"}, 1},
		{{"--console=file:/nowhere/file"}, 1},
		{{"--console=file:/dev/null,in=/nowhere/file"}, 1},
		{{"--console=socket:/nowhere/socket"}, 1},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *argv[] = {getenv(rig_program), "--socket-path",  rig->socket,
				      cases[i].args[0],	   cases[i].args[1], NULL};

		spawn_run(&rig->program, argv);
		if (rig->program.status != cases[i].status)
			fail_msg("%s: status %d: %s", cases[i].args[0], rig->program.status,
				 rig->program.err);
		assert_true(*rig->program.err);
		spawn_free(&rig->program);
	}
	memset(&rig->program, 0, sizeof(rig->program));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_driver_learns_every_port_its_role_its_name_and_who_is_there),
		TEST(a_driver_that_begins_anew_is_told_everything_anew),
		TEST(bad_messages_change_nothing_and_are_logged_within_a_limit),
		TEST(messages_in_the_wrong_direction_are_given_back),
		TEST(what_follows_a_message_is_ignored),
		TEST(a_driver_that_failed_is_told_nothing),
		TEST(without_buffers_the_driver_learns_how_things_are_in_the_end),
		TEST(a_buffer_too_small_for_a_message_comes_back_empty),
		TEST(the_size_is_in_the_configuration_space_and_in_a_message),
		TEST(older_linux_gets_rows_before_columns),
		TEST(ports_come_and_go),
		TEST(a_driver_without_multiport_has_a_console),
		TEST(a_device_without_multiport_has_two_queues),
		TEST(emergency_output_needs_no_driver),
		TEST(emergency_output_waits_for_somebody_who_reads_it),
		TEST(a_driver_from_before_goes_on_with_a_new_process),
		TEST(command_lines_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
