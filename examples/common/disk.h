/* SPDX-License-Identifier: MIT */
/*
 * Storage of a virtual disk, whatever the kind of device in front of it: what vu-blk and vu-scsi
 * share.
 *
 *   disk_memory.c    back-ends memory and null
 *   disk_file.c      back-end file: opening, size, alignment
 *   disk_lock.c      back-end file: locks against other users of the image
 *   disk_uring.c     back-end file: an io_uring for each queue, or two
 *   disk_polled.c    the second: transfers whose end is polled for
 *   disk_fixed.c     guest memory that is registered with them
 *   disk_transfer.c  reading and writing with it
 *   disk_range.c     discarding and zeroing with it
 *
 * The device parses and checks; a request whose vu_req.priv begins with a filled struct disk_io is
 * then given to the back-end's start().  The device's program defines three functions, at the end,
 * which take what is finished.
 *
 * A disk belongs to the device thread, but for its atomics; a queue to its worker thread.
 */
#ifndef COMMON_DISK_H
#define COMMON_DISK_H

#include <libvu/vu.h>

#include <stdatomic.h>
#include <stdbool.h>

enum {
	DISK_SECTOR = 512,	    /* the least block */
	DISK_BATCH = 64,	    /* requests that are copied together */
	DISK_MAX_RANGES = 64,	    /* of a discard or write zeroes request */
	DISK_MAX_DISCARD = 1 << 30, /* bytes in a range */
	DISK_MAX_ZEROES = 64 << 20, /* less: a file system without a better way writes them */
};

enum disk_locking { DISK_LOCKING_AUTO, DISK_LOCKING_ON, DISK_LOCKING_OFF };

/* By enum disk_locking, for a table of options. */
extern const char *const disk_locking_choices[];

struct disk_settings {
	const char *program; /* its name, for messages */
	const char *path;    /* back-end file */
	uint64_t size;	     /* of memory and null */
	uint64_t queue_size; /* requests that a queue can have */
	uint32_t block;	     /* logical block size; 0: what suits the file */
	uint32_t locking;    /* enum disk_locking */
	int read_only;
	int direct;
	uint32_t timeout; /* of commands that are passed through, in seconds; 0: as usual */
	int polled;	  /* --iopoll */
	int fixed;	  /* --register-memory */
};

/* What the guest may know about the storage; a back-end's open() fills it. */
struct disk_limits {
	uint32_t block;	   /* smallest sensible unit, at least a sector */
	uint32_t physical; /* unit without read-modify-write */
	uint32_t optimal;  /* best size of a request; 0: any */
	bool discard;	   /* can give blocks back */
	bool zeroes;	   /* ... which are zeros from then on */
};

struct disk {
	const struct disk_settings *settings;
	const struct disk_backend *backend;
	struct disk_limits limits;
	_Atomic uint64_t bytes; /* capacity; changes when its owner asks for the size */
	struct disk_file *file; /* back-end file */
	unsigned char *memory;	/* back-end memory */
	atomic_bool told;	/* disk_uring.c: why a queue has no io_uring */
	void *own;		/* a back-end's of the program's */
};

/* A disk as a queue uses it.  The first four are filled in before queue_init(). */
struct disk_queue {
	struct disk *disk;
	struct vu_device *dev; /* for log lines */
	struct vu_group *group;
	struct uring *uring;
	void *own; /* a back-end's of the program's */
	/* disk_memory.c: begun, not yet copied; what of it the CPU's cache was asked for */
	struct vu_req *gathered[DISK_BATCH];
	uint32_t n_gathered, ahead; /* the first ahead of them, and */
	uint64_t ahead_offset;	    /* so much of the next; */
	uint64_t asked;		    /* all in all */
};

enum disk_type { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_ZEROES };

/* How it ended.  As VIRTIO_BLK_S_. */
enum disk_status { DISK_OK, DISK_IOERR, DISK_UNSUPP };

struct disk_range {
	uint64_t offset; /* bytes, all inside the disk */
	uint64_t len;
	bool unmap;
};

/* vu_req.priv begins with it, zeros each time: of 64 bytes, so that these are few. */
struct disk_io {
	uint64_t offset; /* of a read or write, in bytes */
	uint64_t len;
	uint64_t done;		   /* bytes of it, or of the present range */
	struct disk_range *ranges; /* of a discard or write zeroes; the device's to free */
	void *buffer;		   /* len bytes to read into or write, instead of the request's */
	void *bounce;		   /* disk_transfer.c */
	struct vu_req *next;	   /* disk_uring.c */
	uint16_t skip;		   /* bytes of the readable or writable part before the data */
	uint8_t type;		   /* enum disk_type */
	bool sync;		   /* write through */
	bool buffered : 1;	   /* disk_transfer.c: not past the page cache */
	uint8_t step : 2;	   /* disk_range.c */
	uint8_t retries : 4;
	uint8_t range;
	uint8_t n_ranges;
};

_Static_assert(sizeof(struct disk_io) <= 64, "what is cleared for each request stays small");

struct disk_backend {
	const char *name;
	/* The storage that the settings say; sets limits and bytes. */
	int (*open)(struct disk *disk);
	void (*close)(struct disk *disk);
	/* The size today; NULL: it does not change. */
	int (*size)(const struct disk *disk, uint64_t *bytes);
	/* What a queue needs of its own; may be NULL.  queue_fini: also after a failed init. */
	int (*queue_init)(struct disk_queue *q);
	void (*queue_fini)(struct disk_queue *q);
	/* Begin a checked request; disk_finish() when it is done, now or later.  Queue thread. */
	void (*start)(struct disk_queue *q, struct vu_req *req);
	/* End of a pass: start what was gathered; may be NULL.  Queue thread. */
	void (*commit)(struct disk_queue *q);
	/* The front-end is gone, and its memory with it; may be NULL.  Device thread. */
	void (*session_end)(struct disk_queue *q);
};

extern const struct disk_backend disk_backend_file, disk_backend_memory, disk_backend_null;

/*
 * Defined by each program, and called by the back-ends.  Queue thread.
 *
 * The end of what start() began, with an enum disk_status.  Not the place to begin something else.
 */
void disk_finish(struct disk_queue *q, struct vu_req *req, uint8_t status);
/*
 * After disk_finish(): this thread was busy with so many bytes of it.  Once that adds up, what is
 * finished should be published, so that the driver has something to do while the rest is copied.
 */
void disk_worked(struct disk_queue *q, uint64_t bytes);
/* A pass over completions ends: publish all that is finished. */
void disk_pass_end(struct disk_queue *q);

#endif
