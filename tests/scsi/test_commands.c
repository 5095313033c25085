/* SPDX-License-Identifier: MIT */
/* vu-scsi: what it says of itself and its logical units. */
#include "ask.h"

#include <stdio.h>

static void there_is_nothing_where_nothing_was_put(void **state)
{
	struct ask *ask = *state;

	ask_start(ask, (const char *const[]){"--lun=3:2,memory=1M", NULL});
	for (uint32_t target = 1; target < 256; target++)
		if (target != 3)
			assert_int_equal(ask_do(ask, target << 8, CDB(0xa0, [9] = 16), NULL, 0, 16),
					 RESPONSE | VIRTIO_SCSI_S_BAD_TARGET);
	/* The target is there, this of its logical units is not. */
	assert_int_equal(ask_ready(ask, 0x300), NO_LUN);
	assert_int_equal(ask_do(ask, 0x300, CDB(0x12, [4] = 36), NULL, 0, 36), GOOD);
	assert_int_equal(ask->data[0], 0x7f);
	assert_int_equal(ask_do(ask, 0x300, CDB(0x12, 1, [4] = 36), NULL, 0, 36), BAD_CDB);
	assert_int_equal(ask_do(ask, 0x300, CDB(3, [4] = 18), NULL, 0, 18), GOOD);
	assert_int_equal(ask->data[2], 5);
	assert_int_equal(ask->data[12], 0x25);
	/* Those of a shorter list than there are are cut off, not refused (SPC-4 6.33). */
	for (uint8_t len = 0; len < 16; len++) {
		assert_int_equal(ask_do(ask, 0x300, CDB(0xa0, [9] = len), NULL, 0, 64), GOOD);
		assert_int_equal(ask->resid, 64 - len);
	}
	assert_int_equal(ask_do(ask, 0x300, CDB(0xa0, [9] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(be32(ask->data), 8);
	assert_int_equal(be32(ask->data + 8), 2 << 16);
	assert_int_equal(ask->resid, 64 - 16);
	assert_int_equal(ask_ready(ask, 0x302), GOOD);
	rig_stop(&ask->rig);
}

static void inquiry_says_what_it_is(void **state)
{
	struct ask *ask = *state;

	ask_start(ask, (const char *const[]){"--lun=1,cd", NULL});
	assert_int_equal(ask_do(ask, 0, CDB(0x12, [4] = 255), NULL, 0, 255), GOOD);
	assert_int_equal(ask->resid, 255 - 96);
	assert_int_equal(ask->used, ANSWER + 96);
	assert_int_equal(ask->data[0], 0);
	assert_int_equal(ask->data[1], 0);
	assert_int_equal(ask->data[3] & 0xf, 2);
	assert_int_equal(ask->data[4], 91);
	assert_memory_equal(ask->data + 8, "libvu   vu-scsi disk    0001", 28);
	/* Less, if less is wanted; never more. */
	assert_int_equal(ask_do(ask, 0, CDB(0x12, [4] = 5), NULL, 0, 36), GOOD);
	assert_int_equal(ask->data[4], 91);
	assert_int_equal(ask->data[5], RIG_UNTOUCHED);
	assert_int_equal(ask->resid, 31);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x12, [4] = 36), NULL, 0, 36), GOOD);
	assert_int_equal(ask->data[0], 5);
	assert_int_equal(ask->data[1], 0x80);
	/* More than there is room for. */
	assert_int_equal(ask_do(ask, 0, CDB(0x12, [4] = 96), NULL, 0, 36),
			 RESPONSE | VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(ask_do(ask, 0, CDB(0x12, 0, 0x83, [4] = 96), NULL, 0, 96), BAD_CDB);
	assert_int_equal(ask->sense[15], 0xc0); /* which byte of it */
	assert_int_equal(ask->sense[17], 2);
	rig_stop(&ask->rig);
}

static void every_page_that_is_listed_is_there(void **state)
{
	struct ask *ask = *state;
	unsigned char pages[64];
	uint32_t n;

	ask_start(ask, (const char *const[]){"--lun=1,memory=1M,serial=hello", NULL});
	assert_int_equal(ask_do(ask, 0x100, CDB(0x12, 1, 0, [4] = 64), NULL, 0, 64), GOOD);
	n = ask->data[3];
	assert_true(n >= 6 && n <= sizeof(pages));
	memcpy(pages, ask->data + 4, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(ask_do(ask, 0x100, CDB(0x12, 1, pages[i], 1), NULL, 0, 256), GOOD);
		assert_int_equal(ask->data[1], pages[i]);
		assert_int_equal(ask->used, ANSWER + 4u + ask->data[3]);
	}
	assert_int_equal(ask_do(ask, 0x100, CDB(0x12, 1, 0x80, [4] = 64), NULL, 0, 64), GOOD);
	assert_memory_equal(ask->data + 4, "hello", 5);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x12, 1, 0x83, [4] = 96), NULL, 0, 96), GOOD);
	assert_memory_equal(ask->data + 8, "libvu   hello", 13);
	assert_int_equal(ask->data[21], 1);
	assert_int_equal(ask->data[22], 3);
	assert_int_equal(ask->data[25] >> 4, 3); /* an NAA of our own */
	rig_stop(&ask->rig);
}

