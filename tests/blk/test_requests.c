/* SPDX-License-Identifier: MIT */
/* Each type of request, and each way in which one can be wrong. */
#include "rig.h"

#include <sys/stat.h>

#include "run/forbid.h"

#define UNMAP VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

enum { DISK_SECTORS = DISK_IMAGE / SECTOR, NO_SUCH_TYPE = 12345 };

static void what_is_written_is_read(void **state)
{
	struct disk_rig *rig = *state;
	unsigned char data[64 * SECTOR], got[64 * SECTOR];

	disk_start(rig, NULL);
	disk_expect(rig, 0, DISK_DATA);
	disk_expect(rig, DISK_SECTORS - 8, 8 * SECTOR);
	image_fill(data, 77, sizeof(data));
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 5, data, sizeof(data)), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, 5, got, sizeof(got)), VIRTIO_BLK_S_OK);
	assert_memory_equal(got, data, sizeof(data));
	disk_expect(rig, 0, 5 * SECTOR);
	disk_expect(rig, 69, 8 * SECTOR);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	image_read(rig->image, 5 * SECTOR, got, sizeof(got));
	assert_memory_equal(got, data, sizeof(data));
	rig_stop(&rig->base);
}

static void nothing_to_transfer_is_no_error(void **state)
{
	struct disk_rig *rig = *state;

	disk_start(rig, NULL);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, DISK_SECTORS, NULL, 0), VIRTIO_BLK_S_OK);
	rig_stop(&rig->base);
}

static void the_serial_number_is_padded_with_nul(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--serial=disk-1", NULL};
	char id[VIRTIO_BLK_ID_BYTES];

	disk_start(rig, args);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_GET_ID, 0, id, sizeof(id)), VIRTIO_BLK_S_OK);
	assert_memory_equal(id, "disk-1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", sizeof(id));
	/* Room for less, for nothing and for more. */
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_GET_ID, 0, id, 4), VIRTIO_BLK_S_OK);
	assert_memory_equal(id, "disk", 4);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_GET_ID, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_GET_ID, 0, NULL, 100), VIRTIO_BLK_S_OK);
	assert_int_equal(rig->io.data[VIRTIO_BLK_ID_BYTES], NO_STATUS);
	assert_int_equal(rig->used_len, 101);
	rig_stop(&rig->base);
}

static uint64_t image_blocks(const struct disk_rig *rig)
{
	struct stat st;

	assert_return_code(stat(rig->image, &st), errno);
	return (uint64_t)st.st_blocks;
}

static void discarded_sectors_are_given_back(void **state)
{
	struct disk_rig *rig = *state;
	uint64_t before;

	disk_start(rig, NULL);
	before = image_blocks(rig);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_DISCARD, 2048, 4096, 0), VIRTIO_BLK_S_OK);
	assert_in_range(image_blocks(rig), 0, before - 4096);
	disk_expect(rig, 2040, 8 * SECTOR);
	disk_expect(rig, 6144, 8 * SECTOR);
	rig_stop(&rig->base);
}

static void zeroed_sectors_are_zero_and_others_are_not(void **state)
{
	struct disk_rig *rig = *state;

	disk_start(rig, NULL);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 3, 100, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 203, 100, UNMAP),
			 VIRTIO_BLK_S_OK);
	disk_expect(rig, 0, 3 * SECTOR);
	disk_expect_zeros(rig, 3, 100 * SECTOR);
	disk_expect(rig, 103, 100 * SECTOR);
	disk_expect_zeros(rig, 203, 100 * SECTOR);
	disk_expect(rig, 303, 100 * SECTOR);
	rig_stop(&rig->base);
}

static void zeroes_keep_their_blocks_unless_unmap_is_set(void **state)
{
	struct disk_rig *rig = *state;
	uint64_t before;

	disk_start(rig, NULL);
	before = image_blocks(rig);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, 4096, 0),
			 VIRTIO_BLK_S_OK);
	assert_in_range(image_blocks(rig), before - 64, before + 64);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, 4096, UNMAP),
			 VIRTIO_BLK_S_OK);
	assert_in_range(image_blocks(rig), 0, before - 4000);
	rig_stop(&rig->base);
}

