/* SPDX-License-Identifier: MIT */
/*
 * vu-blk in a process of its own, a disk image, and a driver on its queues.
 *
 * Each test has a directory; teardown fails if anything is left in it.  A test starts the program
 * with its own arguments; rig_stop() ends it, and fails if it does not end well.  Failures end the
 * test through cmocka.
 */
#ifndef BLK_RIG_H
#define BLK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <string.h>

#include "frontend/peer.h"
#include "run/spawn.h"

enum {
	RIG_MEMORY = 96 << 20,
	RIG_DATA = 1 << 20, /* largest data of rig_do() */
	RIG_IMAGE = 16 << 20,
	RIG_MAX_ARGS = 12,
	HEADER = sizeof(struct virtio_blk_outhdr),
	SECTOR = 512,
	NO_STATUS = 0xee, /* what the status byte was before */
};

#define FEATURE(name) (UINT64_C(1) << VIRTIO_BLK_F_##name)

/* The places of one request in guest memory. */
struct rig_io {
	struct virtio_blk_outhdr *header;
	unsigned char *data;
	uint8_t *status;
	uint64_t header_gpa, data_gpa, status_gpa;
	uint64_t sector; /* for the test's own use */
	uint32_t stamp;
};

struct rig {
	char dir[32];
	char socket[64];
	char image[64];
	struct spawned program;
	struct peer *peer;
	struct peer_config config; /* for the next rig_connect(); n_queues 1 */
	struct guest_region memory;
	struct rig_io io;  /* for rig_do() */
	uint32_t used_len; /* of the last request that was waited for */
};

int rig_setup(void **state);
int rig_teardown(void **state);

/* Have the image on a file system in memory. */
void rig_use_memory(struct rig *rig);
/* An image of this size whose sector n is filled with rig_byte(n). */
void rig_make_image(struct rig *rig, const char *path, uint64_t size);
/* An image of zeros without blocks. */
void rig_make_sparse_image(struct rig *rig, uint64_t size);
unsigned char rig_byte(uint64_t sector);
/* The same bytes for a range of sectors. */
void rig_fill(unsigned char *data, uint64_t sector, uint32_t len);
/* What is in the image. */
void rig_read_image(const struct rig *rig, uint64_t offset, void *data, size_t len);

/* Start the program: --socket-path, then args up to NULL (which may be NULL itself). */
void rig_spawn(struct rig *rig, const char *const *args);
/* ... with --blk-file and the image. */
void rig_spawn_file(struct rig *rig, const char *const *args);
/* A new driver; the one before is gone. */
void rig_connect(struct rig *rig);
/* rig_spawn_file() and rig_connect(), with an image. */
void rig_start(struct rig *rig, const char *const *args);
/* Disconnect, end the program, and look at its status. */
void rig_stop(struct rig *rig);

void rig_check(struct rig *rig, int ret);
void rig_get_config(struct rig *rig, struct virtio_blk_config *config);

/* Places for a request with len bytes of data. */
void rig_io_new(struct rig *rig, struct rig_io *io, uint32_t len);
/* Offer it on a queue: header, data, status.  Not yet published. */
void rig_add(struct rig *rig, uint32_t queue, struct rig_io *io, uint32_t type, uint64_t sector,
	     uint32_t len);
/* One used request of any queue's, or NULL after the deadline. */
struct rig_io *rig_wait(struct rig *rig, uint32_t queue);
/* A chain of these segments, until it is used; sets used_len. */
void rig_chain(struct rig *rig, const struct driver_seg *segs, uint32_t n);

/* One request until it is done: its status.  Data of writes and ranges is taken from data. */
uint8_t rig_do(struct rig *rig, uint32_t type, uint64_t sector, void *data, uint32_t len);
/* One range; discard or write zeroes. */
uint8_t rig_do_range(struct rig *rig, uint32_t type, uint64_t sector, uint32_t sectors,
		     uint32_t flags);
/* Read and compare with rig_fill(), or with zeros. */
void rig_expect(struct rig *rig, uint64_t sector, uint32_t len);
void rig_expect_zeros(struct rig *rig, uint64_t sector, uint32_t len);
/* Write rig_fill(), 8 sectors. */
void rig_write(struct rig *rig, uint64_t sector);
/* Write rig_fill() of another sector, and read it. */
void rig_expect_alive(struct rig *rig);

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

#endif
