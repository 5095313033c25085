/* SPDX-License-Identifier: MIT */
/* vu-i2c's larger EEPROMs, and its registers with packet error codes. */
#include "i2c_ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const rig_program = "VU_I2C";

static void start(struct rig *rig, const char *chips)
{
	char control[RIG_PATH + 16], option[RIG_PATH + 16];

	snprintf(control, sizeof(control), "--control=%s", rig->control);
	snprintf(option, sizeof(option), "--chips=%s", rig_file(rig, "chips", chips));
	rig_start(rig, (const char *[]){control, option, NULL});
}

/* --- EEPROMs with addresses of 16 bits --- */

static void put(struct rig *rig, uint16_t at, const char *text, uint32_t len)
{
	unsigned char data[64] = {(unsigned char)(at >> 8), (unsigned char)at};

	memcpy(data + 2, text, len);
	ask_write(rig, EEPROM, data, len + 2);
}

static void expect_at(struct rig *rig, uint16_t at, const char *wanted, uint32_t len)
{
	put(rig, at, "", 0);
	ask_expect(rig, EEPROM, wanted, len);
}

static void a_large_eeprom_has_addresses_of_two_bytes(void **state)
{
	struct rig *rig = *state;

	start(rig, "eeprom 0x50 24c512\n");
	put(rig, 0x1234, "hello", 5);
	put(rig, 0xffff, "z", 1);
	expect_at(rig, 0x1233, "\xffhello\xff", 7);
	expect_at(rig, 0x0034, "\xff\xff", 2);
	/* From the last byte to the first. */
	put(rig, 0, "a", 1);
	expect_at(rig, 0xfffe, "\xffza\xff", 4);
	assert_string_equal(rig_say(rig, "get 0x50 0xffff"), "0x7a");
	rig_say(rig, "reg 0x50 0x8000 0x42");
	expect_at(rig, 0x8000, "B", 1);
	assert_string_equal(rig_say(rig, "list"), "eeprom 0x50 24c512");
	rig_stop(rig);
}

static void bits_beyond_the_chip_are_no_part_of_an_address(void **state)
{
	struct rig *rig = *state;

	start(rig, "eeprom 0x50 24c32\n");
	put(rig, 0xf010, "x", 1);
	expect_at(rig, 0x0010, "x", 1);
	expect_at(rig, 0x1010, "x", 1);
	rig_say_refused(rig, "get 0x50 4096");
	rig_stop(rig);
}

/* Half an address, as i2cdetect and i2cget send it, reads from somewhere and harms nothing. */
static void half_an_address_writes_nothing(void **state)
{
	struct rig *rig = *state;

	start(rig, "eeprom 0x50 24c256\n");
	put(rig, 0x0142, "yes", 3);
	put(rig, 0x0242, "", 0);
	ask_write(rig, EEPROM, "\x01", 1);
	ask_expect(rig, EEPROM, "yes\xff", 4);
	rig_stop(rig);
}

static void expect_page(struct rig *rig, const char *type, uint32_t page)
{
	static const char text[] = "0123456789";
	char line[64];

	snprintf(line, sizeof(line), "eeprom 0x50 %s", type);
	rig_say(rig, line);
	put(rig, (uint16_t)(3 * page - 4), text, 10);
	expect_at(rig, (uint16_t)(3 * page - 5),
		  "\xff"
		  "0123\xff",
		  6);
	expect_at(rig, (uint16_t)(2 * page), "456789\xff", 7);
	/* A read goes on where the write ended. */
	put(rig, (uint16_t)(5 * page - 1), "e", 1);
	put(rig, (uint16_t)(4 * page), "b", 1);
	put(rig, (uint16_t)(5 * page - 1), "E", 1);
	ask_expect(rig, EEPROM, "b", 1);
	rig_say(rig, "remove 0x50");
}

static void each_type_wraps_within_pages_of_its_size(void **state)
{
	struct rig *rig = *state;

	start(rig, "registers 0x48\n");
	expect_page(rig, "24c32", 32);
	expect_page(rig, "24c64", 32);
	expect_page(rig, "24c128", 64);
	expect_page(rig, "24c256", 64);
	expect_page(rig, "24c512", 128);
	rig_stop(rig);
}