static void a_request_may_have_many_ranges(void **state)
{
	struct disk_rig *rig = *state;
	struct virtio_blk_discard_write_zeroes ranges[65] = {{0}};

	disk_start(rig, NULL);
	for (uint32_t i = 0; i < 64; i++) {
		ranges[i].sector = htole64(i * 16);
		ranges[i].num_sectors = htole32(i % 4 ? 8 : 0); /* some are empty */
		ranges[i].flags = htole32(i % 2 ? UNMAP : 0);
	}
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, ranges, 64 * sizeof(ranges[0])),
			 VIRTIO_BLK_S_OK);
	for (uint32_t i = 0; i < 64; i++) {
		if (i % 4)
			disk_expect_zeros(rig, i * 16, 8 * SECTOR);
		else
			disk_expect(rig, i * 16, 8 * SECTOR);
		disk_expect(rig, i * 16 + 8, 8 * SECTOR);
	}
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, ranges, sizeof(ranges)),
			 VIRTIO_BLK_S_IOERR);
	rig_stop(&rig->base);
}

static void a_wrong_range_leaves_all_ranges_alone(void **state)
{
	struct disk_rig *rig = *state;
	struct virtio_blk_discard_write_zeroes ranges[2] = {{0, htole32(8), 0}, {0}};
	const struct {
		uint64_t sector;
		uint32_t sectors, flags;
		uint8_t status;
	} wrong[] = {
		{DISK_SECTORS, 1, 0, VIRTIO_BLK_S_IOERR},
		{DISK_SECTORS - 1, 2, 0, VIRTIO_BLK_S_IOERR},
		{UINT64_MAX, 1, 0, VIRTIO_BLK_S_IOERR},
		{UINT64_MAX / SECTOR, 8, 0, VIRTIO_BLK_S_IOERR},
		{0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR},
		{8, 8, 2, VIRTIO_BLK_S_UNSUPP},
		{8, 8, 0x80000000, VIRTIO_BLK_S_UNSUPP},
		{UINT64_MAX, 8, 4, VIRTIO_BLK_S_UNSUPP},
	};

	disk_start(rig, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ranges[1].sector = htole64(wrong[i].sector);
		ranges[1].num_sectors = htole32(wrong[i].sectors);
		ranges[1].flags = htole32(wrong[i].flags);
		assert_int_equal(disk_do(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, ranges, sizeof(ranges)),
				 wrong[i].status);
		assert_int_equal(disk_do(rig, VIRTIO_BLK_T_DISCARD, 0, ranges, sizeof(ranges)),
				 wrong[i].status);
	}
	disk_expect(rig, 0, 16 * SECTOR);
	/* Half a range, and none. */
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_DISCARD, 0, ranges, 24), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_DISCARD, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
	/* Discard knows no flags. */
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_DISCARD, 0, 8, UNMAP),
			 VIRTIO_BLK_S_UNSUPP);
	disk_expect(rig, 0, 16 * SECTOR);
	rig_stop(&rig->base);
}

static void unknown_types_are_unsupported(void **state)
{
	static const uint32_t types[] = {
		2, 3, 5, 7, 9, 10, 12, 14, 15, 16, 26, NO_SUCH_TYPE, 0x80000000, UINT32_MAX};
	struct disk_rig *rig = *state;

	disk_start(rig, NULL);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		assert_int_equal(disk_do(rig, types[i], 0, rig->io.data, SECTOR),
				 VIRTIO_BLK_S_UNSUPP);
	disk_expect(rig, 0, 16 * SECTOR);
	rig_stop(&rig->base);
}

