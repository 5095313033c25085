/* SPDX-License-Identifier: MIT */
/* vu-scsi: blocks that are read, written, given back and compared. */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 512, MANY = 600 };

static void expect(struct ask *ask, uint64_t sector, uint32_t n, const unsigned char *want)
{
	const unsigned char *cdb = CDB(0x28, 0, 0, 0, (uint8_t)(sector >> 8), (uint8_t)sector, 0,
				       (uint8_t)(n >> 8), (uint8_t)n);

	assert_int_equal(ask_do(ask, 0, cdb, NULL, 0, n * BLOCK), GOOD);
	assert_int_equal(ask->resid, 0);
	assert_int_equal(ask->used, ANSWER + n * BLOCK);
	assert_memory_equal(ask->data, want, n * BLOCK);
}

/* All lengths of CDBs, at block 300, four blocks. */
static void all_commands_read_and_write(void **state)
{
	static const struct {
		unsigned char read[ASK_CDB], write[ASK_CDB];
	} forms[] = {
		{{0x08, 0, 1, 44, 4}, {0x0a, 0, 1, 44, 4}},
		{{0x28, 0, 0, 0, 1, 44, 0, 0, 4}, {0x2a, 8, 0, 0, 1, 44, 0, 0, 4}},
		{{0xa8, 0, 0, 0, 1, 44, 0, 0, 0, 4}, {0xaa, 0, 0, 0, 1, 44, 0, 0, 0, 4}},
		{{0x88, [8] = 1, [9] = 44, [13] = 4}, {0x8a, [8] = 1, [9] = 44, [13] = 4}},
	};
	struct ask *ask = *state;
	unsigned char data[4 * BLOCK], image[4 * BLOCK];

	ask_start(ask, NULL);
	image_fill(data, 300, 4 * BLOCK);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_int_equal(ask_do(ask, 0, forms[i].read, NULL, 0, sizeof(data)), GOOD);
		assert_memory_equal(ask->data, data, sizeof(data));
		image_fill(data, 1000 + i, 4 * BLOCK);
		assert_int_equal(ask_do(ask, 0, forms[i].write, data, sizeof(data), 0), GOOD);
		assert_int_equal(ask->resid, 0);
		assert_int_equal(ask->used, ANSWER);
		image_read(ask->image, 300 * BLOCK, image, sizeof(image));
		assert_memory_equal(image, data, sizeof(data));
	}
	/* Of READ(6) 0 means 256, of the others nothing. */
	assert_int_equal(ask_do(ask, 0, CDB(8), NULL, 0, 256 * BLOCK), GOOD);
	assert_int_equal(ask->data[255 * BLOCK], image_byte(255));
	assert_int_equal(ask_do(ask, 0, CDB(0x28), NULL, 0, BLOCK), GOOD);
	assert_int_equal(ask->resid, BLOCK);
	assert_int_equal(ask_do(ask, 0, CDB(0x35), NULL, 0, 0), GOOD);
	assert_int_equal(ask_do(ask, 0, CDB(0x34, [8] = 1), NULL, 0, 0), MET);
	rig_stop(&ask->rig);
}

