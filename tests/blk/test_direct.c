/* SPDX-License-Identifier: MIT */
/*
 * Past the page cache: disks that are polled for what is done, and guest memory that is registered.
 *
 * VU_BLK_POLLED names a block device with queues to be polled, or a file on one, whose content may
 * be destroyed; tests/guest/blk_iopoll.py has both.
 */
#include "rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/capability.h>

#include "loop.h"
#include "run/forbid.h"

enum {
	DEPTH = 32,
	ROUNDS = 2000,
	BLOCK = 8 * SECTOR,
	DISK_SECTORS = DISK_IMAGE / SECTOR,
	EXTRA = 8 << 20,
	MIB_OF_KIB = 1024,
};

#define EXTRA_GPA (UINT64_C(1) << 32)

/* Did the program write that, so far? */
static bool said(const struct disk_rig *rig, const char *text)
{
	char err[8192] = "";
	ssize_t n = pread(rig->base.program.err_fd, err, sizeof(err) - 1, 0);

	assert_true(n >= 0);
	return strstr(err, text);
}

/* Pinned memory of the program in KiB. */
static long pinned(const struct disk_rig *rig)
{
	char path[64], line[128];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)rig->base.program.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (kib < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "VmPin: %ld", &kib);
	fclose(f);
	return kib;
}

/* How many io_urings of the program had something to do. */
static int rings_used(const struct disk_rig *rig)
{
	int n = 0;

	for (int fd = 0; fd < 64; fd++) {
		char path[64], line[128];
		unsigned int tail = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)rig->base.program.pid, fd);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f) && sscanf(line, "CqTail: %u", &tail) != 1)
			;
		if (f)
			fclose(f);
		n += tail > 0;
	}
	return n;
}

/* CPU time of the program in ticks. */
static unsigned long cpu_ticks(const struct disk_rig *rig)
{
	unsigned long user, system;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)rig->base.program.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	fclose(f);
	return user + system;
}

/* Some time it uses no CPU: a thread that never sleeps always does. */
static void expect_idle(const struct disk_rig *rig)
{
	unsigned long used = 1;

	for (int ms = 0; ms < HANG_MS && used; ms += 200) {
		unsigned long before = cpu_ticks(rig);

		poll(NULL, 0, 200);
		used = cpu_ticks(rig) - before;
	}
	assert_int_equal(used, 0);
}

static void expect_pinned(const struct disk_rig *rig, long mib)
{
	long kib = -1;

	/* What is released on another thread takes a moment. */
	for (int ms = 0; ms < HANG_MS && kib != mib * MIB_OF_KIB; ms += 10) {
		if (ms)
			poll(NULL, 0, 10);
		kib = pinned(rig);
	}
	assert_int_equal(kib, mib * MIB_OF_KIB);
}

static const char *polled_device(void)
{
	const char *device = getenv("VU_BLK_POLLED");

	if (!device) {
		print_message("[  SKIP  ] no VU_BLK_POLLED: a disk with queues to be polled\n");
		skip();
	}
	return device;
}

/* One that may be in many extents of a file; one that the kernel splits; one that begins anywhere.
 */
static void polled_disk_takes_large_requests(struct disk_rig *rig)
{
	unsigned char *data = malloc(DISK_DATA);

	assert_non_null(data);
	image_fill(data, 0, 65536);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 0, data, 65536), VIRTIO_BLK_S_OK);
	disk_expect(rig, 0, 65536);
	image_fill(data, 8192, DISK_DATA);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 8192, data, DISK_DATA), VIRTIO_BLK_S_OK);
	disk_expect(rig, 8192, DISK_DATA);
	disk_expect(rig, 8195, 65536 + SECTOR);
	free(data);
}

