/* SPDX-License-Identifier: MIT */
/* What storage does: errors, sizes that change, block devices. */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop.h"
#include "run/forbid.h"

#define UNMAP VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

enum { DISK_SECTORS = DISK_IMAGE / SECTOR, HALF = DISK_SECTORS / 2 };

static void a_full_file_system_fails_the_write_alone(void **state)
{
	struct disk_rig *rig = *state;
	char dir[48], image[64];
	unsigned char *data = calloc(1, DISK_DATA);
	uint8_t status = VIRTIO_BLK_S_OK;

	snprintf(dir, sizeof(dir), "%s/full", rig->base.dir);
	snprintf(image, sizeof(image), "%s/image", dir);
	assert_return_code(mkdir(dir, 0700), errno);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=2m") < 0) {
		rmdir(dir);
		free(data);
		print_message("[  SKIP  ] mount: %s\n", strerror(errno));
		skip();
	}
	image_make(image, 64 * SECTOR);
	assert_return_code(truncate(image, DISK_IMAGE), errno);
	rig_spawn(&rig->base, (const char *[]){"--blk-file", image, NULL});
	disk_connect(rig);
	for (uint64_t s = DISK_DATA / SECTOR; s < DISK_SECTORS && status == 0;
	     s += DISK_DATA / SECTOR)
		status = disk_do(rig, VIRTIO_BLK_T_OUT, s, data, DISK_DATA);
	assert_int_equal(status, VIRTIO_BLK_S_IOERR);
	disk_expect(rig, 0, 64 * SECTOR);
	/* Giving sectors back makes room. */
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_DISCARD, 2048, DISK_SECTORS - 2048, 0),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 4096, data, 65536), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 4096, 20480, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 4096, 20480, UNMAP),
			 VIRTIO_BLK_S_OK);
	disk_expect_zeros(rig, 4096, 65536);
	rig_stop(&rig->base);
	free(data);
	if (umount(dir) < 0)
		fail_msg("umount: %s", strerror(errno));
	assert_return_code(rmdir(dir), errno);
}

static void file_size_limit(struct disk_rig *rig)
{
	const struct rlimit limit = {1 << 20, 1 << 20};
	unsigned char data[8 * SECTOR] = {0};

	disk_make_sparse_image(rig, DISK_IMAGE);
	disk_spawn_file(rig, NULL);
	assert_return_code(prlimit(rig->base.program.pid, RLIMIT_FSIZE, &limit, NULL), errno);
	disk_connect(rig);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, HALF, data, sizeof(data)),
			 VIRTIO_BLK_S_IOERR);
	/* Partly below the limit: what is written first does not make it a success. */
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 2044, data, sizeof(data)),
			 VIRTIO_BLK_S_IOERR);
	disk_expect_zeros(rig, HALF, sizeof(data));
	disk_expect_alive(rig);
	rig_stop(&rig->base);
}

static void a_file_size_limit_fails_the_write_alone(void **state)
{
	file_size_limit(*state);
}

/* There the write is tried on the queue's own thread, which the kernel sends SIGXFSZ: it is
 * blocked. */
static void a_file_size_limit_in_memory_fails_the_write_alone(void **state)
{
	struct disk_rig *rig = *state;

	disk_use_memory(rig);
	file_size_limit(rig);
}

static void a_file_that_became_shorter_fails_what_is_beyond(void **state)
{
	struct disk_rig *rig = *state;
	unsigned char data[8 * SECTOR];

	disk_start(rig, NULL);
	assert_return_code(truncate(rig->image, HALF * SECTOR), errno);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, HALF, NULL, 4096), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, HALF - 4, NULL, 4096), VIRTIO_BLK_S_IOERR);
	disk_expect(rig, HALF - 8, 4096);
	/* A write brings it back. */
	image_fill(data, HALF + 8, sizeof(data));
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, HALF + 8, data, sizeof(data)),
			 VIRTIO_BLK_S_OK);
	disk_expect(rig, HALF + 8, 4096);
	disk_expect_zeros(rig, HALF, 4096);
	rig_stop(&rig->base);
}

