/* SPDX-License-Identifier: MIT */
/* vu-i2c's simulated chips, and the commands that make and change them. */
#include "i2c_ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

const char *const rig_program = "VU_I2C";

static void start_with_control(struct rig *rig, const char *chips)
{
	char control[RIG_PATH + 16], option[RIG_PATH + 16];
	const char *args[] = {control, chips ? option : NULL, NULL};

	snprintf(control, sizeof(control), "--control=%s", rig->control);
	if (chips)
		snprintf(option, sizeof(option), "--chips=%s", rig_file(rig, "chips", chips));
	rig_start(rig, args);
}

/* --- chips --- */

static void check_eeprom(struct rig *rig)
{
	rig_start(rig, NULL);
	ask_expect_at(rig, EEPROM, 0xf0, "\xff\xff\xff\xff", 4);
	ask_write(rig, EEPROM, "\x20hello", 6);
	ask_expect_at(rig, EEPROM, 0x1f, "\xffhello\xff", 7);
	rig_stop(rig);
}

static void an_eeprom_holds_what_is_written(void **state)
{
	check_eeprom(*state);
}

static void an_eeprom_holds_what_is_written_over_packed_rings(void **state)
{
	((struct rig *)*state)->config.packed = true;
	check_eeprom(*state);
}

static void a_page_write_wraps_within_its_page(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	ask_write(rig, EEPROM,
		  "\x26"
		  "abcd",
		  5);
	ask_expect_at(rig, EEPROM, 0x1f,
		      "\xff"
		      "cd\xff\xff\xff\xff"
		      "ab\xff",
		      10);
	/* The last eight of ten remain; the address after them is inside the page, too. */
	ask_write(rig, EEPROM,
		  "\x30"
		  "0123456789",
		  11);
	ask_expect(rig, EEPROM, "2", 1);
	ask_expect_at(rig, EEPROM, 0x30, "89234567", 8);
	rig_stop(rig);
}

static void a_read_goes_on_from_the_current_address_and_wraps(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	ask_write(rig, EEPROM, "\xfexy", 3);
	ask_write(rig, EEPROM, "\x00z", 2);
	ask_expect_at(rig, EEPROM, 0xfe, "x", 1);
	ask_expect(rig, EEPROM, "yz\xff", 3);
	ask_expect(rig, EEPROM, "\xff", 1);
	/* Around the whole chip, to the same place. */
	ask_write(rig, EEPROM, "\xfe", 1);
	assert_int_equal(ask_transfer(rig, EEPROM, READ, (unsigned char[256]){0}, 256), OK);
	ask_expect(rig, EEPROM, "xyz", 3);
	rig_stop(rig);
}

static void a_zero_length_request_finds_a_chip_or_nobody(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), OK);
	assert_int_equal(ask_transfer(rig, EEPROM, READ, NULL, 0), OK);
	assert_int_equal(ask_transfer(rig, SENSOR, 0, NULL, 0), OK);
	assert_int_equal(ask_transfer(rig, NOBODY, 0, NULL, 0), ERR);
	assert_int_equal(ask_transfer(rig, NOBODY, READ, NULL, 0), ERR);
	rig_stop(rig);
}

static void chips_with_ten_bit_addresses_are_others(void **state)
{
	struct rig *rig = *state;
	enum { TEN_150 = 0x50 << 8 | 0xf0 | 1 << 1, TEN_050 = 0x50 << 8 | 0xf0, TEN_3FF = 0xfff6 };

	start_with_control(rig, "registers 0x150/10\nreg 0x150/10 0 0x42\nregisters 0x3ff/10\n");
	ask_expect_at(rig, TEN_150, 0, "\x42", 1);
	assert_int_equal(ask_transfer(rig, TEN_3FF, 0, NULL, 0), OK);
	assert_int_equal(ask_transfer(rig, TEN_050, 0, NULL, 0), ERR);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), ERR);
	assert_string_equal(rig_say(rig, "list"), "registers 0x150/10\nregisters 0x3ff/10");
	rig_stop(rig);
}

static void registers_are_read_most_significant_byte_first(void **state)
{
	struct rig *rig = *state;

	start_with_control(rig, "registers 0x48\nreg 0x48 0 0x1234 16\nreg 0x48 1 0x56\n"
				"reg 0x48 3 0x789abc 24\nreg 0x48 4 0xdeadbeef 32\n");
	ask_expect_at(rig, SENSOR, 0, "\x12\x34\x56\xff\x78\x9a\xbc\xde\xad\xbe\xef\xff", 12);
	/* A sensor keeps its pointer. */
	ask_expect(rig, SENSOR, "\x12\x34", 2);
	ask_expect(rig, SENSOR, "\x12", 1);
	ask_expect_at(rig, SENSOR, 3, "\x78\x9a", 2);
	rig_stop(rig);
}

