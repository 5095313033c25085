/* SPDX-License-Identifier: MIT */
/* Requests of many segments, from drivers that do not know of seg_max, on every back-end. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "run/forbid.h"

enum {
	WINDOWS = 515, /* most buffers that its driver sends */
	MOST = 2046,   /* beside header and status */
	BEYOND = 4000,
	SEGS = BEYOND + 3,
	AT = 48, /* the first sector */
};

/*
 * A request of n sectors, each a segment of its own, from the last in memory to the first; the
 * header is cut into pieces of `cut` bytes.
 */
static uint8_t transfer(struct disk_rig *rig, uint32_t type, uint32_t n, uint32_t cut)
{
	struct driver_ring *ring = rig->base.peer->queues[0];
	struct driver_seg *segs = calloc(SEGS, sizeof(*segs));
	uint32_t at = 0;

	assert_non_null(segs);
	*rig->io.header = (struct virtio_blk_outhdr){.type = htole32(type), .sector = htole64(AT)};
	*rig->io.status = NO_STATUS;
	for (uint32_t i = 0; i < HEADER; i += cut)
		segs[at++] = (struct driver_seg){rig->io.header_gpa + i, cut, false};
	for (uint32_t i = 0; i < n; i++)
		segs[at++] = (struct driver_seg){rig->io.data_gpa + (MOST - 1 - i % MOST) * SECTOR,
						 SECTOR, type == VIRTIO_BLK_T_IN};
	segs[at++] = (struct driver_seg){rig->io.status_gpa, 1, true};
	rig_check(&rig->base, driver_add_indirect(ring, segs, at, &rig->io));
	assert_ptr_equal(disk_wait(rig, 0), &rig->io);
	free(segs);
	return *rig->io.status;
}

static unsigned char *sector_data(struct disk_rig *rig, uint32_t i)
{
	return rig->io.data + (MOST - 1 - i) * SECTOR;
}

static void write_and_read(struct disk_rig *rig, uint32_t n, uint32_t cut, bool keeps)
{
	unsigned char want[SECTOR];

	for (uint32_t i = 0; i < n; i++)
		image_fill(sector_data(rig, i), n + cut + i, SECTOR);
	assert_int_equal(transfer(rig, VIRTIO_BLK_T_OUT, n, cut), VIRTIO_BLK_S_OK);
	assert_int_equal(rig->used_len, 1);
	memset(rig->io.data, 0, DISK_DATA);
	assert_int_equal(transfer(rig, VIRTIO_BLK_T_IN, n, cut), VIRTIO_BLK_S_OK);
	assert_int_equal(rig->used_len, n * SECTOR + 1);
	for (uint32_t i = 0; i < n && keeps; i++) {
		image_fill(want, n + cut + i, SECTOR);
		assert_memory_equal(sector_data(rig, i), want, SECTOR);
	}
}

static void serve_long_requests(struct disk_rig *rig, bool keeps)
{
	static const uint32_t lengths[] = {WINDOWS, 1023, 1024, 1025, MOST - 1, MOST};

	for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
		write_and_read(rig, lengths[l], HEADER, keeps);
		/* Then the segments have to be written down anew. */
		if (lengths[l] < MOST)
			write_and_read(rig, lengths[l], HEADER / 2, keeps);
	}
	/* Beyond what is taken: that request fails, the disk goes on. */
	for (uint32_t n = MOST + 1; n <= BEYOND; n = n == BEYOND ? n + 1 : BEYOND) {
		assert_int_equal(transfer(rig, VIRTIO_BLK_T_IN, n, HEADER), VIRTIO_BLK_S_IOERR);
		assert_int_equal(rig->used_len, 0);
		assert_int_equal(transfer(rig, VIRTIO_BLK_T_OUT, n, HEADER), VIRTIO_BLK_S_IOERR);
		assert_int_equal(rig->used_len, 0);
		write_and_read(rig, 8, HEADER, keeps);
	}
	rig_stop(&rig->base);
	assert_non_null(strstr(rig->base.program.err, "more segments than the device takes"));
}

static void serve_from_file(void **state, const char *const *args)
{
	struct disk_rig *rig = *state;

	rig->base.config.max_indirect = SEGS;
	rig->base.config.queue_size = 16;
	disk_start(rig, args);
	serve_long_requests(rig, true);
}

static void long_requests_go_through_the_page_cache(void **state)
{
	serve_from_file(state, NULL);
}

static void long_requests_go_to_a_file_in_memory(void **state)
{
	disk_use_memory(*state);
	serve_from_file(state, NULL);
}

static void long_requests_bypass_the_page_cache(void **state)
{
	serve_from_file(state, (const char *[]){"--direct", NULL});
}

static void long_requests_bypass_the_page_cache_from_registered_memory(void **state)
{
	serve_from_file(state, (const char *[]){"--direct", "--register-memory", NULL});
}

static void long_requests_are_served_while_others_are_polled_for(void **state)
{
	serve_from_file(state, (const char *[]){"--direct", "--iopoll", NULL});
}

/* Mostly by io_uring, as no write through is tried at once. */
static void long_requests_are_written_through(void **state)
{
	struct disk_rig *rig = *state;

	rig->base.config.features =
		~(FEATURE(FLUSH) | FEATURE(CONFIG_WCE) | UINT64_C(1) << VIRTIO_F_RING_PACKED |
		  UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM);
	serve_from_file(state, NULL);
}

static void serve_without_file(void **state, const char *backend, bool keeps)
{
	struct disk_rig *rig = *state;

	rig->base.config.max_indirect = SEGS;
	rig->base.config.queue_size = 16;
	rig_spawn(&rig->base, (const char *[]){backend, "--size=16M", NULL});
	disk_connect(rig);
	serve_long_requests(rig, keeps);
}

static void long_requests_are_kept_in_memory(void **state)
{
	serve_without_file(state, "--backend=memory", true);
}

static void long_requests_are_taken_by_null(void **state)
{
	serve_without_file(state, "--backend=null", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(long_requests_go_through_the_page_cache),
		DISK_TEST(long_requests_go_to_a_file_in_memory),
		DISK_TEST(long_requests_bypass_the_page_cache),
		DISK_TEST(long_requests_bypass_the_page_cache_from_registered_memory),
		DISK_TEST(long_requests_are_served_while_others_are_polled_for),
		DISK_TEST(long_requests_are_written_through),
		DISK_TEST(long_requests_are_kept_in_memory),
		DISK_TEST(long_requests_are_taken_by_null),
	};

	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
