/* SPDX-License-Identifier: MIT */
/* Alignment, the page cache and the cache modes. */
#include "rig.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "run/forbid.h"

enum { DISK_SECTORS = DISK_IMAGE / SECTOR };

/* One transfer whose data begins at an odd address and is cut into odd pieces. */
static void transfer_misaligned(struct disk_rig *rig, uint32_t type, uint64_t sector, uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN;
	uint32_t third = len / 3;
	const struct driver_seg segs[] = {
		{rig->io.header_gpa, HEADER, false},
		{rig->io.data_gpa + 1, third, in},
		{rig->io.data_gpa + 1 + third, len - third, in},
		{rig->io.status_gpa, 1, true},
	};

	*rig->io.header =
		(struct virtio_blk_outhdr){.type = htole32(type), .sector = htole64(sector)};
	*rig->io.status = NO_STATUS;
	disk_chain(rig, segs, 4);
	assert_int_equal(*rig->io.status, VIRTIO_BLK_S_OK);
}

static void misaligned(struct disk_rig *rig)
{
	static const uint32_t lens[] = {512, 1024, 4096, 5 * 512, 65536, 300 << 10, 600 << 10};
	unsigned char *want = malloc(DISK_DATA);

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (uint64_t sector = 8; sector < 18; sector += 3) {
			uint32_t len = lens[i];

			memset(rig->io.data, NO_STATUS, DISK_DATA);
			transfer_misaligned(rig, VIRTIO_BLK_T_IN, sector, len);
			image_fill(want, sector, len);
			assert_memory_equal(rig->io.data + 1, want, len);
			assert_int_equal(rig->io.data[0], NO_STATUS);
			assert_int_equal(rig->io.data[len + 1], NO_STATUS);

			image_fill(rig->io.data + 1, sector + 5000, len);
			transfer_misaligned(rig, VIRTIO_BLK_T_OUT, sector, len);
			image_read(rig->image, sector * SECTOR, want, len);
			assert_memory_equal(rig->io.data + 1, want, len);
			image_fill(want, sector, len);
			assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, sector, want, len),
					 VIRTIO_BLK_S_OK);
		}
	disk_expect(rig, 0, DISK_DATA);
	free(want);
}

static void misaligned_buffers_are_no_matter(void **state)
{
	struct disk_rig *rig = *state;

	disk_start(rig, NULL);
	misaligned(rig);
	rig_stop(&rig->base);
}

static void misaligned_buffers_are_no_matter_with_direct_io(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--direct", NULL};

	disk_start(rig, args);
	misaligned(rig);
	disk_expect_alive(rig);
	rig_stop(&rig->base);
}

/* Pages of the image that are in the page cache. */
static uint32_t cached_pages(const struct disk_rig *rig)
{
	static unsigned char resident[DISK_IMAGE / 4096];
	int fd = open(rig->image, O_RDONLY | O_CLOEXEC);
	uint32_t n = 0;
	void *map;

	assert_true(fd >= 0);
	map = mmap(NULL, DISK_IMAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_return_code(mincore(map, DISK_IMAGE, resident), errno);
	for (size_t i = 0; i < sizeof(resident); i++)
		n += resident[i] & 1;
	munmap(map, DISK_IMAGE);
	close(fd);
	return n;
}

/* tmpfs takes O_DIRECT without a meaning, and an overlay may lie on one. */
static bool is_page_cache_itself(const char *path)
{
	struct statfs fs;

	assert_return_code(statfs(path, &fs), errno);
	return fs.f_type == TMPFS_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static void direct_io_leaves_the_page_cache_alone(void **state)
{
	struct disk_rig *rig = *state;
	const char *args[] = {"--direct", NULL};
	int fd;

	disk_start(rig, args);
	if (is_page_cache_itself(rig->image)) {
		rig_stop(&rig->base);
		print_message(
			"[  SKIP  ] a file system in memory has nothing but the page cache\n");
		skip();
	}
	fd = open(rig->image, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_return_code(fsync(fd), errno);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	assert_int_equal(cached_pages(rig), 0);
	disk_expect(rig, 0, 65536);
	transfer_misaligned(rig, VIRTIO_BLK_T_IN, 256, 65536);
	transfer_misaligned(rig, VIRTIO_BLK_T_OUT, 512, 65536);
	assert_int_equal(cached_pages(rig), 0);
	rig_stop(&rig->base);
}

/* More at once than there are bounce buffers. */
static void many_misaligned_requests_wait_for_their_turn(void **state)
{
	enum { N = 40, LEN = 600 << 10 };
	struct disk_rig *rig = *state;
	const char *args[] = {"--direct", NULL};
	struct disk_io ios[N];
	unsigned char *want = malloc(LEN);

	disk_start(rig, args);
	image_fill(want, 8, LEN);
	for (int i = 0; i < N; i++) {
		struct driver_seg segs[3] = {{0, HEADER, false}, {0, LEN, true}, {0, 1, true}};

		disk_io_new(rig, &ios[i], LEN + 8);
		*ios[i].header = (struct virtio_blk_outhdr){.sector = htole64(8)};
		*ios[i].status = NO_STATUS;
		segs[0].gpa = ios[i].header_gpa;
		segs[1].gpa = ios[i].data_gpa + 3;
		segs[2].gpa = ios[i].status_gpa;
		rig_check(&rig->base, driver_add(rig->base.peer->queues[0], segs, 3, &ios[i]));
	}
	for (int i = 0; i < N; i++) {
		struct disk_io *io = disk_wait(rig, 0);

		assert_int_equal(*io->status, VIRTIO_BLK_S_OK);
		assert_memory_equal(io->data + 3, want, LEN);
	}
	free(want);
	rig_stop(&rig->base);
}

/* Has the file data that is in the page cache alone?  1, 0, or -1 where it cannot be told. */
static int has_unwritten(const struct disk_rig *rig)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + 64 * sizeof(struct fiemap_extent)];
	} m = {.map = {.fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 64}};
	int fd = open(rig->image, O_RDONLY | O_CLOEXEC), ret;

	assert_true(fd >= 0);
	ret = ioctl(fd, FS_IOC_FIEMAP, &m);
	close(fd);
	if (ret < 0)
		return -1;
	for (uint32_t i = 0; i < m.map.fm_mapped_extents; i++)
		if (m.map.fm_extents[i].fe_flags & FIEMAP_EXTENT_DELALLOC)
			return 1;
	return 0;
}