static void sizes_are_those_of_the_images(void **state)
{
	struct ask *ask = *state;

	ask_start(ask, (const char *const[]){"--lun=1,null=8T,block=512",
					     "--lun=2,memory=1M,block=4096", NULL});
	assert_int_equal(ask_do(ask, 0, CDB(0x25), NULL, 0, 8), GOOD);
	assert_int_equal(be32(ask->data), IMAGE / 512 - 1);
	assert_int_equal(be32(ask->data + 4), 512);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x25), NULL, 0, 8), GOOD);
	assert_int_equal(be32(ask->data), UINT32_MAX);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x9e, 0x10, [13] = 32), NULL, 0, 32), GOOD);
	assert_int_equal(be32(ask->data), 3);
	assert_int_equal(be32(ask->data + 4), UINT32_MAX);
	assert_int_equal(be32(ask->data + 8), 512);
	assert_int_equal(ask_do(ask, 0x200, CDB(0x9e, 0x10, [13] = 32), NULL, 0, 32), GOOD);
	assert_int_equal(be32(ask->data + 4), 255);
	assert_int_equal(be32(ask->data + 8), 4096);
	assert_int_equal(ask->data[14], 0xc0); /* gives blocks back, which are zeros then */
	rig_stop(&ask->rig);
}

/* What REPORT SUPPORTED OPERATION CODES lists is what one asks for by itself. */
static void every_command_that_is_listed_is_supported(void **state)
{
	struct ask *ask = *state;
	unsigned char all[4096];
	uint32_t len;

	ask_start(ask, (const char *const[]){"--lun=1,cd", NULL});
	for (uint32_t lun = 0; lun < 0x200; lun += 0x100) {
		assert_int_equal(ask_do(ask, lun, CDB(0xa3, 0x0c, 0x80, [8] = 0x10), NULL, 0, 4096),
				 GOOD);
		len = 4 + be32(ask->data);
		assert_true(len > 4 + 15 * 20);
		memcpy(all, ask->data, len);
		for (uint32_t at = 4; at < len; at += 20) {
			uint8_t service = all[at + 5] & 1;
			uint8_t option = service ? 2 : 1;

			assert_int_equal(ask_do(ask, lun,
						CDB(0xa3, 0x0c, option, all[at], all[at + 2],
						    all[at + 3], [8] = 1),
						NULL, 0, 256),
					 GOOD);
			assert_int_equal(ask->data[1], 3);
			assert_int_equal(ask->data[3], all[at + 7]);
			assert_int_equal(ask->data[4], all[at]);
		}
	}
	assert_int_equal(ask_do(ask, 0, CDB(0xa3, 0x0c, 1, 0x04, [9] = 64), NULL, 0, 64), GOOD);
	assert_int_equal(ask->data[1], 1); /* FORMAT UNIT: not */
	assert_int_equal(ask_do(ask, 0, CDB(4), NULL, 0, 0), NO_COMMAND);
	assert_int_equal(ask_do(ask, 0, CDB(0x9e, 0x11), NULL, 0, 0), BAD_CDB);
	/* Of the wrong kind of drive. */
	assert_int_equal(ask_do(ask, 0, CDB(0x43), NULL, 0, 12), NO_COMMAND);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x2a), NULL, 0, 0), NO_COMMAND);
	rig_stop(&ask->rig);
}

/* The page of the write cache: its byte 2. */
static unsigned int cache(struct ask *ask, unsigned int values)
{
	assert_int_equal(
		ask_do(ask, 0, CDB(0x1a, 8, (uint8_t)(values << 6 | 8), [4] = 255), NULL, 0, 255),
		GOOD);
	assert_int_equal(ask->data[0], 23);
	assert_int_equal(ask->data[4] & 0x3f, 8);
	return ask->data[6];
}