static void expect_capacity(struct disk_rig *rig, uint64_t sectors)
{
	struct virtio_blk_config config;
	struct frontend_msg msg;

	rig_check(&rig->base, frontend_expect_backend(&rig->base.peer->frontend,
						      WIRE_BACKEND_CONFIG_CHANGE_MSG, &msg));
	disk_get_config(rig, &config);
	assert_int_equal(le64toh(config.capacity), sectors);
}

static void the_disk_grows_and_shrinks_with_sighup(void **state)
{
	struct disk_rig *rig = *state;

	disk_start(rig, NULL);
	assert_return_code(truncate(rig->image, 2 * DISK_IMAGE), errno);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, DISK_SECTORS, NULL, 4096),
			 VIRTIO_BLK_S_IOERR);
	assert_return_code(kill(rig->base.program.pid, SIGHUP), errno);
	expect_capacity(rig, 2 * DISK_SECTORS);
	disk_expect_zeros(rig, DISK_SECTORS, 4096);
	disk_write(rig, 2 * DISK_SECTORS - 8);

	assert_return_code(truncate(rig->image, DISK_IMAGE / 2 + 100), errno);
	assert_return_code(kill(rig->base.program.pid, SIGHUP), errno);
	expect_capacity(rig, HALF);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, HALF, NULL, 4096), VIRTIO_BLK_S_IOERR);
	disk_expect(rig, HALF - 8, 4096);
	rig_stop(&rig->base);
}

/* vu-blk on a block device; skips where a test cannot make one. */
static void start_on_loop(struct disk_rig *rig, struct loop *loop, const char *option)
{
	disk_open_loop(rig, loop);
	rig_spawn(&rig->base, (const char *[]){"--blk-file", loop->path, option, NULL});
	disk_connect(rig);
}

static void stop_on_loop(struct disk_rig *rig, struct loop *loop)
{
	rig_stop(&rig->base);
	loop_close(loop);
}

/* Can this loop device discard?  Not if the file system below it makes no holes. */
static bool loop_discards(const struct loop *loop)
{
	int fd = open(loop->path, O_RDWR | O_CLOEXEC);
	bool can;

	assert_true(fd >= 0);
	can = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192 * SECTOR, 4096) == 0;
	close(fd);
	return can;
}

static void block_devices_serve_every_type(struct disk_rig *rig, const char *option)
{
	struct loop loop;

	start_on_loop(rig, &loop, option);
	disk_expect(rig, 0, DISK_DATA);
	disk_expect_alive(rig);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 8, 800, UNMAP),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 2003, 801, 0),
			 VIRTIO_BLK_S_OK);
	disk_expect(rig, 0, 4096);
	disk_expect_zeros(rig, 8, 800 * SECTOR);
	disk_expect(rig, 808, 1195 * SECTOR);
	disk_expect_zeros(rig, 2003, 801 * SECTOR);
	disk_expect(rig, 2804, 4096);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_DISCARD, 8192, 8192, 0),
			 loop_discards(&loop) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_UNSUPP);
	disk_expect(rig, 8184, 4096);
	disk_expect(rig, 16384, 4096);
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
	struct disk_rig *rig = *state;
	struct loop loop;

	start_on_loop(rig, &loop, NULL);
	assert_return_code(truncate(rig->image, 2 * DISK_IMAGE), errno);
	assert_int_equal(loop_grow(&loop), 0);
	assert_return_code(kill(rig->base.program.pid, SIGHUP), errno);
	expect_capacity(rig, 2 * DISK_SECTORS);
	disk_expect_zeros(rig, 2 * DISK_SECTORS - 8, 4096);
	stop_on_loop(rig, &loop);
}

