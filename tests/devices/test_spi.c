/* SPDX-License-Identifier: MIT */
/* vu-spi: its loopback and its flash, driven as Linux does and otherwise, and hostile requests. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *const rig_program = "VU_SPI";

enum { OK, PARAM_ERR, TRANS_ERR };
enum { HEAD = 32, MAX = 9000 };
enum { WIRE, FLASH }; /* chips */
/* Where things are in the head. */
enum { CHIP, BITS, CS_CHANGE, TX_NBITS, RX_NBITS, RESERVED, MODE = 8, FREQ = 12, DELAYS = 16 };

struct request {
	unsigned char head[HEAD];
	uint32_t tx_len, rx_len;
	const void *tx;
	unsigned char rx[MAX];
};

static void request_to(struct request *r, uint8_t chip)
{
	memset(r, 0, sizeof(*r));
	r->head[CHIP] = chip;
	r->head[BITS] = 8;
}

/* The result. */
static uint8_t run(struct rig *rig, struct request *r)
{
	static unsigned char out[HEAD + MAX], in[MAX + 1];

	memcpy(out, r->head, HEAD);
	if (r->tx_len)
		memcpy(out + HEAD, r->tx, r->tx_len);
	assert_int_equal(rig_ask(rig, 0, out, HEAD + r->tx_len, in, r->rx_len + 1), r->rx_len + 1);
	memcpy(r->rx, in, r->rx_len);
	return in[r->rx_len];
}

/* A transfer as Linux makes it: in one direction, and nothing is said of the chip's selection. */
static void send(struct rig *rig, const void *data, uint32_t len)
{
	struct request r;

	request_to(&r, FLASH);
	r.tx = data;
	r.tx_len = len;
	assert_int_equal(run(rig, &r), OK);
}

static void receive(struct rig *rig, void *data, uint32_t len)
{
	struct request r;

	request_to(&r, FLASH);
	r.rx_len = len;
	assert_int_equal(run(rig, &r), OK);
	memcpy(data, r.rx, len);
}

static void expect(struct rig *rig, const void *command, uint32_t command_len, const void *wanted,
		   uint32_t len)
{
	unsigned char got[64];

	send(rig, command, 1);
	if (command_len > 1)
		send(rig, (const char *)command + 1, command_len - 1);
	receive(rig, got, len);
	assert_memory_equal(got, wanted, len);
}

static void program(struct rig *rig, const void *address, const void *data, uint32_t len)
{
	send(rig, "\6", 1);
	send(rig, "\2", 1);
	send(rig, address, 3);
	send(rig, data, len);
}

static void start(struct rig *rig, bool packed, const char *chip)
{
	const char *args[] = {"--control", rig->control, chip, NULL};

	rig->config.packed = packed;
	rig_start(rig, args);
}

static void the_configuration_says_what_the_controller_can(void **state)
{
	static const unsigned char wanted[HEAD] = {2, 1, 0, 0, 0x80, 0, 0, 0, 0x4f};
	unsigned char config[HEAD];
	struct rig *rig = *state;

	start(rig, false, NULL);
	rig_get_config(rig, 0, config, sizeof(config));
	assert_memory_equal(config, wanted, sizeof(config));
	rig_stop(rig);
}