static void the_write_cache_can_be_switched(void **state)
{
	struct ask *ask = *state;
	unsigned char page[24] = {[4] = 8, [5] = 0x12};

	ask_start(ask, NULL);
	assert_int_equal(cache(ask, 0), 4);
	assert_int_equal(cache(ask, 1), 4);
	assert_int_equal(ask_do(ask, 0, CDB(0x15, 0x11, [4] = 24), page, 24, 0), GOOD);
	assert_int_equal(cache(ask, 0), 0);
	assert_int_equal(cache(ask, 2), 4);
	page[6] = 5; /* another bit, which cannot be */
	assert_int_equal(ask_do(ask, 0, CDB(0x15, 0x11, [4] = 24), page, 24, 0), BAD_PARAMETER);
	assert_int_equal(ask->sense[17], 6);
	assert_int_equal(cache(ask, 0), 0);
	page[6] = 4;
	assert_int_equal(ask_do(ask, 0, CDB(0x15, 0x11, [4] = 24), page, 24, 0), GOOD);
	assert_int_equal(cache(ask, 0), 4);
	/* Cut, or of another length than it says. */
	assert_int_equal(ask_do(ask, 0, CDB(0x15, 0x11, [4] = 20), page, 20, 0), SENSE(5, 0x1a, 0));
	page[5] = 0x11;
	assert_int_equal(ask_do(ask, 0, CDB(0x15, 0x11, [4] = 24), page, 24, 0), BAD_PARAMETER);
	assert_int_equal(ask_do(ask, 0, CDB(0x15, 0x11, [4] = 24), page, 8, 0),
			 RESPONSE | VIRTIO_SCSI_S_OVERRUN);
	/* All pages, of both commands. */
	assert_int_equal(ask_do(ask, 0, CDB(0x5a, 0, 0x3f, 0xff, [7] = 1), NULL, 0, 256), GOOD);
	assert_int_equal(ask->data[7], 8);
	assert_int_equal(ask->used, ANSWER + 2u + ask->data[1]);
	assert_int_equal(ask_do(ask, 0, CDB(0x1a, 0, 0x0a, 5, 64), NULL, 0, 64), BAD_CDB);
	rig_stop(&ask->rig);
}

static void sense_data_is_told_in_the_format_that_was_set(void **state)
{
	struct ask *ask = *state;
	unsigned char page[16] = {
		[4] = 0x0a, [5] = 0x0a, [6] = 4, [7] = 0x10, [12] = 0xff, [13] = 0xff};

	ask_start(ask, NULL);
	assert_int_equal(ask_do(ask, 0, CDB(0x15, 0x10, [4] = 16), page, 16, 0), GOOD);
	assert_int_equal(ask_do(ask, 0, CDB(4), NULL, 0, 0), NO_COMMAND);
	assert_int_equal(ask->sense[0], 0x72);
	assert_int_equal(ask_do(ask, 0, CDB(0x12, 2), NULL, 0, 0), BAD_CDB);
	assert_int_equal(ask->sense[7], 8);
	assert_int_equal(ask->sense_len, 16);
	assert_int_equal(ask->sense[14], 1);
	rig_stop(&ask->rig);
}

static void a_stopped_disk_has_to_be_started(void **state)
{
	struct ask *ask = *state;

	ask_start(ask, NULL);
	assert_int_equal(ask_do(ask, 0, CDB(0x1b), NULL, 0, 0), GOOD);
	assert_int_equal(ask_ready(ask, 0), SENSE(2, 4, 2));
	assert_int_equal(ask_do(ask, 0, CDB(0x28, [8] = 1), NULL, 0, 512), SENSE(2, 4, 2));
	assert_int_equal(ask_do(ask, 0, CDB(3, [4] = 18), NULL, 0, 18), GOOD);
	assert_int_equal(ask->data[2], 2);
	assert_int_equal(ask_do(ask, 0, CDB(0x1b, [4] = 1), NULL, 0, 0), GOOD);
	assert_int_equal(ask_ready(ask, 0), GOOD);
	assert_int_equal(ask_do(ask, 0, CDB(0x1d, 4), NULL, 0, 0), GOOD);
	assert_int_equal(ask_do(ask, 0, CDB(0x1e, [4] = 1), NULL, 0, 0), BAD_CDB);
	rig_stop(&ask->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(there_is_nothing_where_nothing_was_put),
		ASK_TEST(inquiry_says_what_it_is),
		ASK_TEST(every_page_that_is_listed_is_there),
		ASK_TEST(sizes_are_those_of_the_images),
		ASK_TEST(every_command_that_is_listed_is_supported),
		ASK_TEST(the_write_cache_can_be_switched),
		ASK_TEST(sense_data_is_told_in_the_format_that_was_set),
		ASK_TEST(a_stopped_disk_has_to_be_started),
	};

	return cmocka_run_group_tests_name("scsi_commands", tests, NULL, NULL);
}