static void a_request_outside_the_disk_fails_alone(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} wrong[] = {
		{DISK_SECTORS, SECTOR},
		{DISK_SECTORS - 1, 2 * SECTOR},
		{DISK_SECTORS + 1, SECTOR},
		{UINT64_MAX, SECTOR},
		{UINT64_MAX / SECTOR, SECTOR},
		{UINT64_MAX / SECTOR + 1, SECTOR}, /* times 512 it is 0 */
		{UINT64_MAX / SECTOR - 1, 4096},
		{0, SECTOR - 1},
		{0, SECTOR + 1},
		{0, 1},
	};
	struct disk_rig *rig = *state;

	disk_start(rig, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, wrong[i].sector, NULL, wrong[i].len),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(
			disk_do(rig, VIRTIO_BLK_T_OUT, wrong[i].sector, rig->io.data, wrong[i].len),
			VIRTIO_BLK_S_IOERR);
	}
	disk_expect(rig, 0, 16 * SECTOR);
	rig_stop(&rig->base);
}

static void a_header_may_be_cut_anywhere(void **state)
{
	struct disk_rig *rig = *state;
	struct driver_seg segs[HEADER + SECTOR + 1];

	disk_start(rig, NULL);
	for (uint32_t cut = 1; cut < HEADER; cut++) {
		segs[0] = (struct driver_seg){rig->io.header_gpa, cut, false};
		segs[1] = (struct driver_seg){rig->io.header_gpa + cut, HEADER - cut, false};
		/* The last data and the status are one segment. */
		segs[2] = (struct driver_seg){rig->io.data_gpa, 100, true};
		segs[3] = (struct driver_seg){rig->io.data_gpa + 100, SECTOR - 100 + 1, true};
		*rig->io.header = (struct virtio_blk_outhdr){.sector = htole64(9)};
		rig->io.data[SECTOR] = NO_STATUS;
		disk_chain(rig, segs, 4);
		assert_int_equal(rig->used_len, SECTOR + 1);
		assert_int_equal(rig->io.data[SECTOR], VIRTIO_BLK_S_OK);
		assert_int_equal(rig->io.data[0], image_byte(9));
		assert_int_equal(rig->io.data[SECTOR - 1], image_byte(9));
	}
	/* Header and data of a write in one segment. */
	segs[0] = (struct driver_seg){rig->io.data_gpa, HEADER + SECTOR, false};
	segs[1] = (struct driver_seg){rig->io.status_gpa, 1, true};
	*(struct virtio_blk_outhdr *)(void *)rig->io.data =
		(struct virtio_blk_outhdr){.type = htole32(VIRTIO_BLK_T_OUT), .sector = htole64(9)};
	memset(rig->io.data + HEADER, 0x77, SECTOR);
	disk_chain(rig, segs, 2);
	assert_int_equal(*rig->io.status, VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, 9, NULL, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(rig->io.data[0], 0x77);
	assert_int_equal(rig->io.data[SECTOR - 1], 0x77);
	rig_stop(&rig->base);
}

static void wrong_headers_fail_alone(void **state)
{
	struct disk_rig *rig = *state;
	const struct driver_seg header = {0, HEADER, false};
	struct driver_seg segs[3] = {header};

	disk_start(rig, NULL);
	*rig->io.header = (struct virtio_blk_outhdr){0};
	segs[0].gpa = rig->io.header_gpa;
	segs[1] = (struct driver_seg){rig->io.status_gpa, 1, true};
	for (segs[0].len = 1; segs[0].len < HEADER; segs[0].len++) {
		*rig->io.status = NO_STATUS;
		disk_chain(rig, segs, 2);
		assert_int_equal(*rig->io.status, VIRTIO_BLK_S_IOERR);
	}
	/* No status: there is nothing to write. */
	segs[0].len = HEADER;
	disk_chain(rig, segs, 1);
	assert_int_equal(rig->used_len, 0);
	segs[0].len = HEADER - 1;
	disk_chain(rig, segs, 1);
	assert_int_equal(rig->used_len, 0);
	/* A header that the device shall write: there is none to read. */
	segs[0] = (struct driver_seg){rig->io.header_gpa, HEADER, true};
	*rig->io.status = NO_STATUS;
	disk_chain(rig, segs, 2);
	assert_int_equal(*rig->io.status, VIRTIO_BLK_S_IOERR);
	/* A write whose data points the other way writes nothing; a read cannot be an error. */
	segs[0] = (struct driver_seg){rig->io.header_gpa, HEADER, false};
	segs[1] = (struct driver_seg){rig->io.data_gpa, SECTOR, true};
	segs[2] = (struct driver_seg){rig->io.status_gpa, 1, true};
	rig->io.header->type = htole32(VIRTIO_BLK_T_OUT);
	disk_chain(rig, segs, 3);
	assert_int_equal(*rig->io.status, VIRTIO_BLK_S_OK);
	assert_int_equal(rig->used_len, SECTOR + 1);
	disk_expect(rig, 0, 16 * SECTOR);
	rig_stop(&rig->base);
}

static void what_a_request_does_not_need_is_ignored(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--queue-size=256", NULL};
	struct driver_seg segs[3];

	disk_start(rig, args);
	/* A flush with data, to a sector. */
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, UINT64_MAX, rig->io.data, 100),
			 VIRTIO_BLK_S_OK);
	/* A read with more to read than its header. */
	segs[0] = (struct driver_seg){rig->io.data_gpa, HEADER + 1000, false};
	segs[1] = (struct driver_seg){rig->io.data_gpa + 4096, SECTOR, true};
	segs[2] = (struct driver_seg){rig->io.status_gpa, 1, true};
	memset(rig->io.data, 0, HEADER);
	disk_chain(rig, segs, 3);
	assert_int_equal(*rig->io.status, VIRTIO_BLK_S_OK);
	assert_int_equal(rig->io.data[4096], image_byte(0));
	rig_stop(&rig->base);
}