/* All types of requests on the polled disk, many at a time, then again in another order. */
static void polled_disk_serves(struct disk_rig *rig, const char *option)
{
	const char *device = polled_device();
	unsigned char data[BLOCK];
	struct disk_io ios[DEPTH];
	uint32_t n = 0;

	rig_spawn(&rig->base,
		  (const char *[]){"--blk-file", device, "--direct", "--iopoll", option, NULL});
	assert_false(said(rig, "--iopoll:"));
	disk_connect(rig);
	for (uint64_t s = 0; s < DEPTH * 8; s += 8)
		disk_write(rig, s);
	for (int i = 0; i < DEPTH; i++) {
		disk_io_new(rig, &ios[i], BLOCK);
		disk_add(rig, 0, &ios[i], VIRTIO_BLK_T_IN, (uint64_t)i * 8, BLOCK);
	}
	for (; n < ROUNDS; n++) {
		struct disk_io *io = disk_wait(rig, 0);

		assert_int_equal(*io->status, VIRTIO_BLK_S_OK);
		image_fill(data, io->sector, BLOCK);
		assert_memory_equal(io->data, data, BLOCK);
		memset(io->data, NO_STATUS, BLOCK);
		disk_add(rig, 0, io, VIRTIO_BLK_T_IN, (io->sector + 8 * 7) % (DEPTH * 8), BLOCK);
	}
	for (int i = 0; i < DEPTH; i++)
		assert_int_equal(*disk_wait(rig, 0)->status, VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do_range(rig, VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0), VIRTIO_BLK_S_OK);
	disk_expect_zeros(rig, 8, BLOCK);
	disk_expect(rig, 0, BLOCK);
	disk_expect(rig, 16, BLOCK);
	polled_disk_takes_large_requests(rig);
	assert_int_equal(rings_used(rig), 2);
	expect_idle(rig);
	rig_stop(&rig->base);
}

static void a_polled_disk_serves_a_thread_that_sleeps(void **state)
{
	polled_disk_serves(*state, NULL);
}

static void a_polled_disk_serves_a_thread_that_polls(void **state)
{
	polled_disk_serves(*state, "--poll-us=100");
}

static void a_polled_disk_serves_from_registered_memory(void **state)
{
	polled_disk_serves(*state, "--register-memory");
}

/* rig_stop() looks at the end: within a second, with nothing in flight left behind. */
static void a_polled_disk_ends_with_requests_in_flight(void **state)
{
	struct disk_rig *rig = *state;
	struct disk_io ios[DEPTH];

	rig_spawn(&rig->base,
		  (const char *[]){"--blk-file", polled_device(), "--direct", "--iopoll", NULL});
	for (int round = 0; round < 20; round++) {
		disk_connect(rig);
		for (int i = 0; i < DEPTH; i++) {
			disk_io_new(rig, &ios[i], BLOCK);
			disk_add(rig, 0, &ios[i], VIRTIO_BLK_T_IN, (uint64_t)i * 8, BLOCK);
		}
		driver_kick(rig->base.peer->queues[0]);
		peer_disconnect(rig->base.peer);
	}
	rig_stop(&rig->base);
}

static void a_disk_that_cannot_be_polled_interrupts(void **state)
{
	struct disk_rig *rig = *state;
	struct loop loop;

	disk_open_loop(rig, &loop);
	rig_spawn(&rig->base,
		  (const char *[]){"--blk-file", loop.path, "--direct", "--iopoll", NULL});
	assert_true(said(rig, "--iopoll: "));
	assert_true(said(rig, "; going on with interrupts\n"));
	disk_connect(rig);
	disk_expect(rig, 0, DISK_DATA);
	disk_expect_alive(rig);
	assert_int_equal(rings_used(rig), 1);
	rig_stop(&rig->base);
	loop_close(&loop);
}

static void the_page_cache_is_neither_polled_nor_needs_pinned_memory(void **state)
{
	struct disk_rig *rig = *state;

	disk_start(rig, (const char *[]){"--iopoll", "--register-memory", NULL});
	assert_true(said(rig, "--iopoll: it needs --direct; going on with interrupts\n"));
	assert_true(said(rig, "--register-memory: it needs --direct; going on without\n"));
	disk_expect_alive(rig);
	assert_int_equal(pinned(rig), 0);
	rig_stop(&rig->base);
}

