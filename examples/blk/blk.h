/* SPDX-License-Identifier: MIT */
/*
 * vu-blk: what its files share.
 *
 *   blk.c           options, the device, its configuration space
 *   blk_request.c   from a virtio request to a checked struct disk_io, and its end
 *
 * Where the data is, and how it gets there: ../common/disk.h.
 *
 * A disk belongs to the device thread, but for its atomics; a queue to its worker thread.
 */
#ifndef BLK_H
#define BLK_H

#include <linux/virtio_blk.h>

#include "../common/disk.h"
#include "../common/shut_in.h"

enum {
	BLK_SECTOR = 512,
	BLK_SEG_MAX = 126,    /* with header and status what fits into QEMU's usual ring of 128 */
	BLK_MAX_SEGS = 2048,  /* what is taken: not every driver knows of seg_max */
	BLK_BATCH = 64,	      /* requests completed together */
	BLK_GRAIN = 16 << 10, /* bytes copied until what is finished is published */
};

struct blk_settings {
	struct disk_settings disk;
	struct vu_option_list files; /* of each socket; a single one is everybody's */
	const struct disk_backend *backend;
	uint64_t n_queues;
	int in_order;
	char serial[VIRTIO_BLK_ID_BYTES];
	struct shut_in shut_in;
};

struct blk_disk {
	struct disk disk;
	struct disk_settings disk_settings; /* this one's */
	const struct blk_settings *settings;
	struct vu_device *dev;
	atomic_bool writethrough; /* writes are on stable storage before they complete */
	bool wce, flush;	  /* features the driver took */
	uint32_t n_queues;
	struct blk_queue *queues;
};

struct blk_queue {
	struct disk_queue disk; /* first: what the back-ends know */
	struct blk_disk *blk;
	struct vu_queue *vq;
	uint64_t worked; /* see disk_worked() */
	uint32_t n_done; /* finished, not yet completed */
	struct vu_req *done[BLK_BATCH];
	uint64_t written[BLK_BATCH];
};

/* blk_request.c.  Queue thread. */

/* vu_ops.queue_ready */
void blk_queue_ready(struct vu_queue *vq, void *opaque);

#endif