/* The device's storage is cut: reading it is EIO. */
static void an_io_error_fails_the_request_alone(void **state)
{
	struct disk_rig *rig = *state;
	struct loop loop;

	start_on_loop(rig, &loop, "--direct");
	assert_return_code(truncate(rig->image, HALF * SECTOR), errno);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, HALF + 64, NULL, 4096), VIRTIO_BLK_S_IOERR);
	disk_expect(rig, HALF - 64, 4096);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, HALF + 64, NULL, 4096), VIRTIO_BLK_S_IOERR);
	disk_expect_alive(rig);
	rig_stop(&rig->base);
	loop_close(&loop);
}

static void guest_memory_that_is_gone_fails_the_request(void **state)
{
	struct disk_rig *rig = *state;
	struct driver_seg segs[3];
	struct guest_region extra = {.gpa = UINT64_C(1) << 32, .size = 2 << 20};
	const struct guest_region regions[] = {rig->memory, extra};

	image_make(rig->image, DISK_IMAGE);
	disk_spawn_file(rig, NULL);
	disk_connect(rig);
	peer_free(rig->base.peer);
	rig->base.peer = NULL;
	rig->base.config.n_regions = 2;
	rig->base.config.regions = regions;
	assert_int_equal(peer_new(&rig->base.config, &rig->base.peer), 0);
	rig_check(&rig->base, peer_connect(rig->base.peer, rig->base.socket));
	rig_check(&rig->base, peer_start(rig->base.peer));
	disk_io_new(rig, &rig->io, DISK_DATA);
	assert_int_equal(guest_truncate(rig->base.peer->guest, 1, 0), 0);
	segs[0] = (struct driver_seg){rig->io.header_gpa, HEADER, false};
	segs[1] = (struct driver_seg){extra.gpa, 4096, true};
	segs[2] = (struct driver_seg){rig->io.status_gpa, 1, true};
	for (uint32_t type = VIRTIO_BLK_T_IN; type <= VIRTIO_BLK_T_OUT; type++) {
		*rig->io.header = (struct virtio_blk_outhdr){.type = htole32(type)};
		segs[1].write = type == VIRTIO_BLK_T_IN;
		disk_chain(rig, segs, 3);
		assert_int_equal(*rig->io.status, VIRTIO_BLK_S_IOERR);
	}
	disk_expect(rig, 0, 4096);
	rig_stop(&rig->base);
}

static void what_is_no_disk_is_refused(void **state)
{
	static const char *const paths[] = {"/dev/null", "/tmp", "/proc/nonexistent/disk"};
	struct disk_rig *rig = *state;
	struct spawned s;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *argv[] = {getenv("VU_BLK"), "--socket-path", rig->base.socket,
				      "--blk-file",	paths[i],	 NULL};

		spawn_run(&s, argv);
		assert_int_equal(s.status, 1);
		assert_non_null(strstr(s.err, paths[i]));
		spawn_free(&s);
	}
}

static void a_size_that_is_no_multiple_of_a_block_is_told(void **state)
{
	static const struct {
		const char *option;
		uint64_t sectors;
		const char *line;
	} rows[] = {
		{"--read-only", 2049,
		 "does not see its last 100 bytes: a size of 1049188 is no "
		 "multiple of 512"},
		{"--logical-block-size=4096", 2048, "does not see its last 612 bytes"},
	};
	struct disk_rig *rig = *state;
	struct virtio_blk_config config;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		image_make(rig->image, 2049 * SECTOR + 100);
		disk_spawn_file(rig, (const char *[]){rows[i].option, NULL});
		disk_connect(rig);
		disk_get_config(rig, &config);
		assert_int_equal(le64toh(config.capacity), rows[i].sectors);
		disk_expect(rig, 2040, 4096);
		rig_stop(&rig->base);
		assert_non_null(strstr(rig->base.program.err, rows[i].line));
	}
}