static void seg_max_segments_are_taken(void **state)
{
	struct disk_rig *rig = *state;
	struct driver_seg segs[128];
	struct virtio_blk_config config;
	uint32_t n;

	disk_start(rig, NULL);
	disk_get_config(rig, &config);
	n = le32toh(config.seg_max);
	assert_in_range(n, 1, 126);
	segs[0] = (struct driver_seg){rig->io.header_gpa, HEADER, false};
	for (uint32_t i = 0; i < n; i++)
		segs[i + 1] = (struct driver_seg){rig->io.data_gpa + i * 1024, SECTOR, true};
	segs[n + 1] = (struct driver_seg){rig->io.status_gpa, 1, true};
	for (int indirect = 0; indirect < 2; indirect++) {
		struct driver_ring *ring = rig->base.peer->queues[0];

		*rig->io.header = (struct virtio_blk_outhdr){.sector = htole64(100)};
		memset(rig->io.data, 0, 128 * 1024);
		rig_check(&rig->base, indirect ? driver_add_indirect(ring, segs, n + 2, &rig->io)
					       : driver_add(ring, segs, n + 2, &rig->io));
		assert_ptr_equal(disk_wait(rig, 0), &rig->io);
		assert_int_equal(*rig->io.status, VIRTIO_BLK_S_OK);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(rig->io.data[i * 1024], image_byte(100 + i));
			assert_int_equal(rig->io.data[i * 1024 + 512], 0);
		}
	}
	rig_stop(&rig->base);
}

static void a_read_only_disk_is_not_written(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--read-only", NULL};
	unsigned char data[SECTOR] = {0};
	struct virtio_blk_config config;

	disk_start(rig, args);
	assert_true(rig->base.peer->frontend.offered_features & FEATURE(RO));
	assert_false(rig->base.peer->frontend.offered_features &
		     (FEATURE(DISCARD) | FEATURE(WRITE_ZEROES)));
	disk_get_config(rig, &config);
	assert_int_equal(config.max_discard_sectors, 0);
	assert_int_equal(config.max_write_zeroes_sectors, 0);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	disk_expect(rig, 0, 16 * SECTOR);
	rig_stop(&rig->base);
}