static void what_is_beyond_the_end_is_refused(void **state)
{
	struct ask *ask = *state;
	const uint8_t hi = (IMAGE / BLOCK) >> 8 & 0xff, lo = (IMAGE / BLOCK) & 0xff;
	const int lba = SENSE(5, 0x21, 0);
	unsigned char data[2 * BLOCK] = {0};

	ask_start(ask, NULL);
	assert_int_equal(ask_do(ask, 0, CDB(0x28, 0, 0, 0, hi, lo, 0, 0, 1), NULL, 0, BLOCK), lba);
	assert_int_equal(
		ask_do(ask, 0, CDB(0x2a, 0, 0, 0, hi - 1, 255, 0, 0, 2), data, 2 * BLOCK, 0), lba);
	assert_int_equal(ask_do(ask, 0,
				CDB(0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1),
				NULL, 0, BLOCK),
			 lba);
	assert_int_equal(
		ask_do(ask, 0, CDB(0x8a, 0, 0x80, [10] = 255, 255, 255, 255), data, BLOCK, 0), lba);
	assert_int_equal(ask_do(ask, 0, CDB(0x88, [10] = 255, 255, 255, 255), NULL, 0, BLOCK), lba);
	/* A CDB that wants more than the buffers have. */
	assert_int_equal(ask_do(ask, 0, CDB(0x28, [8] = 2), NULL, 0, 2 * BLOCK - 1),
			 RESPONSE | VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(ask_do(ask, 0, CDB(0x2a, [8] = 2), data, BLOCK, 0),
			 RESPONSE | VIRTIO_SCSI_S_OVERRUN);
	/* In the wrong direction. */
	assert_int_equal(ask_do(ask, 0, CDB(0x2a, [8] = 1), NULL, 0, BLOCK),
			 RESPONSE | VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(ask_do(ask, 0, CDB(0x28, 0x20, [8] = 1), NULL, 0, BLOCK), BAD_CDB);
	rig_stop(&ask->rig);
}

static void blocks_are_given_back(void **state)
{
	struct ask *ask = *state;
	static const unsigned char zeros[32 * BLOCK];
	unsigned char list[8 + 2 * 16] = {0, 38, 0, 32, [15] = 16, [19] = 8, [31] = 64, [35] = 0};
	unsigned char beyond[8 + 16] = {0, 22, 0, 16, [12] = 1, [19] = 8};
	unsigned char pattern[BLOCK], data[8 * BLOCK];

	ask_start(ask, NULL);
	assert_int_equal(ask_do(ask, 0, CDB(0x42, [8] = sizeof(list)), list, sizeof(list), 0),
			 GOOD);
	expect(ask, 16, 8, zeros);
	image_fill(data, 24, 8 * BLOCK);
	expect(ask, 24, 8, data);
	assert_int_equal(ask_do(ask, 0, CDB(0x42, [8] = sizeof(beyond)), beyond, sizeof(beyond), 0),
			 SENSE(5, 0x21, 0));
	assert_int_equal(ask_do(ask, 0, CDB(0x42, [8] = 7), list, 7, 0), SENSE(5, 0x1a, 0));
	/* WRITE SAME: zeros, with data and without; a pattern of more than a buffer. */
	assert_int_equal(ask_do(ask, 0, CDB(0x93, 1 | 8, [9] = 40, [13] = 32), NULL, 0, 0), GOOD);
	expect(ask, 40, 32, zeros);
	assert_int_equal(ask_do(ask, 0, CDB(0x41, 0, 0, 0, 0, 80, 0, 0, 8), zeros, BLOCK, 0), GOOD);
	expect(ask, 80, 8, zeros);
	memset(pattern, 0x5a, sizeof(pattern));
	assert_int_equal(ask_do(ask, 0, CDB(0x41, 0, 0, 0, 4, 0, 0, MANY >> 8, MANY & 255), pattern,
				BLOCK, 0),
			 GOOD);
	memset(data, 0x5a, sizeof(data));
	expect(ask, 1024, 8, data);
	expect(ask, 1024 + MANY - 8, 8, data);
	image_fill(data, 1024 + MANY, 8 * BLOCK);
	expect(ask, 1024 + MANY, 8, data);
	assert_int_equal(ask_do(ask, 0, CDB(0x41), pattern, BLOCK, 0), BAD_CDB);
	assert_int_equal(ask_do(ask, 0, CDB(0x41, [8] = 1), pattern, BLOCK - 1, 0),
			 RESPONSE | VIRTIO_SCSI_S_OVERRUN);
	rig_stop(&ask->rig);
}

static void compare_and_write_writes_only_what_it_expects(void **state)
{
	const unsigned char *cdb = CDB(0x89, [9] = 50, [13] = 2);
	struct ask *ask = *state;
	unsigned char data[4 * BLOCK];

	ask_start(ask, NULL);
	image_fill(data, 50, 2 * BLOCK);
	image_fill(data + 2 * BLOCK, 700, 2 * BLOCK);
	assert_int_equal(ask_do(ask, 0, cdb, data, sizeof(data), 0), GOOD);
	expect(ask, 50, 2, data + 2 * BLOCK);
	assert_int_equal(ask_do(ask, 0, cdb, data, sizeof(data), 0), SENSE(14, 0x1d, 0));
	expect(ask, 50, 2, data + 2 * BLOCK);
	/* It is free for the next. */
	memcpy(data, data + 2 * BLOCK, 2 * BLOCK);
	assert_int_equal(ask_do(ask, 0, cdb, data, sizeof(data), 0), GOOD);
	assert_int_equal(ask_do(ask, 0, cdb, data, 3 * BLOCK, 0), RESPONSE | VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(ask_do(ask, 0, CDB(0x89, [13] = 161), data, sizeof(data), 0), BAD_CDB);
	rig_stop(&ask->rig);
}

static void verify_compares(void **state)
{
	const uint32_t n = MANY;
	unsigned char *data = malloc((size_t)n * BLOCK);
	struct ask *ask = *state;

	ask_start(ask, NULL);
	assert_int_equal(ask_do(ask, 0, CDB(0x2f, [8] = 255), NULL, 0, 0), GOOD);
	image_fill(data, 100, n * BLOCK);
	assert_int_equal(
		ask_do(ask, 0, CDB(0x2f, 2, 0, 0, 0, 100, 0, n >> 8, n & 255), data, n * BLOCK, 0),
		GOOD);
	assert_int_equal(ask->resid, 0);
	data[n * BLOCK - 1]++;
	assert_int_equal(
		ask_do(ask, 0, CDB(0x2f, 2, 0, 0, 0, 100, 0, n >> 8, n & 255), data, n * BLOCK, 0),
		SENSE(14, 0x1d, 0));
	/* All blocks like one. */
	assert_int_equal(ask_do(ask, 0, CDB(0x8f, 6, [9] = 100, [13] = 1), data, BLOCK, 0), GOOD);
	assert_int_equal(ask_do(ask, 0, CDB(0x8f, 6, [9] = 100, [13] = 2), data, BLOCK, 0),
			 SENSE(14, 0x1d, 0));
	assert_int_equal(ask_do(ask, 0, CDB(0x2f, 4, [8] = 1), NULL, 0, 0), BAD_CDB);
	free(data);
	rig_stop(&ask->rig);
}

static void a_read_only_disk_is_not_written(void **state)
{
	struct ask *ask = *state;
	const int protected = SENSE(7, 0x27, 0);
	unsigned char data[2 * BLOCK] = {0};
	char lun[128];

	image_make(ask->image, IMAGE);
	snprintf(lun, sizeof(lun), "--lun=file=%s,read-only", ask->image);
	ask_start_bare(ask, (const char *const[]){lun, "--num-queues=2", NULL});
	assert_int_equal(ask_do(ask, 0, CDB(0x2a, [8] = 1), data, BLOCK, 0), protected);
	assert_int_equal(ask_do(ask, 0, CDB(0x41, [8] = 1), data, BLOCK, 0), protected);
	assert_int_equal(ask_do(ask, 0, CDB(0x42, [8] = 24), data, 24, 0), protected);
	assert_int_equal(ask_do(ask, 0, CDB(0x89, [13] = 1), data, 2 * BLOCK, 0), protected);
	assert_int_equal(ask_do(ask, 0, CDB(0x1a, 8, 8, 0, 64), NULL, 0, 64), GOOD);
	assert_int_equal(ask->data[2] & 0x80, 0x80);
	image_fill(data, 0, 2 * BLOCK);
	expect(ask, 0, 2, data);
	rig_stop(&ask->rig);
}

/* Memory, and blocks of 4 KiB; both queues, several logical units each. */
static void several_disks_are_used_on_several_queues(void **state)
{
	struct ask *ask = *state;
	unsigned char data[8192], other[8192];

	ask_start(ask, (const char *const[]){"--lun=1,memory=1M,block=4096", "--lun=1:7,memory=1M",
					     NULL});
	memset(data, 1, sizeof(data));
	memset(other, 2, sizeof(other));
	assert_int_equal(ask_on(ask, REQUESTQ, 0x100, CDB(0x2a, [5] = 1, [8] = 2), data, 8192, 0),
			 GOOD);
	assert_int_equal(
		ask_on(ask, REQUESTQ + 1, 0x107, CDB(0x2a, [5] = 8, [8] = 16), other, 8192, 0),
		GOOD);
	assert_int_equal(
		ask_on(ask, REQUESTQ + 1, 0x100, CDB(0x28, [5] = 1, [8] = 2), NULL, 0, 8192), GOOD);
	assert_memory_equal(ask->data, data, 8192);
	assert_int_equal(ask_on(ask, REQUESTQ, 0x107, CDB(0x28, [5] = 8, [8] = 16), NULL, 0, 8192),
			 GOOD);
	assert_memory_equal(ask->data, other, 8192);
	image_fill(data, 5, 16 * BLOCK);
	assert_int_equal(ask_on(ask, REQUESTQ + 1, 0, CDB(0x28, [5] = 5, [8] = 16), NULL, 0, 8192),
			 GOOD);
	assert_memory_equal(ask->data, data, 8192);
	/* Compare and write in memory, too. */
	memset(data, 1, 4096);
	memset(data + 4096, 3, 4096);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x89, [9] = 2, [13] = 1), data, 8192, 0), GOOD);
	assert_int_equal(
		ask_do(ask, 0x100, CDB(0x2f, 6, 0, 0, 0, 2, 0, 0, 1), data + 4096, 4096, 0), GOOD);
	assert_int_equal(ask_do(ask, 0x100, CDB(0x28, [5] = 255, [8] = 2), NULL, 0, 8192),
			 SENSE(5, 0x21, 0));
	rig_stop(&ask->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(all_commands_read_and_write),
		ASK_TEST(what_is_beyond_the_end_is_refused),
		ASK_TEST(blocks_are_given_back),
		ASK_TEST(compare_and_write_writes_only_what_it_expects),
		ASK_TEST(verify_compares),
		ASK_TEST(a_read_only_disk_is_not_written),
		ASK_TEST(several_disks_are_used_on_several_queues),
	};

	return cmocka_run_group_tests_name("scsi_rw", tests, NULL, NULL);
}