static void the_host_hears_of_registers_that_the_guest_writes(void **state)
{
	struct rig *rig = *state;

	start_with_control(rig, NULL);
	ask_write(rig, SENSOR, "\x01\x60", 2);
	assert_string_equal(rig_hear(rig), "written 0x48 0x01 0x60");
	/* Two registers at once; of the third only a byte comes. */
	ask_write(rig, SENSOR, "\x01\x20\x3c\x00\x46", 5);
	assert_string_equal(rig_hear(rig), "written 0x48 0x01 0x20");
	assert_string_equal(rig_hear(rig), "written 0x48 0x02 0x3c00");
	ask_expect_at(rig, SENSOR, 1, "\x20\x3c\x00\x50\x00", 5);
	/* The temperature is the sensor's own. */
	ask_write(rig, SENSOR, "\x00\x7f\x00", 3);
	ask_expect_at(rig, SENSOR, 0, "\x19\x00", 2);
	rig_stop(rig);
}

/* --- scripts --- */

static void the_host_sets_what_the_guest_reads(void **state)
{
	struct rig *rig = *state;

	start_with_control(rig, NULL);
	rig_say(rig, "reg 0x48 0x00 0x2a80");
	ask_expect_at(rig, SENSOR, 0, "\x2a\x80", 2);
	assert_string_equal(rig_say(rig, "get 0x48 0"), "0x2a80");
	rig_say(rig, "reg 0x50 7 0x41");
	ask_expect_at(rig, EEPROM, 7, "A", 1);
	ask_write(rig, EEPROM, "\x08Z", 2);
	assert_string_equal(rig_say(rig, "get 0x50 8"), "0x5a");
	rig_stop(rig);
}

static void chips_come_and_go(void **state)
{
	struct rig *rig = *state;

	start_with_control(rig, NULL);
	rig_say(rig, "remove 0x50");
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), ERR);
	rig_say(rig, "eeprom 0x33");
	ask_expect_at(rig, NOBODY, 0, "\xff", 1);
	assert_string_equal(rig_say(rig, "list"), "eeprom 0x33 24c02\nregisters 0x48");
	rig_stop(rig);
}

static void transfers_fail_as_often_as_told(void **state)
{
	struct rig *rig = *state;
	struct ask a, b;

	start_with_control(rig, NULL);
	rig_say(rig, "nak");
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), ERR);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), OK);
	/* A group is one transfer. */
	rig_say(rig, "nak 2");
	ask_make(rig, &a, SENSOR, MORE, "\0", 1);
	ask_make(rig, &b, SENSOR, READ, NULL, 2);
	ask_add(rig, &a);
	ask_add(rig, &b);
	assert_int_equal(ask_wait(rig, &a), ERR);
	assert_int_equal(ask_wait(rig, &b), ERR);
	assert_int_equal(ask_transfer(rig, SENSOR, 0, NULL, 0), ERR);
	assert_int_equal(ask_transfer(rig, SENSOR, 0, NULL, 0), OK);
	rig_say(rig, "nak 5");
	rig_say(rig, "nak 0");
	assert_int_equal(ask_transfer(rig, SENSOR, 0, NULL, 0), OK);
	rig_stop(rig);
}