static void a_file_is_filled_up_to_the_size_of_its_type(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "eeprom", "from the host");
	char line[RIG_PATH + 32];
	unsigned char end[3];
	struct stat st;
	int fd;

	snprintf(line, sizeof(line), "eeprom 0x50 24c64 %s\n", path);
	start(rig, line);
	expect_at(rig, 5, "the host\xff", 9);
	put(rig, 8190, "!", 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 8192);
	assert_int_equal(pread(fd, end, 3, 8189), 3);
	assert_memory_equal(end, "\xff!\xff", 3);
	close(fd);
	/* Too large for a smaller one; and read-only for a guest that may only look. */
	rig_say(rig, "remove 0x50");
	snprintf(line, sizeof(line), "eeprom 0x50 24c32 %s", path);
	assert_string_equal(rig_say_refused(rig, line), strerror(EFBIG));
	snprintf(line, sizeof(line), "eeprom 0x50 24c64 %s ro", path);
	rig_say(rig, line);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, (char[]){"\0\x05X"}, 3), ERR);
	expect_at(rig, 5, "the", 3);
	rig_stop(rig);
}

/* --- packet error codes --- */

/* x^8 + x^2 + x + 1, bit by bit. */
static unsigned char code(const unsigned char *data, size_t len)
{
	unsigned int crc = 0;

	for (size_t i = 0; i < len * 8; i++) {
		unsigned int bit = data[i / 8] >> (7 - i % 8) & 1;

		crc = (crc << 1 ^ ((crc >> 7 ^ bit) & 1 ? 0x07 : 0)) & 0xff;
	}
	return (unsigned char)crc;
}

enum { W = 0x48 << 1, R = W | 1 };

static const char with_codes[] = "registers 0x48 pec\n"
				 "reg 0x48 0 0x1900 16\n"
				 "reg 0x48 1 0x60 rw\n"
				 "reg 0x48 2 0x4b00 16 rw\n";

static void the_code_of_the_standard_example_is_right(void **state)
{
	/* The check value of CRC-8 over "123456789". */
	assert_int_equal(code((const unsigned char *)"123456789", 9), 0xf4);
}

static void a_read_ends_with_the_code_of_the_whole_transfer(void **state)
{
	struct rig *rig = *state;
	unsigned char word[] = {W, 0, R, 0x19, 0x00, 0, 0xff}, byte[] = {W, 1, R, 0x60, 0};
	unsigned char plain[] = {R, 0x60, 0};

	start(rig, with_codes);
	word[5] = code(word, 5);
	ask_expect_at(rig, SENSOR, 0, word + 3, 4);
	byte[4] = code(byte, 4);
	ask_expect_at(rig, SENSOR, 1, byte + 3, 2);
	/* Without a write in the same transfer it is another. */
	plain[2] = code(plain, 2);
	ask_expect(rig, SENSOR, plain + 1, 2);
	/* Whoever does not ask for it does not get it. */
	ask_expect_at(rig, SENSOR, 0, "\x19\x00", 2);
	rig_stop(rig);
}

static void a_write_with_a_wrong_code_is_refused_and_forgotten(void **state)
{
	struct rig *rig = *state;
	unsigned char word[] = {W, 2, 0x12, 0x34, 0}, byte[] = {W, 1, 0x7f, 0}, send[] = {W, 2, 0};
	unsigned char read[] = {R, 0x12, 0x34, 0};

	start(rig, with_codes);
	word[4] = code(word, 4);
	byte[3] = code(byte, 3);
	send[2] = code(send, 2);
	read[3] = code(read, 3);
	ask_write(rig, SENSOR, word + 1, 4);
	assert_string_equal(rig_hear(rig), "written 0x48 0x02 0x1234");
	ask_write(rig, SENSOR, byte + 1, 3);
	assert_string_equal(rig_hear(rig), "written 0x48 0x01 0x7f");
	ask_write(rig, SENSOR, send + 1, 2);
	ask_expect(rig, SENSOR, read + 1, 3);
	/* Each bit counts. */
	for (unsigned int bit = 0; bit < 8; bit++) {
		word[2] = 0x55;
		word[4] = (unsigned char)(code(word, 4) ^ 1u << bit);
		assert_int_equal(ask_transfer(rig, SENSOR, 0, word + 1, 4), ERR);
	}
	assert_string_equal(rig_say(rig, "get 0x48 2"), "0x1234");
	/* Without one it is as ever. */
	ask_write(rig, SENSOR, "\x02\x56\x78", 3);
	assert_string_equal(rig_hear(rig), "written 0x48 0x02 0x5678");
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_large_eeprom_has_addresses_of_two_bytes),
		TEST(bits_beyond_the_chip_are_no_part_of_an_address),
		TEST(half_an_address_writes_nothing),
		TEST(each_type_wraps_within_pages_of_its_size),
		TEST(a_file_is_filled_up_to_the_size_of_its_type),
		TEST(the_code_of_the_standard_example_is_right),
		TEST(a_read_ends_with_the_code_of_the_whole_transfer),
		TEST(a_write_with_a_wrong_code_is_refused_and_forgotten),
	};

	return cmocka_run_group_tests_name("i2c_chips", tests, NULL, NULL);
}