static void the_configuration_space_says_what_there_is(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--num-queues=3", "--logical-block-size=1024", "--queue-size=64",
			      NULL};
	struct virtio_blk_config config;

	rig->base.config.queue_size = 64;
	disk_start(rig, args);
	disk_get_config(rig, &config);
	assert_int_equal(le64toh(config.capacity), DISK_SECTORS);
	assert_int_equal(le32toh(config.seg_max), 62);
	assert_int_equal(le32toh(config.blk_size), 1024);
	assert_int_equal(config.physical_block_exp, 2);
	assert_int_equal(le16toh(config.min_io_size), 4);
	assert_int_equal(config.wce, 1);
	assert_int_equal(le16toh(config.num_queues), 3);
	assert_in_range(le32toh(config.max_discard_sectors), 1, UINT32_MAX / SECTOR);
	assert_int_equal(le32toh(config.max_discard_seg), 64);
	assert_in_range(le32toh(config.max_write_zeroes_sectors), 1, UINT32_MAX / SECTOR);
	assert_int_equal(le32toh(config.max_write_zeroes_seg), 64);
	assert_int_equal(config.write_zeroes_may_unmap, 1);
	assert_int_equal(config.size_max, 0);
	assert_false(rig->base.peer->frontend.offered_features & FEATURE(SIZE_MAX));
	disk_expect_alive(rig);
	rig_stop(&rig->base);
}

static void memory_is_a_disk_of_zeros(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--backend=memory", "--size=4M", NULL};
	unsigned char data[20 * SECTOR];
	struct virtio_blk_config config;

	rig_spawn(&rig->base, args);
	disk_connect(rig);
	disk_get_config(rig, &config);
	assert_int_equal(le64toh(config.capacity), (4 << 20) / SECTOR);
	disk_expect_zeros(rig, 0, DISK_DATA);
	for (uint64_t s = 0; s < 60; s += 20) {
		image_fill(data, s, sizeof(data));
		assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, s, data, sizeof(data)),
				 VIRTIO_BLK_S_OK);
	}
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 3, 50, UNMAP),
			 VIRTIO_BLK_S_OK);
	disk_expect(rig, 0, 3 * SECTOR);
	disk_expect_zeros(rig, 3, 50 * SECTOR);
	disk_expect(rig, 53, 7 * SECTOR);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_DISCARD, 53, 2, 0), VIRTIO_BLK_S_OK);
	disk_expect_zeros(rig, 53, 2 * SECTOR);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, (4 << 20) / SECTOR, NULL, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	disk_expect_alive(rig);
	rig_stop(&rig->base);
}

static void null_keeps_nothing(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--backend=null", "--size=2T", NULL};
	unsigned char data[SECTOR] = {1};

	rig_spawn(&rig->base, args);
	disk_connect(rig);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, 0, NULL, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(rig->io.data[0], NO_STATUS);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, UINT64_C(1) << 32, NULL, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	rig_stop(&rig->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(what_is_written_is_read),
		DISK_TEST(nothing_to_transfer_is_no_error),
		DISK_TEST(the_serial_number_is_padded_with_nul),
		DISK_TEST(discarded_sectors_are_given_back),
		DISK_TEST(zeroed_sectors_are_zero_and_others_are_not),
		DISK_TEST(zeroes_keep_their_blocks_unless_unmap_is_set),
		DISK_TEST(a_request_may_have_many_ranges),
		DISK_TEST(a_wrong_range_leaves_all_ranges_alone),
		DISK_TEST(unknown_types_are_unsupported),
		DISK_TEST(a_request_outside_the_disk_fails_alone),
		DISK_TEST(a_header_may_be_cut_anywhere),
		DISK_TEST(wrong_headers_fail_alone),
		DISK_TEST(what_a_request_does_not_need_is_ignored),
		DISK_TEST(seg_max_segments_are_taken),
		DISK_TEST(a_read_only_disk_is_not_written),
		DISK_TEST(the_configuration_space_says_what_there_is),
		DISK_TEST(memory_is_a_disk_of_zeros),
		DISK_TEST(null_keeps_nothing),
	};

	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
