/* SPDX-License-Identifier: MIT */
/* What storage does: alignment, caches, errors, and sizes that change. */
#include "rig.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "loop.h"

#define UNMAP VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

enum { DISK_SECTORS = RIG_IMAGE / SECTOR, HALF = DISK_SECTORS / 2 };

/* One transfer whose data begins at an odd address and is cut into odd pieces. */
static void transfer_misaligned(struct rig *rig, uint32_t type, uint64_t sector, uint32_t len)
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
	rig_chain(rig, segs, 4);
	assert_int_equal(*rig->io.status, VIRTIO_BLK_S_OK);
}

static void misaligned(struct rig *rig)
{
	static const uint32_t lens[] = {512, 1024, 4096, 5 * 512, 65536, 300 << 10, 600 << 10};
	unsigned char *want = malloc(RIG_DATA);

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (uint64_t sector = 8; sector < 18; sector += 3) {
			uint32_t len = lens[i];

			memset(rig->io.data, NO_STATUS, RIG_DATA);
			transfer_misaligned(rig, VIRTIO_BLK_T_IN, sector, len);
			rig_fill(want, sector, len);
			assert_memory_equal(rig->io.data + 1, want, len);
			assert_int_equal(rig->io.data[0], NO_STATUS);
			assert_int_equal(rig->io.data[len + 1], NO_STATUS);

			rig_fill(rig->io.data + 1, sector + 5000, len);
			transfer_misaligned(rig, VIRTIO_BLK_T_OUT, sector, len);
			rig_read_image(rig, sector * SECTOR, want, len);
			assert_memory_equal(rig->io.data + 1, want, len);
			rig_fill(want, sector, len);
			assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, sector, want, len),
					 VIRTIO_BLK_S_OK);
		}
	rig_expect(rig, 0, RIG_DATA);
	free(want);
}

static void misaligned_buffers_are_no_matter(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	misaligned(rig);
	rig_stop(rig);
}

static void misaligned_buffers_are_no_matter_with_direct_io(void **state)
{
	struct rig *rig = *state;
	const char *args[] = {"--direct", NULL};

	rig_start(rig, args);
	misaligned(rig);
	rig_expect_alive(rig);
	rig_stop(rig);
}

/* More at once than there are bounce buffers. */
static void many_misaligned_requests_wait_for_their_turn(void **state)
{
	enum { N = 40, LEN = 600 << 10 };
	struct rig *rig = *state;
	const char *args[] = {"--direct", NULL};
	struct rig_io ios[N];
	unsigned char *want = malloc(LEN);

	rig_start(rig, args);
	rig_fill(want, 8, LEN);
	for (int i = 0; i < N; i++) {
		struct driver_seg segs[3] = {{0, HEADER, false}, {0, LEN, true}, {0, 1, true}};

		rig_io_new(rig, &ios[i], LEN + 8);
		*ios[i].header = (struct virtio_blk_outhdr){.sector = htole64(8)};
		*ios[i].status = NO_STATUS;
		segs[0].gpa = ios[i].header_gpa;
		segs[1].gpa = ios[i].data_gpa + 3;
		segs[2].gpa = ios[i].status_gpa;
		rig_check(rig, driver_add(rig->peer->queues[0], segs, 3, &ios[i]));
	}
	for (int i = 0; i < N; i++) {
		struct rig_io *io = rig_wait(rig, 0);

		assert_int_equal(*io->status, VIRTIO_BLK_S_OK);
		assert_memory_equal(io->data + 3, want, LEN);
	}
	free(want);
	rig_stop(rig);
}

/* Has the file data that is in the page cache alone?  1, 0, or -1 where it cannot be told. */
static int has_unwritten(const struct rig *rig)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[64];
	} m = {.map = {.fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 64}};
	int fd = open(rig->image, O_RDONLY | O_CLOEXEC), ret;

	assert_true(fd >= 0);
	ret = ioctl(fd, FS_IOC_FIEMAP, &m);
	close(fd);
	if (ret < 0)
		return -1;
	for (uint32_t i = 0; i < m.map.fm_mapped_extents; i++)
		if (m.extents[i].fe_flags & FIEMAP_EXTENT_DELALLOC)
			return 1;
	return 0;
}

static void make_sparse_image(struct rig *rig, uint64_t size)
{
	int fd = open(rig->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_return_code(ftruncate(fd, (off_t)size), errno);
	close(fd);
}

static void write_one(struct rig *rig, uint64_t sector)
{
	unsigned char data[8 * SECTOR];

	rig_fill(data, sector, sizeof(data));
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, sector, data, sizeof(data)),
			 VIRTIO_BLK_S_OK);
}