static void start_registered(struct disk_rig *rig, struct loop *loop)
{
	disk_open_loop(rig, loop);
	rig_spawn(&rig->base, (const char *[]){"--blk-file", loop->path, "--direct",
					       "--register-memory", NULL});
}

static void registered_memory_is_pinned_until_the_front_end_goes(void **state)
{
	struct disk_rig *rig = *state;
	struct loop loop;

	start_registered(rig, &loop);
	assert_int_equal(pinned(rig), 0);
	for (int round = 0; round < 3; round++) {
		disk_connect(rig);
		disk_expect_alive(rig);
		expect_pinned(rig, DISK_MEMORY >> 20);
		peer_disconnect(rig->base.peer);
		expect_pinned(rig, 0);
	}
	rig_stop(&rig->base);
	loop_close(&loop);
}

static void without_the_option_nothing_is_pinned(void **state)
{
	struct disk_rig *rig = *state;

	disk_start(rig, (const char *[]){"--direct", NULL});
	disk_expect_alive(rig);
	assert_int_equal(pinned(rig), 0);
	rig_stop(&rig->base);
}

/* The new memory is likely to be mapped where the old one was. */
static void a_new_session_reads_into_its_own_memory(void **state)
{
	struct disk_rig *rig = *state;
	struct loop loop;

	start_registered(rig, &loop);
	for (uint64_t i = 0; i < 20; i++) {
		disk_connect(rig);
		disk_expect(rig, i * 64, 64 * SECTOR);
		disk_write(rig, i * 64);
	}
	rig_stop(&rig->base);
	loop_close(&loop);
}

static void add_region(struct disk_rig *rig, struct disk_io *ios, uint32_t n)
{
	const struct guest_region extra = {
		.gpa = EXTRA_GPA, .size = EXTRA, .uva = UINT64_C(0x7e0000000000)};
	struct guest *guest = rig->base.peer->guest;
	int region = guest_add(guest, &extra);

	assert_true(region > 0);
	rig_check(&rig->base,
		  frontend_add_mem_reg(&rig->base.peer->frontend, &guest->regions[region]));
	for (uint32_t i = 0; i < n; i++) {
		ios[i].data_gpa = guest_alloc_in(guest, (uint32_t)region, BLOCK, 4096);
		ios[i].data = guest_ptr(guest, ios[i].data_gpa, BLOCK);
		assert_non_null(ios[i].data);
	}
}

static void check_read(const struct disk_io *io)
{
	unsigned char want[BLOCK];

	image_fill(want, io->sector, BLOCK);
	assert_int_equal(*io->status, VIRTIO_BLK_S_OK);
	assert_memory_equal(io->data, want, BLOCK);
}

/* The region goes while requests are in flight, which were all taken together. */
static void remove_region(struct disk_rig *rig, struct disk_io *ios)
{
	struct guest *guest = rig->base.peer->guest;

	for (uint32_t i = 0; i < DEPTH; i++)
		disk_add(rig, 0, &ios[i], VIRTIO_BLK_T_IN, i * 1000, BLOCK);
	check_read(disk_wait(rig, 0));
	rig_check(&rig->base, frontend_rem_mem_reg(&rig->base.peer->frontend, &guest->regions[1]));
	for (uint32_t i = 1; i < DEPTH; i++)
		check_read(disk_wait(rig, 0));
	guest_remove(guest, 1);
}

