/* SPDX-License-Identifier: MIT */
/*
 * vu-blk: what its files share.
 *
 *   blk.c           options, the device, its configuration space
 *   blk_request.c   from a virtio request to a checked struct blk_io, and its end
 *   blk_memory.c    back-ends memory and null
 *   blk_file.c      back-end file: opening, size, alignment
 *   blk_lock.c      back-end file: locks against other users of the image
 *   blk_uring.c     back-end file: an io_uring for each queue, or two
 *   blk_polled.c    the second: transfers whose end is polled for
 *   blk_fixed.c     guest memory that is registered with them
 *   blk_transfer.c  reading and writing with it
 *   blk_range.c     discarding and zeroing with it
 *
 * A disk belongs to the device thread, but for its atomics; a queue to its worker thread.
 */
#ifndef BLK_H
#define BLK_H

#include <libvu/vu.h>

#include <linux/virtio_blk.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
	BLK_SECTOR = 512,
	BLK_SEG_MAX = 126,    /* with header and status what fits into QEMU's usual ring of 128 */
	BLK_MAX_SEGS = 2048,  /* what is taken: not every driver knows of seg_max */
	BLK_BATCH = 64,	      /* requests completed together */
	BLK_GRAIN = 16 << 10, /* bytes copied until what is finished is published */
	BLK_MAX_RANGES = 64,  /* of a discard or write zeroes request */
	BLK_MAX_DISCARD = 1 << 30, /* bytes in a range */
	BLK_MAX_ZEROES = 64 << 20, /* less: a file system without a better way writes them */
};

enum blk_locking { BLK_LOCKING_AUTO, BLK_LOCKING_ON, BLK_LOCKING_OFF };

struct blk_settings {
	struct vu_option_list files; /* of each socket; a single one is everybody's */
	const struct blk_backend *backend;
	uint64_t size; /* of memory and null */
	uint64_t n_queues;
	uint64_t queue_size;
	uint32_t block; /* logical block size; 0: what suits the file */
	int read_only;
	int in_order;
	int direct;
	int polled;	  /* --iopoll */
	int fixed;	  /* --register-memory */
	uint32_t locking; /* enum blk_locking */
	char serial[VIRTIO_BLK_ID_BYTES];
};

/* What the guest may know about the storage; a back-end's open() fills it. */
struct blk_limits {
	uint32_t block;	   /* smallest sensible unit, at least a sector */
	uint32_t physical; /* unit without read-modify-write */
	uint32_t optimal;  /* best size of a request; 0: any */
	bool discard;	   /* can give blocks back */
};

struct blk_disk {
	const struct blk_settings *settings;
	const struct blk_backend *backend;
	struct vu_device *dev;
	struct blk_limits limits;
	_Atomic uint64_t bytes;	  /* capacity; changes with SIGHUP */
	atomic_bool writethrough; /* writes are on stable storage before they complete */
	bool wce, flush;	  /* features the driver took */
	struct blk_file *file;	  /* back-end file */
	unsigned char *memory;	  /* back-end memory */
	uint32_t n_queues;
	struct blk_queue *queues;
};

struct blk_queue {
	struct blk_disk *disk;
	struct vu_queue *vq;
	struct vu_group *group;
	struct uring *uring;
	/* blk_memory.c: begun, not yet copied; what of it the CPU's cache was asked for */
	struct vu_req *gathered[BLK_BATCH];
	uint32_t n_gathered, ahead; /* the first ahead of them, and */
	uint64_t ahead_offset;	    /* so much of the next; */
	uint64_t asked;		    /* all in all */
	uint64_t worked;	    /* see blk_worked() */
	uint32_t n_done;	    /* finished, not yet completed */
	struct vu_req *done[BLK_BATCH];
	uint64_t written[BLK_BATCH];
};

enum blk_type { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZEROES };

struct blk_range {
	uint64_t offset; /* bytes, all inside the disk */
	uint64_t len;
	bool unmap;
};

/* Lives in vu_req.priv. */
struct blk_io {
	uint64_t offset;	  /* of a read or write, in bytes */
	uint64_t len;		  /* ... or of the ID */
	uint64_t done;		  /* bytes of it, or of the present range */
	struct blk_range *ranges; /* of a discard or write zeroes; freed at the end */
	void *bounce;		  /* blk_transfer.c */
	struct vu_req *next;	  /* blk_uring.c */
	uint8_t type;		  /* enum blk_type */
	bool sync;		  /* write through */
	bool buffered;		  /* blk_transfer.c: not past the page cache */
	uint8_t retries;
	uint8_t step; /* blk_range.c */
	uint8_t range;
	uint8_t n_ranges;
};

struct blk_backend {
	const char *name;
	/* Storage for the socket number index; sets limits and bytes. */
	int (*open)(struct blk_disk *disk, uint32_t index);
	void (*close)(struct blk_disk *disk);
	/* SIGHUP: the size today; NULL: it does not change. */
	int (*size)(const struct blk_disk *disk, uint64_t *bytes);
	/* What a queue needs of its own; may be NULL.  queue_fini: also after a failed init. */
	int (*queue_init)(struct blk_queue *q);
	void (*queue_fini)(struct blk_queue *q);
	/* Begin a checked request; blk_finish() when it is done, now or later.  Queue thread. */
	void (*start)(struct blk_queue *q, struct vu_req *req);
	/* End of a pass: start what was gathered; may be NULL.  Queue thread. */
	void (*commit)(struct blk_queue *q);
	/* The front-end is gone, and its memory with it; may be NULL.  Device thread. */
	void (*session_end)(struct blk_queue *q);
};

extern const struct blk_backend blk_backend_file, blk_backend_memory, blk_backend_null;

/* blk_request.c.  Queue thread. */

/* vu_ops.queue_ready */
void blk_queue_ready(struct vu_queue *vq, void *opaque);
/* The end of a request, with a status of virtio's. */
void blk_finish(struct blk_queue *q, struct vu_req *req, uint8_t status);
/* Make what was finished visible; before a callback of ours returns. */
void blk_flush_done(struct blk_queue *q);
/*
 * After blk_finish(): this thread was busy with so many bytes of it.  Once that adds up, what is
 * finished is published, so that the driver has something to do while the rest is copied.
 */
void blk_worked(struct blk_queue *q, uint64_t bytes);

#endif