static void set_writeback(struct rig *rig, uint8_t on)
{
	struct virtio_blk_config config;

	rig_check(rig, frontend_set_config(&rig->peer->frontend,
					   offsetof(struct virtio_blk_config, wce), &on, 1, 0));
	rig_get_config(rig, &config);
	assert_int_equal(config.wce, on);
}

static void the_driver_chooses_between_write_back_and_write_through(void **state)
{
	struct rig *rig = *state;

	make_sparse_image(rig, RIG_IMAGE);
	rig_spawn_file(rig, NULL);
	rig_connect(rig);
	write_one(rig, 0);
	if (has_unwritten(rig) != 1) {
		rig_stop(rig);
		print_message("[  SKIP  ] this file system does not tell what is unwritten\n");
		skip();
	}
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(has_unwritten(rig), 0);
	set_writeback(rig, 0);
	write_one(rig, 1000);
	assert_int_equal(has_unwritten(rig), 0);
	set_writeback(rig, 1);
	write_one(rig, 2000);
	assert_int_equal(has_unwritten(rig), 1);
	rig_stop(rig);
}

static void a_driver_that_cannot_flush_gets_write_through(void **state)
{
	struct rig *rig = *state;
	struct virtio_blk_config config;

	make_sparse_image(rig, RIG_IMAGE);
	rig_spawn_file(rig, NULL);
	rig->config.features = ~(FEATURE(FLUSH) | FEATURE(CONFIG_WCE) | UINT64_C(1) << 26 |
				 UINT64_C(1) << 33 | UINT64_C(1) << 34);
	rig_connect(rig);
	write_one(rig, 0);
	assert_true(has_unwritten(rig) <= 0);
	/* With the choice, but not the request, the choice begins with write-through. */
	rig->config.features |= FEATURE(CONFIG_WCE);
	rig_connect(rig);
	rig_get_config(rig, &config);
	assert_int_equal(config.wce, 0);
	write_one(rig, 1000);
	assert_true(has_unwritten(rig) <= 0);
	rig_stop(rig);
}

static void only_the_cache_mode_can_be_written(void **state)
{
	struct rig *rig = *state;
	const uint64_t capacity = UINT64_MAX;
	struct virtio_blk_config config;

	rig_start(rig, NULL);
	assert_int_equal(frontend_set_config(&rig->peer->frontend, 0, &capacity, 8, 0), -EREMOTEIO);
	rig_get_config(rig, &config);
	assert_int_equal(le64toh(config.capacity), DISK_SECTORS);
	rig_stop(rig);
}

static void a_full_file_system_fails_the_write_alone(void **state)
{
	struct rig *rig = *state;
	char dir[48], image[64];
	unsigned char *data = calloc(1, RIG_DATA);
	uint8_t status = VIRTIO_BLK_S_OK;

	snprintf(dir, sizeof(dir), "%s/full", rig->dir);
	snprintf(image, sizeof(image), "%s/image", dir);
	assert_return_code(mkdir(dir, 0700), errno);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=2m") < 0) {
		rmdir(dir);
		free(data);
		print_message("[  SKIP  ] mount: %s\n", strerror(errno));
		skip();
	}
	rig_make_image(rig, image, 64 * SECTOR);
	assert_return_code(truncate(image, RIG_IMAGE), errno);
	rig_spawn(rig, (const char *[]){"--blk-file", image, NULL});
	rig_connect(rig);
	for (uint64_t s = RIG_DATA / SECTOR; s < DISK_SECTORS && status == 0;
	     s += RIG_DATA / SECTOR)
		status = rig_do(rig, VIRTIO_BLK_T_OUT, s, data, RIG_DATA);
	assert_int_equal(status, VIRTIO_BLK_S_IOERR);
	rig_expect(rig, 0, 64 * SECTOR);
	/* Giving sectors back makes room. */
	assert_int_equal(rig_do_range(rig, VIRTIO_BLK_T_DISCARD, 2048, DISK_SECTORS - 2048, 0),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, 4096, data, 65536), VIRTIO_BLK_S_OK);
	assert_int_equal(rig_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 4096, 20480, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(rig_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 4096, 20480, UNMAP),
			 VIRTIO_BLK_S_OK);
	rig_expect_zeros(rig, 4096, 65536);
	rig_stop(rig);
	free(data);
	if (umount(dir) < 0)
		fail_msg("umount: %s", strerror(errno));
	assert_return_code(rmdir(dir), errno);
}

static void a_file_size_limit_fails_the_write_alone(void **state)
{
	struct rig *rig = *state;
	const struct rlimit limit = {1 << 20, 1 << 20};
	unsigned char data[8 * SECTOR] = {0};

	make_sparse_image(rig, RIG_IMAGE);
	rig_spawn_file(rig, NULL);
	assert_return_code(prlimit(rig->program.pid, RLIMIT_FSIZE, &limit, NULL), errno);
	rig_connect(rig);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, HALF, data, sizeof(data)),
			 VIRTIO_BLK_S_IOERR);
	/* Partly below the limit: what is written first does not make it a success. */
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, 2044, data, sizeof(data)),
			 VIRTIO_BLK_S_IOERR);
	rig_expect_zeros(rig, HALF, sizeof(data));
	rig_expect_alive(rig);
	rig_stop(rig);
}