static void an_image_without_a_block_is_refused(void **state)
{
	struct disk_rig *rig = *state;
	const char *argv[] = {getenv("VU_BLK"), "--socket-path", rig->base.socket,
			      "--blk-file",	rig->image,	 NULL};
	struct spawned s;

	for (uint64_t size = 0; size < SECTOR; size += SECTOR - 1) {
		image_make(rig->image, size);
		spawn_run(&s, argv);
		assert_int_equal(s.status, 1);
		assert_non_null(strstr(s.err, "not even one block of 512 bytes"));
		assert_non_null(strstr(s.err, rig->image));
		spawn_free(&s);
	}
}

static void wrong_options_are_refused_with_what_is_valid(void **state)
{
	static const char *const wrong[][2] = {
		{"--num-queues=0", "1 to 256"},
		{"--num-queues=257", "1 to 256"},
		{"--queue-size=3", "4 to 32768"},
		{"--queue-size=65536", "4 to 32768"},
		{"--logical-block-size=256", "a power of two, 512 to 4096"},
		{"--logical-block-size=1000", "a power of two, 512 to 4096"},
		{"--backend=floppy", "file, memory or null"},
		{"--locking=never", "auto, on or off"},
		{"--size=0", "512 to 4194304T"},
		{"--size=1X", "512 to 4194304T"},
		{"--size=1KK", "512 to 4194304T"},
		{"--size=9000000T", "512 to 4194304T"},
		{"--size=-1", "512 to 4194304T"},
		{"--serial=a-name-of-twenty-one!", "at most 20 characters"},
	};
	struct disk_rig *rig = *state;
	struct spawned s;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *argv[] = {getenv("VU_BLK"), "--socket-path", rig->base.socket,
				      wrong[i][0], NULL};

		spawn_run(&s, argv);
		if (s.status != 2 || !strstr(s.err, wrong[i][1]))
			fail_msg("%s: status %d: %s", wrong[i][0], s.status, s.err);
		spawn_free(&s);
	}
}

static void settings_given_twice_are_refused(void **state)
{
	static const char *const twice[][2] = {
		{"--backend=null", "--backend=memory"},
		{"--serial=a", "--serial=b"},
		{"--logical-block-size=512", "--logical-block-size=4096"},
		{"--size=1G", "--size=2G"},
	};
	struct disk_rig *rig = *state;
	struct spawned s;

	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
		const char *argv[] = {getenv("VU_BLK"), "--socket-path", rig->base.socket,
				      twice[i][0],	twice[i][1],	 NULL};
		char line[80];

		snprintf(line, sizeof(line), "vu-blk: option '%s' is given twice; try --help\n",
			 twice[i][1]);
		spawn_run(&s, argv);
		assert_int_equal(s.status, 2);
		assert_string_equal(s.err, line);
		spawn_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(a_full_file_system_fails_the_write_alone),
		DISK_TEST(a_file_size_limit_fails_the_write_alone),
		DISK_TEST(a_file_size_limit_in_memory_fails_the_write_alone),
		DISK_TEST(a_file_that_became_shorter_fails_what_is_beyond),
		DISK_TEST(the_disk_grows_and_shrinks_with_sighup),
		DISK_TEST(a_block_device_serves_every_type),
		DISK_TEST(a_block_device_serves_every_type_with_direct_io),
		DISK_TEST(a_block_device_grows_with_sighup),
		DISK_TEST(an_io_error_fails_the_request_alone),
		DISK_TEST(guest_memory_that_is_gone_fails_the_request),
		DISK_TEST(what_is_no_disk_is_refused),
		DISK_TEST(a_size_that_is_no_multiple_of_a_block_is_told),
		DISK_TEST(an_image_without_a_block_is_refused),
		DISK_TEST(wrong_options_are_refused_with_what_is_valid),
		DISK_TEST(settings_given_twice_are_refused),
	};

	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