static void set_writeback(struct disk_rig *rig, uint8_t on)
{
	struct virtio_blk_config config;

	rig_check(&rig->base,
		  frontend_set_config(&rig->base.peer->frontend,
				      offsetof(struct virtio_blk_config, wce), &on, 1, 0));
	disk_get_config(rig, &config);
	assert_int_equal(config.wce, on);
}

static void the_driver_chooses_between_write_back_and_write_through(void **state)
{
	struct disk_rig *rig = *state;

	disk_make_sparse_image(rig, DISK_IMAGE);
	disk_spawn_file(rig, NULL);
	disk_connect(rig);
	disk_write(rig, 0);
	if (has_unwritten(rig) != 1) {
		rig_stop(&rig->base);
		print_message("[  SKIP  ] this file system does not tell what is unwritten\n");
		skip();
	}
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(has_unwritten(rig), 0);
	set_writeback(rig, 0);
	disk_write(rig, 1000);
	assert_int_equal(has_unwritten(rig), 0);
	set_writeback(rig, 1);
	disk_write(rig, 2000);
	assert_int_equal(has_unwritten(rig), 1);
	rig_stop(&rig->base);
}

static void a_driver_that_cannot_flush_gets_write_through(void **state)
{
	struct disk_rig *rig = *state;
	struct virtio_blk_config config;

	disk_make_sparse_image(rig, DISK_IMAGE);
	disk_spawn_file(rig, NULL);
	rig->base.config.features = ~(FEATURE(FLUSH) | FEATURE(CONFIG_WCE) | UINT64_C(1) << 26 |
				      UINT64_C(1) << 33 | UINT64_C(1) << 34);
	disk_connect(rig);
	disk_write(rig, 0);
	assert_true(has_unwritten(rig) <= 0);
	/* With the choice, but not the request, the choice begins with write-through. */
	rig->base.config.features |= FEATURE(CONFIG_WCE);
	disk_connect(rig);
	disk_get_config(rig, &config);
	assert_int_equal(config.wce, 0);
	disk_write(rig, 1000);
	assert_true(has_unwritten(rig) <= 0);
	rig_stop(&rig->base);
}

static void only_the_cache_mode_can_be_written(void **state)
{
	struct disk_rig *rig = *state;
	const uint64_t capacity = UINT64_MAX;
	struct virtio_blk_config config;

	disk_start(rig, NULL);
	assert_int_equal(frontend_set_config(&rig->base.peer->frontend, 0, &capacity, 8, 0),
			 -EREMOTEIO);
	disk_get_config(rig, &config);
	assert_int_equal(le64toh(config.capacity), DISK_SECTORS);
	rig_stop(&rig->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(misaligned_buffers_are_no_matter),
		DISK_TEST(misaligned_buffers_are_no_matter_with_direct_io),
		DISK_TEST(direct_io_leaves_the_page_cache_alone),
		DISK_TEST(many_misaligned_requests_wait_for_their_turn),
		DISK_TEST(the_driver_chooses_between_write_back_and_write_through),
		DISK_TEST(a_driver_that_cannot_flush_gets_write_through),
		DISK_TEST(only_the_cache_mode_can_be_written),
	};

	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