static void a_file_that_became_shorter_fails_what_is_beyond(void **state)
{
	struct rig *rig = *state;
	unsigned char data[8 * SECTOR];

	rig_start(rig, NULL);
	assert_return_code(truncate(rig->image, HALF * SECTOR), errno);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, HALF, NULL, 4096), VIRTIO_BLK_S_IOERR);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, HALF - 4, NULL, 4096), VIRTIO_BLK_S_IOERR);
	rig_expect(rig, HALF - 8, 4096);
	/* A write brings it back. */
	rig_fill(data, HALF + 8, sizeof(data));
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_OUT, HALF + 8, data, sizeof(data)),
			 VIRTIO_BLK_S_OK);
	rig_expect(rig, HALF + 8, 4096);
	rig_expect_zeros(rig, HALF, 4096);
	rig_stop(rig);
}

static void expect_capacity(struct rig *rig, uint64_t sectors)
{
	struct virtio_blk_config config;
	struct frontend_msg msg;

	rig_check(rig, frontend_expect_backend(&rig->peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
					       &msg));
	rig_get_config(rig, &config);
	assert_int_equal(le64toh(config.capacity), sectors);
}

static void the_disk_grows_and_shrinks_with_sighup(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	assert_return_code(truncate(rig->image, 2 * RIG_IMAGE), errno);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, DISK_SECTORS, NULL, 4096),
			 VIRTIO_BLK_S_IOERR);
	assert_return_code(kill(rig->program.pid, SIGHUP), errno);
	expect_capacity(rig, 2 * DISK_SECTORS);
	rig_expect_zeros(rig, DISK_SECTORS, 4096);
	write_one(rig, 2 * DISK_SECTORS - 8);

	assert_return_code(truncate(rig->image, RIG_IMAGE / 2 + 100), errno);
	assert_return_code(kill(rig->program.pid, SIGHUP), errno);
	expect_capacity(rig, HALF);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, HALF, NULL, 4096), VIRTIO_BLK_S_IOERR);
	rig_expect(rig, HALF - 8, 4096);
	rig_stop(rig);
}

/* vu-blk on a block device; skips where a test cannot make one. */
static void start_on_loop(struct rig *rig, struct loop *loop, const char *option)
{
	int ret;

	rig_make_image(rig, rig->image, RIG_IMAGE);
	ret = loop_open(loop, rig->image);
	if (ret) {
		print_message("[  SKIP  ] loop device: %s\n", strerror(-ret));
		skip();
	}
	rig_spawn(rig, (const char *[]){"--blk-file", loop->path, option, NULL});
	rig_connect(rig);
}

static void stop_on_loop(struct rig *rig, struct loop *loop)
{
	rig_stop(rig);
	loop_close(loop);
}

static void block_devices_serve_every_type(struct rig *rig, const char *option)
{
	struct loop loop;

	start_on_loop(rig, &loop, option);
	rig_expect(rig, 0, RIG_DATA);
	rig_expect_alive(rig);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(rig_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 8, 800, UNMAP),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(rig_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 2003, 801, 0),
			 VIRTIO_BLK_S_OK);
	rig_expect(rig, 0, 4096);
	rig_expect_zeros(rig, 8, 800 * SECTOR);
	rig_expect(rig, 808, 1195 * SECTOR);
	rig_expect_zeros(rig, 2003, 801 * SECTOR);
	rig_expect(rig, 2804, 4096);
	assert_int_equal(rig_do_range(rig, VIRTIO_BLK_T_DISCARD, 8192, 8192, 0), VIRTIO_BLK_S_OK);
	rig_expect(rig, 8184, 4096);
	rig_expect(rig, 16384, 4096);
	stop_on_loop(rig, &loop);
}

static void a_block_device_serves_every_type(void **state)
{
	block_devices_serve_every_type(*state, NULL);
}

static void a_block_device_serves_every_type_with_direct_io(void **state)
{
	block_devices_serve_every_type(*state, "--direct");
}

static void a_block_device_grows_with_sighup(void **state)
{
	struct rig *rig = *state;
	struct loop loop;

	start_on_loop(rig, &loop, NULL);
	assert_return_code(truncate(rig->image, 2 * RIG_IMAGE), errno);
	assert_int_equal(loop_grow(&loop), 0);
	assert_return_code(kill(rig->program.pid, SIGHUP), errno);
	expect_capacity(rig, 2 * DISK_SECTORS);
	rig_expect_zeros(rig, 2 * DISK_SECTORS - 8, 4096);
	stop_on_loop(rig, &loop);
}