static void wrong_commands_are_refused_with_a_reason(void **state)
{
	static const char *const wrong[] = {
		"eeprom 0x50",
		"eeprom 0x80",
		"eeprom 0x51 /",
		"eeprom 0x51 f rw",
		"eeprom 0x51 24c256 f rw",
		"eeprom 0x51 24c256 f ro more",
		"registers 0x49 crc",
		"registers 0x49/10 pec",
		"reg 0x50 256 0",
		"eeprom",
		"registers 0x48",
		"registers x",
		"reg 0x33 0 0",
		"reg 0x48 256 0",
		"reg 0x48 0 0x10000",
		"reg 0x48 5 0x100",
		"reg 0x48 5 1 12",
		"reg 0x48 5 1 64",
		"reg 0x48 5 1 maybe",
		"reg 0x48 5 -1",
		"reg 0x50 0 1 16",
		"get 0x48 5",
		"get 0x48 -1",
		"get 0x400/10 0",
		"remove 0x51",
		"remove 0x50/7",
		"nak once",
		"registers 0x00000000000000000033",
	};
	struct rig *rig = *state;

	start_with_control(rig, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_true(strlen(rig_say_refused(rig, wrong[i])) > 3);
	/* Nothing came of it. */
	assert_string_equal(rig_say(rig, "list"), "registers 0x48\neeprom 0x50 24c02");
	ask_expect_at(rig, SENSOR, 0, "\x19\x00\x00\x4b\x00\x50\x00\xff", 8);
	rig_stop(rig);
}

static void expect_file(const char *path, size_t at, const char *wanted)
{
	char got[257] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(read(fd, got, sizeof(got)), 256);
	close(fd);
	assert_memory_equal(got + at, wanted, strlen(wanted));
}

static void an_eeprom_lives_in_its_file(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "eeprom", "from the host");
	char line[RIG_PATH + 32];
	int fd;

	snprintf(line, sizeof(line), "eeprom 0x50 %s # in a file\n", path);
	start_with_control(rig, line);
	ask_expect_at(rig, EEPROM, 5, "the host\xff", 9);
	ask_write(rig, EEPROM, "\x05OUR", 4);
	expect_file(path, 0, "from OUR host\xff");
	/* The host may change it at any time, even make it shorter. */
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "FROM", 4), 4);
	close(fd);
	ask_expect_at(rig, EEPROM, 0, "FROM\xff", 5);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, (char[]){"\x06!"}, 2), OK);
	snprintf(line, sizeof(line), "eeprom 0x51 %s", path);
	assert_string_equal(rig_say_refused(rig, line), "another EEPROM is in this file");
	rig_stop(rig);
}

static void each_device_of_a_program_has_chips_of_its_own(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "eeprom", "of the first");
	const char *path_1 = rig_file(rig, "eeprom.1", "of the second");
	const char *socket_1 = rig_file(rig, "sock.1", NULL);
	char line[RIG_PATH + 32], option[RIG_PATH + 16];
	const char *args[] = {option, "--socket-path", socket_1, NULL};

	snprintf(line, sizeof(line), "eeprom 0x50 %s\n", path);
	snprintf(option, sizeof(option), "--chips=%s", rig_file(rig, "chips", line));
	rig_start(rig, args);
	ask_expect_at(rig, EEPROM, 0, "of the first\xff", 13);
	snprintf(rig->socket, sizeof(rig->socket), "%s", socket_1);
	rig_connect(rig);
	ask_expect_at(rig, EEPROM, 0, "of the second\xff", 14);
	ask_write(rig, EEPROM, "\0ON", 3);
	rig_stop(rig);
	expect_file(path, 0, "of the first\xff");
	expect_file(path_1, 0, "ON the second\xff");
}

static void a_read_only_eeprom_refuses_data_but_not_addresses(void **state)
{
	struct rig *rig = *state;
	char line[RIG_PATH + 32];

	snprintf(line, sizeof(line), "eeprom 0x50 %s ro\n", rig_file(rig, "eeprom", "fixed"));
	start_with_control(rig, line);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, (char[]){"\x01X"}, 2), ERR);
	ask_expect_at(rig, EEPROM, 0, "fixed\xff", 6);
	rig_say_refused(rig, "reg 0x50 0 0");
	rig_stop(rig);
}

static void a_file_that_is_no_eeprom_is_refused(void **state)
{
	struct rig *rig = *state;
	char line[RIG_PATH + 32], large[300];

	start_with_control(rig, NULL);
	memset(large, 'x', sizeof(large) - 1);
	large[257] = '\0';
	snprintf(line, sizeof(line), "eeprom 0x51 %s", rig_file(rig, "large", large));
	assert_string_equal(rig_say_refused(rig, line), strerror(EFBIG));
	rig_say_refused(rig, "eeprom 0x51 /dev/null");
	rig_say_refused(rig, "eeprom 0x51 /nowhere/at/all");
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_eeprom_holds_what_is_written),
		TEST(an_eeprom_holds_what_is_written_over_packed_rings),
		TEST(a_page_write_wraps_within_its_page),
		TEST(a_read_goes_on_from_the_current_address_and_wraps),
		TEST(a_zero_length_request_finds_a_chip_or_nobody),
		TEST(chips_with_ten_bit_addresses_are_others),
		TEST(registers_are_read_most_significant_byte_first),
		TEST(the_host_hears_of_registers_that_the_guest_writes),
		TEST(the_host_sets_what_the_guest_reads),
		TEST(chips_come_and_go),
		TEST(transfers_fail_as_often_as_told),
		TEST(wrong_commands_are_refused_with_a_reason),
		TEST(an_eeprom_lives_in_its_file),
		TEST(each_device_of_a_program_has_chips_of_its_own),
		TEST(a_read_only_eeprom_refuses_data_but_not_addresses),
		TEST(a_file_that_is_no_eeprom_is_refused),
	};

	return cmocka_run_group_tests_name("i2c", tests, NULL, NULL);
}