static void a_loopback_says_what_it_hears(void **state)
{
	static unsigned char data[MAX];
	struct rig *rig = *state;
	struct request r;

	for (uint32_t i = 0; i < MAX; i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (int packed = 0; packed <= 1; packed++) {
		start(rig, packed, NULL);
		for (uint32_t len = 1; len <= MAX; len = len * 3 + 1) {
			request_to(&r, WIRE);
			r.tx = data;
			r.tx_len = r.rx_len = len;
			r.head[MODE] = 3;
			assert_int_equal(run(rig, &r), OK);
			assert_memory_equal(r.rx, data, len);
		}
		request_to(&r, WIRE);
		r.rx_len = 10; /* nothing is sent */
		assert_int_equal(run(rig, &r), OK);
		assert_memory_equal(r.rx, "\0\0\0\0\0\0\0\0\0\0", 10);
		request_to(&r, WIRE);
		assert_int_equal(run(rig, &r), OK);
		rig_stop(rig);
	}
}

static void the_controller_itself_can_loop(void **state)
{
	struct rig *rig = *state;
	struct request r;

	start(rig, false, NULL);
	request_to(&r, FLASH);
	r.tx = "\x9f???";
	r.tx_len = r.rx_len = 4;
	r.head[MODE] = 16;
	assert_int_equal(run(rig, &r), OK);
	assert_memory_equal(r.rx, "\x9f???", 4);
	rig_stop(rig);
}

static void a_flash_says_what_it_is(void **state)
{
	static const char *const options[] = {NULL, "--chip=flash", "--chip=flash:4M",
					      "--chip=flash:16M"};
	static const char *const wanted[] = {"\xef\x40\x14", "\xef\x40\x14", "\xef\x40\x16",
					     "\xef\x40\x18"};
	struct rig *rig = *state;

	for (int i = 0; i < 4; i++) {
		struct request r;

		start(rig, i & 1, options[i]);
		if (!i)
			expect(rig, "\x9f", 1, wanted[i], 3);
		/* All in one. */
		request_to(&r, i ? 0 : FLASH);
		r.tx = "\x9f\0\0\0";
		r.tx_len = r.rx_len = 4;
		assert_int_equal(run(rig, &r), OK);
		assert_memory_equal(r.rx + 1, wanted[i], 3);
		rig_stop(rig);
	}
}

static void a_flash_is_programmed_read_and_erased(void **state)
{
	struct rig *rig = *state;

	for (int packed = 0; packed <= 1; packed++) {
		start(rig, packed, NULL);
		expect(rig, "\3\1\0\0", 4, "\xff\xff\xff", 3);
		program(rig, "\1\0\0", "\x12\x34\x56", 3);
		expect(rig, "\3\1\0\0", 4, "\x12\x34\x56\xff", 4);
		/* Fast read has a byte of nothing; more of the same is read without asking anew. */
		expect(rig, "\x0b\1\0\1\0", 5, "\x34", 1);
		{
			unsigned char next[2];

			receive(rig, next, 2);
			assert_memory_equal(next, "\x56\xff", 2);
		}
		/* Bits are cleared only. */
		program(rig, "\1\0\0", "\xf0", 1);
		expect(rig, "\3\1\0\0", 4, "\x10\x34", 2);
		send(rig, "\6", 1);
		send(rig, "\x20", 1);
		send(rig, "\1\7\7", 3); /* anywhere in the block */
		expect(rig, "\3\1\0\0", 4, "\xff\xff\xff", 3);
		assert_string_equal(rig_say(rig, "get 1 0x10000 4"), "ff ff ff ff");
		rig_stop(rig);
	}
}

static void nothing_is_written_without_write_enable(void **state)
{
	struct rig *rig = *state;

	start(rig, false, NULL);
	rig_say(rig, "set 1 16 1 2 3");
	expect(rig, "\5", 1, "\0", 1);
	send(rig, "\2\0\0\x10\0\0\0", 7);
	send(rig, "\xc7", 1);
	expect(rig, "\3\0\0\x10", 4, "\1\2\3\xff", 4);
	send(rig, "\6", 1);
	expect(rig, "\5", 1, "\2\2", 2);
	send(rig, "\4", 1);
	expect(rig, "\5", 1, "\0", 1);
	/* It holds for one command. */
	program(rig, "\0\0\x10", "\0", 1);
	send(rig, "\2\0\0\x11\0", 5);
	expect(rig, "\3\0\0\x10", 4, "\0\2\3", 3);
	send(rig, "\6", 1);
	send(rig, "\x60", 1);
	expect(rig, "\3\0\0\x10", 4, "\xff\xff\xff", 3);
	rig_stop(rig);
}

static void programming_wraps_in_a_page_and_reading_in_the_chip(void **state)
{
	struct rig *rig = *state;

	start(rig, false, NULL);
	program(rig, "\0\2\xfe", "\1\2\3", 3);
	assert_string_equal(rig_say(rig, "get 1 0x200 2"), "03 ff");
	assert_string_equal(rig_say(rig, "get 1 0x2fe 3"), "01 02 ff");
	rig_say(rig, "set 1 0 7");
	rig_say(rig, "set 1 0xfffff 6");
	expect(rig, "\3\x0f\xff\xff", 4, "\6\7\xff", 3);
	rig_stop(rig);
}

/* cs_change ends a command, as does a transfer with another chip. */
static void a_command_ends_when_the_chip_is_deselected(void **state)
{
	struct rig *rig = *state;
	struct request r;

	start(rig, false, NULL);
	rig_say(rig, "set 1 0 0x9f 1 2 3");
	for (int i = 0; i < 2; i++) {
		request_to(&r, FLASH);
		r.head[CS_CHANGE] = !i;
		r.tx = "\3\0";
		r.tx_len = 2;
		assert_int_equal(run(rig, &r), OK);
		if (i) {
			request_to(&r, WIRE);
			assert_int_equal(run(rig, &r), OK);
		}
		expect(rig, "\x9f", 1, "\xef\x40\x14", 3);
	}
	rig_stop(rig);
}

static void a_flash_in_a_file_stays(void **state)
{
	struct rig *rig = *state;
	char option[RIG_PATH + 32];

	snprintf(option, sizeof(option), "--chip=flash:1M:%s", rig_file(rig, "flash", NULL));
	for (int i = 0; i < 2; i++) {
		struct request r;

		start(rig, i, option);
		if (!i)
			rig_say(rig, "set 0 0x1234 42");
		request_to(&r, 0);
		r.tx = "\3\0\x12\x34\0";
		r.tx_len = r.rx_len = 5;
		assert_int_equal(run(rig, &r), OK);
		assert_int_equal(r.rx[4], 42);
		rig_stop(rig);
	}
}

static void what_the_controller_cannot_do_is_refused(void **state)
{
	static const struct {
		uint8_t at, value;
	} cases[] = {
		{CHIP, 2},	  {CHIP, 255},	     {BITS, 0},	    {BITS, 7},
		{BITS, 16},	  {CS_CHANGE, 2},    {TX_NBITS, 2}, {RX_NBITS, 4},
		{RESERVED, 1},	  {RESERVED + 2, 1}, {MODE, 4},	    {MODE, 8},
		{MODE, 32},	  {MODE + 3, 1},     {DELAYS, 1},   {DELAYS + 4, 1},
		{DELAYS + 11, 1}, {DELAYS + 15, 1},
	};
	struct rig *rig = *state;
	struct request r;

	start(rig, false, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		request_to(&r, WIRE);
		r.tx = "abc";
		r.tx_len = r.rx_len = 3;
		r.head[cases[i].at] = cases[i].value;
		assert_int_equal(run(rig, &r), PARAM_ERR);
	}
	request_to(&r, WIRE);
	r.tx = "abc";
	r.tx_len = 3;
	r.rx_len = 4;
	assert_int_equal(run(rig, &r), PARAM_ERR);
	r.rx_len = 3;
	r.head[FREQ + 3] = 0x7f; /* any */
	r.head[TX_NBITS] = r.head[RX_NBITS] = 1;
	assert_int_equal(run(rig, &r), OK);
	assert_string_equal(rig_say(rig, "list"), "0 loopback 0 transfers 1 bytes 3\n"
						  "1 flash 1048576 transfers 0 bytes 0");
	rig_stop(rig);
}

static void requests_that_are_none_harm_nobody(void **state)
{
	static const struct {
		uint32_t out, in;
	} cases[] = {{0, 1}, {1, 1}, {31, 1}, {31, 9}, {32, 0}, {33, 0}};
	struct rig *rig = *state;

	start(rig, true, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig_buffer out, in;
		struct driver_seg segs[2];
		uint32_t n = 0;

		rig_buffer(rig, &out, 64);
		rig_buffer(rig, &in, 16);
		if (cases[i].out)
			segs[n++] = rig_read_seg(&out, cases[i].out);
		if (cases[i].in)
			segs[n++] = rig_write_seg(&in, cases[i].in);
		assert_int_equal(rig_do(rig, 0, segs, n), cases[i].in);
		if (cases[i].in)
			assert_int_equal(in.data[cases[i].in - 1], PARAM_ERR);
		assert_int_equal(in.data[cases[i].in], RIG_UNTOUCHED);
	}
	expect(rig, "\x9f", 1, "\xef\x40\x14", 3);
	rig_stop(rig);
	assert_true(rig_logged(rig, "no room for its result") >= 1);
}

static void commands_make_transfers_fail(void **state)
{
	static const char *const bad[] = {"get 2 0",	     "get 0 0",	     "get 1 0x100000",
					  "get 1 0xfffff 2", "get 1 0 5000", "set 1 0xfffff 1 2",
					  "set 1 0 256",     "fail x"};
	struct rig *rig = *state;
	struct request r;

	start(rig, false, NULL);
	rig_say(rig, "fail 0 2");
	for (int i = 0; i < 3; i++) {
		request_to(&r, WIRE);
		r.rx_len = 1;
		assert_int_equal(run(rig, &r), i < 2 ? TRANS_ERR : OK);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		rig_say_refused(rig, bad[i]);
	rig_stop(rig);
}

/* A chip that is erased takes its time; the thread hears others meanwhile. */
static void erasing_does_not_keep_the_thread(void **state)
{
	enum { N = 100 };
	struct rig *rig = *state;
	struct rig_buffer out[2], in;
	struct driver_seg segs[2][2];
	unsigned long done;

	start(rig, false, "--chip=flash:16M");
	rig_buffer(rig, &in, 1);
	for (int i = 0; i < 2; i++) {
		rig_buffer(rig, &out[i], HEAD + 1);
		memset(out[i].data, 0, HEAD);
		out[i].data[BITS] = 8;
		out[i].data[HEAD] = i ? 0xc7 : 6;
		segs[i][0] = rig_read_seg(&out[i], HEAD + 1);
		segs[i][1] = rig_write_seg(&in, 1);
	}
	for (int i = 0; i < N; i++)
		rig_offer(rig, 0, segs[i % 2], 2, &in);
	done = strtoul(strstr(rig_say(rig, "list"), "transfers ") + strlen("transfers "), NULL, 10);
	assert_in_range(done, 0, N - 1);
	for (int i = 0; i < N; i++)
		assert_ptr_equal(rig_wait(rig, 0, NULL), &in);
	assert_int_equal(in.data[0], OK);
	rig_stop(rig);
}

/* What is wrong is said of the file, and how. */
static void a_file_that_cannot_be_a_flash_is_told_of(void **state)
{
	struct rig *rig = *state;
	const char *file = rig_file(rig, "flash", NULL);
	char option[RIG_PATH + 32], pipe[RIG_PATH + 32], same[RIG_PATH + 64];
	const char *argv[] = {
		getenv(rig_program), "--socket-path", rig->socket, option, option, NULL};

	snprintf(option, sizeof(option), "--chip=flash:1M:%s", file);
	snprintf(same, sizeof(same), "vu-spi: %s: another flash is in this file", file);
	spawn_expect(argv, 1, "", same);
	snprintf(pipe, sizeof(pipe), "--chip=flash:1M:%s", "/dev/null");
	argv[3] = pipe;
	argv[4] = NULL;
	spawn_expect(argv, 1, "", "vu-spi: /dev/null: no regular file");
}

/* As those of every program: flash, flash.1, ... */
static void each_device_has_a_file_of_its_own(void **state)
{
	struct rig *rig = *state;
	const char *first = rig_file(rig, "flash", NULL), *second = rig_file(rig, "flash.1", NULL);
	char option[RIG_PATH + 32];
	const char *args[] = {"--socket-path", rig_file(rig, "other", NULL), option, NULL};

	snprintf(option, sizeof(option), "--chip=flash:1M:%s", first);
	rig->config.n_queues = 1;
	rig_start(rig, args);
	assert_int_equal(access(first, R_OK), 0);
	assert_int_equal(access(second, R_OK), 0);
	rig_stop(rig);
}

static void a_bad_option_ends_the_program(void **state)
{
	static const char *const bad[] = {
		"--chip=",
		"--chip=eeprom",
		"--chip=flash:2M",
		"--chip=loopback:1",
		"--chip=flash:1M:/nowhere/flash",
		"--chip=spidev",
		"--chip=spidev:/dev/null",
		"--chip=spidev:/dev/null:held",
		"--chip=flash:1M:/dev/null",
	};

	rig_expect_refused(*state, bad, sizeof(bad) / sizeof(*bad), "vu-spi: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_configuration_says_what_the_controller_can),
		TEST(a_loopback_says_what_it_hears),
		TEST(the_controller_itself_can_loop),
		TEST(a_flash_says_what_it_is),
		TEST(a_flash_is_programmed_read_and_erased),
		TEST(nothing_is_written_without_write_enable),
		TEST(programming_wraps_in_a_page_and_reading_in_the_chip),
		TEST(a_command_ends_when_the_chip_is_deselected),
		TEST(a_flash_in_a_file_stays),
		TEST(what_the_controller_cannot_do_is_refused),
		TEST(requests_that_are_none_harm_nobody),
		TEST(commands_make_transfers_fail),
		TEST(erasing_does_not_keep_the_thread),
		TEST(a_file_that_cannot_be_a_flash_is_told_of),
		TEST(each_device_has_a_file_of_its_own),
		TEST(a_bad_option_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