/* The device's storage is cut: reading it is EIO. */
static void an_io_error_fails_the_request_alone(void **state)
{
	struct rig *rig = *state;
	struct loop loop;

	start_on_loop(rig, &loop, "--direct");
	assert_return_code(truncate(rig->image, HALF * SECTOR), errno);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, HALF + 64, NULL, 4096), VIRTIO_BLK_S_IOERR);
	rig_expect(rig, HALF - 64, 4096);
	assert_int_equal(rig_do(rig, VIRTIO_BLK_T_IN, HALF + 64, NULL, 4096), VIRTIO_BLK_S_IOERR);
	rig_expect_alive(rig);
	rig_stop(rig);
	loop_close(&loop);
}

static void guest_memory_that_is_gone_fails_the_request(void **state)
{
	struct rig *rig = *state;
	struct driver_seg segs[3];
	struct guest_region extra = {.gpa = UINT64_C(1) << 32, .size = 2 << 20};
	const struct guest_region regions[] = {rig->memory, extra};

	rig_make_image(rig, rig->image, RIG_IMAGE);
	rig_spawn_file(rig, NULL);
	rig_connect(rig);
	peer_free(rig->peer);
	rig->peer = NULL;
	rig->config.n_regions = 2;
	rig->config.regions = regions;
	assert_int_equal(peer_new(&rig->config, &rig->peer), 0);
	rig_check(rig, peer_connect(rig->peer, rig->socket));
	rig_check(rig, peer_start(rig->peer));
	rig_io_new(rig, &rig->io, RIG_DATA);
	assert_int_equal(guest_truncate(rig->peer->guest, 1, 0), 0);
	segs[0] = (struct driver_seg){rig->io.header_gpa, HEADER, false};
	segs[1] = (struct driver_seg){extra.gpa, 4096, true};
	segs[2] = (struct driver_seg){rig->io.status_gpa, 1, true};
	for (uint32_t type = VIRTIO_BLK_T_IN; type <= VIRTIO_BLK_T_OUT; type++) {
		*rig->io.header = (struct virtio_blk_outhdr){.type = htole32(type)};
		segs[1].write = type == VIRTIO_BLK_T_IN;
		rig_chain(rig, segs, 3);
		assert_int_equal(*rig->io.status, VIRTIO_BLK_S_IOERR);
	}
	rig_expect(rig, 0, 4096);
	rig_stop(rig);
}

static void what_is_no_disk_is_refused(void **state)
{
	static const char *const paths[] = {"/dev/null", "/tmp", "/nonexistent/disk"};
	struct rig *rig = *state;
	struct spawned s;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *argv[] = {getenv("VU_BLK"), "--socket-path", rig->socket,
				      "--blk-file",	paths[i],	 NULL};

		spawn_run(&s, argv);
		assert_int_equal(s.status, 1);
		assert_non_null(strstr(s.err, paths[i]));
		spawn_free(&s);
	}
}

static void wrong_options_are_refused(void **state)
{
	static const char *const wrong[] = {"--num-queues=0",
					    "--num-queues=257",
					    "--queue-size=3",
					    "--queue-size=65536",
					    "--logical-block-size=256",
					    "--logical-block-size=1000",
					    "--backend=floppy",
					    "--size=0",
					    "--size=1X",
					    "--size=1KK",
					    "--size=9000000T",
					    "--size=-1",
					    "--serial=a-name-of-twenty-one!"};
	struct rig *rig = *state;
	struct spawned s;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *argv[] = {getenv("VU_BLK"), "--socket-path", rig->socket,
				      "--backend=null", wrong[i],	 NULL};

		spawn_run(&s, argv);
		if (s.status != 2)
			fail_msg("%s: status %d", wrong[i], s.status);
		spawn_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(misaligned_buffers_are_no_matter),
		TEST(misaligned_buffers_are_no_matter_with_direct_io),
		TEST(many_misaligned_requests_wait_for_their_turn),
		TEST(the_driver_chooses_between_write_back_and_write_through),
		TEST(a_driver_that_cannot_flush_gets_write_through),
		TEST(only_the_cache_mode_can_be_written),
		TEST(a_full_file_system_fails_the_write_alone),
		TEST(a_file_size_limit_fails_the_write_alone),
		TEST(a_file_that_became_shorter_fails_what_is_beyond),
		TEST(the_disk_grows_and_shrinks_with_sighup),
		TEST(a_block_device_serves_every_type),
		TEST(a_block_device_serves_every_type_with_direct_io),
		TEST(a_block_device_grows_with_sighup),
		TEST(an_io_error_fails_the_request_alone),
		TEST(guest_memory_that_is_gone_fails_the_request),
		TEST(what_is_no_disk_is_refused),
		TEST(wrong_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
