/* SPDX-License-Identifier: MIT */
/*
 * vu-spi on chips of spidev's.  Runs in a guest whose kernel is the host here, and whose controller
 * is another vu-spi outside, with a wire as chip 0 and a flash of 1 MiB as chip 2:
 * tests/guest/spi.py.  Told "fails", the wire's next transfer does; told "gone", the driver is
 * taken away from the wire.
 */
#include "rig.h"

#include <glob.h>
#include <stdio.h>

const char *const rig_program = "VU_SPI";

enum { OK, PARAM_ERR, TRANS_ERR };
enum { HEAD = 32, MAX = 20000 };
enum { WIRE, FLASH }; /* of the one in here */
/* Where things are in the head. */
enum { CHIP, BITS, CS_CHANGE, MODE = 8, FREQ = 12 };

struct request {
	unsigned char head[HEAD];
	unsigned char data[MAX]; /* what is sent, and then what was received */
	uint32_t len;
};

static struct request *request_to(uint8_t chip, const void *data, uint32_t len)
{
	static struct request r;

	memset(r.head, 0, HEAD);
	r.head[CHIP] = chip;
	r.head[BITS] = 8;
	memcpy(r.data, data, len);
	r.len = len;
	return &r;
}

/* The result.  As many bytes are received as are sent. */
static uint8_t run(struct rig *rig, struct request *r)
{
	static unsigned char out[HEAD + MAX], in[MAX + 1];

	memcpy(out, r->head, HEAD);
	memcpy(out + HEAD, r->data, r->len);
	assert_int_equal(rig_ask(rig, 0, out, HEAD + r->len, in, r->len + 1), r->len + 1);
	memcpy(r->data, in, r->len);
	return in[r->len];
}

/* /dev/spidevB.C of this chip: whichever number the bus has. */
static const char *chip_option(char option[RIG_PATH], int chip, const char *more)
{
	char pattern[32];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/dev/spidev*.%d", chip);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	snprintf(option, RIG_PATH, "--chip=spidev:%s%s", found.gl_pathv[0], more);
	globfree(&found);
	return option;
}

static void start(struct rig *rig, const char *more)
{
	char wire[RIG_PATH], flash[RIG_PATH];
	const char *args[] = {"--control", rig->control, chip_option(wire, 0, more),
			      chip_option(flash, 2, more), NULL};

	rig->has_sandbox = true;
	rig_start(rig, args);
}

static void the_lowest_of_their_frequencies_is_said(void **state)
{
	unsigned char config[16];
	struct rig *rig = *state;
	uint32_t freq;

	start(rig, "");
	rig_get_config(rig, 0, config, sizeof(config));
	memcpy(&freq, config + 12, sizeof(freq));
	assert_int_equal(le32toh(freq), 10000000);
	assert_int_equal(config[0], 2);
	assert_int_equal(config[8], 0xf); /* no loopback of its own */
	rig_stop(rig);
}

/* More than spidev takes at once, too; in each mode, and at a clock of its own. */
static void a_wire_says_what_it_hears(void **state)
{
	static unsigned char data[MAX];
	struct rig *rig = *state;
	uint8_t mode = 0;

	for (uint32_t i = 0; i < MAX; i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (int hold = 0; hold <= 1; hold++) {
		start(rig, hold ? ":hold" : "");
		for (uint32_t len = 1; len <= MAX; len = len * 3 + 1) {
			struct request *r = request_to(WIRE, data, len);
			const uint32_t freq = htole32(1000000);

			r->head[MODE] = mode++ & 3;
			r->head[CS_CHANGE] = len & 1;
			if (mode & 4)
				memcpy(r->head + FREQ, &freq, sizeof(freq));
			assert_int_equal(run(rig, r), OK);
			assert_memory_equal(r->data, data, len);
		}
		rig_stop(rig);
	}
}

static void a_flash_is_known_programmed_read_and_erased(void **state)
{
	struct rig *rig = *state;

	for (int hold = 0; hold <= 1; hold++) {
		struct request *r;

		start(rig, hold ? ":hold" : "");
		r = request_to(FLASH, "\x9f\0\0", 4);
		r->head[CS_CHANGE] = 1;
		assert_int_equal(run(rig, r), OK);
		assert_memory_equal(r->data + 1, "\xef\x40\x14", 3);
		for (int erased = 0; erased <= 1; erased++) {
			const char *what = erased ? "\x20\1\0\0" : "\2\1\0\0hello";

			r = request_to(FLASH, "\6", 1);
			r->head[CS_CHANGE] = 1;
			assert_int_equal(run(rig, r), OK);
			r = request_to(FLASH, what, erased ? 4 : 9);
			r->head[CS_CHANGE] = 1;
			assert_int_equal(run(rig, r), OK);
			/* The other chip in between. */
			assert_int_equal(run(rig, request_to(WIRE, "x", 1)), OK);
			r = request_to(FLASH, "\3\1\0\0\0\0\0\0", 9);
			r->head[CS_CHANGE] = 1;
			assert_int_equal(run(rig, r), OK);
			assert_memory_equal(r->data + 4, erased ? "\xff\xff\xff\xff\xff" : "hello",
					    5);
		}
		rig_stop(rig);
	}
}

static void what_is_no_chip_is_named(void **state)
{
	const char *const absent[] = {"--chip=spidev:/dev/spidev9.9"};
	const char *const other[] = {"--chip=spidev:/dev/null"};

	rig_expect_refused(*state, absent, 1, "/dev/spidev9.9: No such file");
	rig_expect_refused(*state, other, 1, "/dev/null: no spidev");
}

static void a_transfer_that_fails_is_told_of(void **state)
{
	struct rig *rig = *state;

	start(rig, "");
	assert_int_equal(run(rig, request_to(WIRE, "ab", 2)), TRANS_ERR);
	assert_int_equal(run(rig, request_to(WIRE, "ab", 2)), OK);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "a transfer failed: "), 1);
}

static void a_chip_that_is_gone_is_told_of(void **state)
{
	struct rig *rig = *state;
	char path[RIG_PATH];
	FILE *unbind;

	start(rig, ":hold");
	assert_int_equal(run(rig, request_to(WIRE, "ab", 2)), OK);
	chip_option(path, 0, "");
	unbind = fopen("/sys/bus/spi/drivers/spidev/unbind", "w");
	assert_non_null(unbind);
	fprintf(unbind, "spi%s", strstr(path, "/dev/spidev") + strlen("/dev/spidev"));
	assert_int_equal(fclose(unbind), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(run(rig, request_to(WIRE, "ab", 2)), TRANS_ERR);
	/* The other one is there. */
	assert_int_equal(run(rig, request_to(FLASH, "\x9f\0\0", 4)), OK);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "a transfer failed: Cannot send after transport"), 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest well[] = {
		TEST(the_lowest_of_their_frequencies_is_said),
		TEST(a_wire_says_what_it_hears),
		TEST(a_flash_is_known_programmed_read_and_erased),
		TEST(what_is_no_chip_is_named),
	};
	const struct CMUnitTest fails[] = {TEST(a_transfer_that_fails_is_told_of)};
	const struct CMUnitTest gone[] = {TEST(a_chip_that_is_gone_is_told_of)};

	if (argc > 1 && !strcmp(argv[1], "fails"))
		return cmocka_run_group_tests(fails, NULL, NULL);
	if (argc > 1 && !strcmp(argv[1], "gone"))
		return cmocka_run_group_tests(gone, NULL, NULL);
	return cmocka_run_group_tests(well, NULL, NULL);
}