static void registered_memory_follows_plugging_and_unplugging(void **state)
{
	struct disk_rig *rig = *state;
	struct loop loop;
	struct disk_io ios[DEPTH];

	start_registered(rig, &loop);
	disk_connect(rig);
	disk_expect_alive(rig);
	for (uint32_t i = 0; i < DEPTH; i++)
		disk_io_new(rig, &ios[i], BLOCK);
	for (int round = 0; round < 8; round++) {
		add_region(rig, ios, DEPTH);
		/* Another region at the old one's addresses, every time. */
		memset(ios[0].data, NO_STATUS, BLOCK);
		disk_add(rig, 0, &ios[0], VIRTIO_BLK_T_IN, 77, BLOCK);
		check_read(disk_wait(rig, 0));
		disk_expect_alive(rig);
		expect_pinned(rig, (DISK_MEMORY + EXTRA) >> 20);
		remove_region(rig, ios);
		disk_expect_alive(rig);
		expect_pinned(rig, DISK_MEMORY >> 20);
	}
	rig_stop(&rig->base);
	loop_close(&loop);
}

/* Many small segments, and large ones: only single ones come from registered memory. */
static void registered_memory_serves_requests_of_all_shapes(void **state)
{
	struct disk_rig *rig = *state;
	struct loop loop;
	struct driver_seg segs[34];
	unsigned char want[32 * SECTOR];

	start_registered(rig, &loop);
	disk_connect(rig);
	disk_expect(rig, 0, DISK_DATA);
	disk_expect(rig, 3, SECTOR);
	*rig->io.header = (struct virtio_blk_outhdr){.type = htole32(VIRTIO_BLK_T_IN),
						     .sector = htole64(100)};
	segs[0] = (struct driver_seg){rig->io.header_gpa, HEADER, false};
	for (uint32_t i = 0; i < 32; i++)
		segs[1 + i] = (struct driver_seg){rig->io.data_gpa + (31 - i) * 4096, SECTOR, true};
	segs[33] = (struct driver_seg){rig->io.status_gpa, 1, true};
	disk_chain(rig, segs, 34);
	assert_int_equal(*rig->io.status, VIRTIO_BLK_S_OK);
	image_fill(want, 100, sizeof(want));
	for (uint32_t i = 0; i < 32; i++)
		assert_memory_equal(rig->io.data + (31 - i) * 4096, want + i * SECTOR, SECTOR);
	rig_stop(&rig->base);
	loop_close(&loop);
}

/* The last test: this process does not get the capability back. */
static void memory_that_cannot_be_pinned_is_used_as_usual(void **state)
{
	const struct rlimit limit = {1 << 20, 1 << 20};
	struct disk_rig *rig = *state;
	struct loop loop;

	if (prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK) < 0 || setrlimit(RLIMIT_MEMLOCK, &limit) < 0) {
		print_message("[  SKIP  ] limits: %s\n", strerror(errno));
		skip();
	}
	start_registered(rig, &loop);
	disk_connect(rig);
	disk_expect_alive(rig);
	disk_expect(rig, 0, DISK_DATA);
	assert_true(said(rig, "--register-memory: Cannot allocate memory (is RLIMIT_MEMLOCK too "
			      "low?); going on without\n"));
	assert_int_equal(pinned(rig), 0);
	rig_stop(&rig->base);
	loop_close(&loop);
}

/* test_blk_direct [PATTERN]: of test names. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(a_polled_disk_serves_a_thread_that_sleeps),
		DISK_TEST(a_polled_disk_serves_a_thread_that_polls),
		DISK_TEST(a_polled_disk_serves_from_registered_memory),
		DISK_TEST(a_polled_disk_ends_with_requests_in_flight),
		DISK_TEST(a_disk_that_cannot_be_polled_interrupts),
		DISK_TEST(the_page_cache_is_neither_polled_nor_needs_pinned_memory),
		DISK_TEST(registered_memory_is_pinned_until_the_front_end_goes),
		DISK_TEST(without_the_option_nothing_is_pinned),
		DISK_TEST(a_new_session_reads_into_its_own_memory),
		DISK_TEST(registered_memory_follows_plugging_and_unplugging),
		DISK_TEST(registered_memory_serves_requests_of_all_shapes),
		DISK_TEST(memory_that_cannot_be_pinned_is_used_as_usual),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	io_uring_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
