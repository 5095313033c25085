/* SPDX-License-Identifier: MIT */
/* See rig.h. */
#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "loop.h"

const char *const rig_program = "VU_BLK";

int disk_setup(void **state)
{
	struct disk_rig *rig = calloc(1, sizeof(*rig));

	if (rig_open(&rig->base, "/var/tmp"))
		return -1;
	snprintf(rig->image, sizeof(rig->image), "%s/image", rig->base.dir);
	rig->memory.size = DISK_MEMORY;
	rig->memory.uva = UINT64_C(0x7f0000000000);
	rig->base.config.n_regions = 1;
	rig->base.config.regions = &rig->memory;
	*state = rig;
	return 0;
}

int disk_teardown(void **state)
{
	struct disk_rig *rig = *state;
	char mounted[64];
	int ret;

	unlink(rig->image);
	/* What a failed test may have left. */
	snprintf(mounted, sizeof(mounted), "%s/full", rig->base.dir);
	umount2(mounted, MNT_DETACH);
	rmdir(mounted);
	ret = rig_close(&rig->base);
	free(rig);
	return ret;
}

void disk_use_memory(struct disk_rig *rig)
{
	struct statfs fs;

	if (statfs("/dev/shm", &fs) < 0 ||
	    (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < 2 * DISK_IMAGE) {
		print_message("[  SKIP  ] /dev/shm is not there or has no room\n");
		skip();
	}
	snprintf(rig->image, sizeof(rig->image), "/dev/shm/%s", strrchr(rig->base.dir, '/') + 1);
}

void disk_open_loop(struct disk_rig *rig, struct loop *loop)
{
	int ret;

	image_make(rig->image, DISK_IMAGE);
	ret = loop_open(loop, rig->image);
	if (ret) {
		print_message("[  SKIP  ] loop device: %s\n", strerror(-ret));
		skip();
	}
}

void disk_make_sparse_image(struct disk_rig *rig, uint64_t size)
{
	int fd = open(rig->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_return_code(ftruncate(fd, (off_t)size), errno);
	close(fd);
}

void disk_spawn_file(struct disk_rig *rig, const char *const *args)
{
	const char *argv[RIG_MAX_ARGS + 2] = {"--blk-file", rig->image};

	for (int i = 0; args && args[i]; i++) {
		assert_true(i + 2 < RIG_MAX_ARGS);
		argv[i + 2] = args[i];
	}
	rig_spawn(&rig->base, argv);
}

void disk_connect(struct disk_rig *rig)
{
	rig_connect(&rig->base);
	disk_io_new(rig, &rig->io, DISK_DATA);
}

void disk_start(struct disk_rig *rig, const char *const *args)
{
	image_make(rig->image, DISK_IMAGE);
	disk_spawn_file(rig, args);
	disk_connect(rig);
}

void disk_get_config(struct disk_rig *rig, struct virtio_blk_config *config)
{
	memset(config, 0, sizeof(*config));
	rig_check(&rig->base, frontend_get_config(&rig->base.peer->frontend, 0, config,
						  offsetof(struct virtio_blk_config, unused1) + 3));
}

static void *disk_alloc(struct disk_rig *rig, uint64_t size, uint64_t align, uint64_t *gpa)
{
	*gpa = guest_alloc(rig->base.peer->guest, size, align);
	assert_true(*gpa != GUEST_NONE);
	return guest_ptr(rig->base.peer->guest, *gpa, size);
}

void disk_io_new(struct disk_rig *rig, struct disk_io *io, uint32_t len)
{
	io->header = disk_alloc(rig, HEADER, 16, &io->header_gpa);
	io->data = disk_alloc(rig, len, 4096, &io->data_gpa);
	io->status = disk_alloc(rig, 1, 1, &io->status_gpa);
}

static bool disk_is_from_device(uint32_t type)
{
	return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
}

void disk_add(struct disk_rig *rig, uint32_t queue, struct disk_io *io, uint32_t type,
	      uint64_t sector, uint32_t len)
{
	struct driver_seg segs[3] = {{io->header_gpa, HEADER, false}};
	uint32_t n = 1;

	*io->header = (struct virtio_blk_outhdr){.type = htole32(type), .sector = htole64(sector)};
	*io->status = NO_STATUS;
	io->sector = sector;
	if (len)
		segs[n++] = (struct driver_seg){io->data_gpa, len, disk_is_from_device(type)};
	segs[n++] = (struct driver_seg){io->status_gpa, 1, true};
	rig_check(&rig->base, driver_add(rig->base.peer->queues[queue], segs, n, io));
}

struct disk_io *disk_wait(struct disk_rig *rig, uint32_t queue)
{
	struct driver_ring *ring = rig->base.peer->queues[queue];
	struct driver_used used;
	int ret;

	driver_kick(ring);
	for (int ms = 0; ms < HANG_MS; ms++) {
		for (int spins = 0; spins < 1000; spins++) {
			ret = driver_collect(ring, &used, 1);
			assert_true(ret >= 0);
			if (ret) {
				rig->used_len = used.len;
				return used.cookie;
			}
		}
		poll(NULL, 0, 1);
	}
	fail_msg("queue %u: nothing was used", queue);
	return NULL;
}

void disk_chain(struct disk_rig *rig, const struct driver_seg *segs, uint32_t n)
{
	rig_check(&rig->base, driver_add(rig->base.peer->queues[0], segs, n, &rig->io));
	assert_ptr_equal(disk_wait(rig, 0), &rig->io);
}

/* All up to the status, which is always written. */
static uint32_t disk_used_len(uint32_t type, uint32_t len)
{
	return disk_is_from_device(type) ? len + 1 : 1;
}

uint8_t disk_do(struct disk_rig *rig, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	bool in = disk_is_from_device(type);

	assert_true(len <= DISK_DATA);
	if (len && !in)
		memcpy(rig->io.data, data, len);
	else
		memset(rig->io.data, NO_STATUS, len);
	disk_add(rig, 0, &rig->io, type, sector, len);
	assert_ptr_equal(disk_wait(rig, 0), &rig->io);
	if (len && in && data)
		memcpy(data, rig->io.data, len);
	assert_int_equal(rig->used_len, disk_used_len(type, len));
	return *rig->io.status;
}

uint8_t disk_do_range(struct disk_rig *rig, uint32_t type, uint64_t sector, uint32_t sectors,
		      uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = {htole64(sector), htole32(sectors),
							htole32(flags)};

	return disk_do(rig, type, 0, &range, sizeof(range));
}

void disk_expect(struct disk_rig *rig, uint64_t sector, uint32_t len)
{
	unsigned char *want = malloc(len);

	assert_non_null(want);
	image_fill(want, sector, len);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, sector, NULL, len), VIRTIO_BLK_S_OK);
	assert_memory_equal(rig->io.data, want, len);
	free(want);
}

void disk_expect_zeros(struct disk_rig *rig, uint64_t sector, uint32_t len)
{
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, sector, NULL, len), VIRTIO_BLK_S_OK);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(rig->io.data[i], 0);
}

void disk_write(struct disk_rig *rig, uint64_t sector)
{
	unsigned char data[8 * SECTOR];

	image_fill(data, sector, sizeof(data));
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, sector, data, sizeof(data)),
			 VIRTIO_BLK_S_OK);
}

void disk_expect_alive(struct disk_rig *rig)
{
	unsigned char data[8 * SECTOR], got[8 * SECTOR];

	image_fill(data, 1000, sizeof(data));
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 24, data, sizeof(data)), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_IN, 24, got, sizeof(got)), VIRTIO_BLK_S_OK);
	assert_memory_equal(got, data, sizeof(data));
	image_fill(data, 24, sizeof(data));
	assert_int_equal(disk_do(rig, VIRTIO_BLK_T_OUT, 24, data, sizeof(data)), VIRTIO_BLK_S_OK);
}
