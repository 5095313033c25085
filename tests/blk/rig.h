/* SPDX-License-Identifier: MIT */
/*
 * vu-blk in a process of its own, a disk image, and a driver on its queues: what the rig of all
 * devices has, and what a disk needs beside it.
 */
#ifndef BLK_RIG_H
#define BLK_RIG_H

#include "devices/image.h"
#include "devices/rig.h"

#include <linux/virtio_blk.h>

enum {
	DISK_MEMORY = 96 << 20,
	DISK_DATA = 1 << 20, /* largest data of disk_do() */
	DISK_IMAGE = 16 << 20,
	HEADER = sizeof(struct virtio_blk_outhdr),
	SECTOR = 512,
	NO_STATUS = 0xee, /* what the status byte was before */
};

#define FEATURE(name) (UINT64_C(1) << VIRTIO_BLK_F_##name)

/* The places of one request in guest memory. */
struct disk_io {
	struct virtio_blk_outhdr *header;
	unsigned char *data;
	uint8_t *status;
	uint64_t header_gpa, data_gpa, status_gpa;
	uint64_t sector; /* for the test's own use */
	uint32_t stamp;
};

struct loop;

struct disk_rig {
	struct rig base; /* config: n_queues 1 */
	char image[64];
	struct guest_region memory;
	struct disk_io io; /* for disk_do() */
	uint32_t used_len; /* of the last request that was waited for */
};

int disk_setup(void **state);
int disk_teardown(void **state);

/* Have the image on a file system in memory, or skip the test. */
void disk_use_memory(struct disk_rig *rig);
/* An image of zeros without blocks. */
void disk_make_sparse_image(struct disk_rig *rig, uint64_t size);
/*
 * An image behind a loop device: a disk without a page cache in between, whatever file system the
 * image is on.  Skips where a test cannot make one.
 */
void disk_open_loop(struct disk_rig *rig, struct loop *loop);

/* rig_spawn() with --blk-file and the image. */
void disk_spawn_file(struct disk_rig *rig, const char *const *args);
/* rig_connect(), with memory for a disk's requests. */
void disk_connect(struct disk_rig *rig);
/* disk_spawn_file() and disk_connect(), with an image. */
void disk_start(struct disk_rig *rig, const char *const *args);

void disk_get_config(struct disk_rig *rig, struct virtio_blk_config *config);

/* Places for a request with len bytes of data. */
void disk_io_new(struct disk_rig *rig, struct disk_io *io, uint32_t len);
/* Offer it on a queue: header, data, status.  Not yet published. */
void disk_add(struct disk_rig *rig, uint32_t queue, struct disk_io *io, uint32_t type,
	      uint64_t sector, uint32_t len);
/* One used request of any queue's, or NULL after the deadline. */
struct disk_io *disk_wait(struct disk_rig *rig, uint32_t queue);
/* A chain of these segments, until it is used; sets used_len. */
void disk_chain(struct disk_rig *rig, const struct driver_seg *segs, uint32_t n);

/* One request until it is done: its status.  Data of writes and ranges is taken from data. */
uint8_t disk_do(struct disk_rig *rig, uint32_t type, uint64_t sector, void *data, uint32_t len);
/* One range; discard or write zeroes. */
uint8_t disk_do_range(struct disk_rig *rig, uint32_t type, uint64_t sector, uint32_t sectors,
		      uint32_t flags);
/* Read and compare with image_fill(), or with zeros. */
void disk_expect(struct disk_rig *rig, uint64_t sector, uint32_t len);
void disk_expect_zeros(struct disk_rig *rig, uint64_t sector, uint32_t len);
/* Write image_fill(), 8 sectors. */
void disk_write(struct disk_rig *rig, uint64_t sector);
/* Write image_fill() of another sector, and read it. */
void disk_expect_alive(struct disk_rig *rig);

#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

#endif
