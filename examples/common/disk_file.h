/* SPDX-License-Identifier: MIT */
/* Back-end file: the open file, and the step functions of its requests. */
#ifndef DISK_FILE_H
#define DISK_FILE_H

#include "disk.h"

#include <liburing.h>
#include <libvu/unstable.h>

/* How a transfer may be tried at once, on the queue's thread. */
enum disk_now {
	DISK_NOW_NEVER,	 /* it might wait for the disk */
	DISK_NOW_CACHED, /* RWF_NOWAIT: what the page cache has */
	DISK_NOW_ALWAYS, /* all of the file is memory */
};

/* What to try for a range, in this order, until the file system can. */
enum disk_plan { PLAN_DISCARD, PLAN_UNMAP, PLAN_ZERO, N_PLANS };

struct disk_file {
	int fd;			    /* past the page cache with --direct */
	int buffered_fd;	    /* never; the same without --direct */
	bool is_block;		    /* a block device */
	bool direct;		    /* fd is not buffered_fd */
	uint32_t polled_max;	    /* bytes of a request that can be polled for; 0: none */
	uint32_t io_align;	    /* of offsets and lengths for fd; a power of two */
	uint32_t mem_align;	    /* of addresses */
	_Atomic int now[2];	    /* enum disk_now, by enum disk_type: read and write */
	_Atomic int first[N_PLANS]; /* steps before it turned out to be impossible here */
};

enum {
	URING_IOVS = 1024, /* also the most that the kernel takes for one (UIO_MAXIOV) */
	URING_BOUNCES = 16,
	URING_BOUNCE_SIZE = 256 << 10,
	URING_FD = 0, /* registered files */
	URING_BUFFERED_FD = 1,
};

/* What is submitted where: with --iopoll, transfers past the page cache have a ring of their own.
 */
enum uring_lane { LANE_EVENTS, LANE_POLLED, N_LANES };

/* A queue's io_urings and what its requests share.  Queue thread. */
struct uring {
	struct io_uring rings[N_LANES];
	uint32_t n_lanes;
	uint32_t in_flight[N_LANES];
	struct fixed *fixed; /* disk_fixed.c, of the last lane; NULL: not wanted, or impossible */
	struct disk_queue *queue;
	struct disk_file *file;
	struct vu_source *source;
	struct vu_source *poll;
	struct vu_source *timer; /* runs while the kernel does not take submissions */
	struct vu_source *busy;	 /* keeps the thread awake while LANE_POLLED has something to do */
	int busy_fd;
	bool is_busy;
	bool stuck;
	struct vu_req *waiting, *waiting_last; /* for room or a bounce buffer */
	uint32_t now_skip, now_penalty;	       /* don't try at once so many times */
	uint32_t n_bounces, n_free_bounces;
	void *free_bounces[URING_BOUNCES];
	uint32_t iovs_used;
	struct iovec iovs[URING_IOVS]; /* until submission: the kernel copies them then */
};

/*
 * x_step() queues the next step of a request: 1 if it did, 0 if there is no room now, or -errno.
 * x_result() gets what came of it: a status, or URING_MORE if there is another step to do.
 */
enum { URING_MORE = -1 };

/* Room for one submission in any lane and n iovecs; submits what there is to get it.  False: not
 * now. */
bool uring_make_room(struct uring *u, uint32_t n_iovs);
/* The submission, after uring_make_room(); prepare it, then uring_set(). */
struct io_uring_sqe *uring_get(struct uring *u, enum uring_lane lane);
void uring_set(struct io_uring_sqe *sqe, struct vu_req *req, int registered_file);
/* Log it; its status. */
int uring_failed(struct uring *u, const char *what, int error);

/* Try without io_uring; true if the request is through. */
bool transfer_now(struct uring *u, struct vu_req *req);
int transfer_step(struct uring *u, struct vu_req *req);
int transfer_result(struct uring *u, struct vu_req *req, int res);
void transfer_end(struct uring *u, struct vu_req *req);

/* Is there something to do?  Moves on to the next range that is not empty. */
bool range_left(struct disk_io *io);
int range_step(struct uring *u, struct vu_req *req);
int range_result(struct uring *u, struct vu_req *req, int res);

/* disk_lock.c */

/* Keep others from an image that is written to; -EBUSY: somebody has it.  Says why on stderr. */
int lock_image(int fd, const struct disk_settings *settings);

/* disk_polled.c */

/* How many bytes of this open file can be polled for at once; 0: none, with a line why.  Device
 * thread. */
uint32_t polled_max(const struct disk *disk);
/* The ring of LANE_POLLED; -errno: there is none. */
int polled_init(struct io_uring *ring, uint32_t entries, uint32_t completions);

/* disk_fixed.c */

/* Space for the registrations of a ring; NULL with a line why. */
struct fixed *fixed_new(struct io_uring *ring, const char *program);
/* The registered buffer that has these bytes of a request, or -1. */
int fixed_find(struct fixed *fixed, const struct vu_req *req, const struct iovec *iov);
/* The memory may be unmapped from now on.  What is in flight keeps it pinned. */
void fixed_forget(struct fixed *fixed);
/* Any thread: fixed_forget() is to come, in the queue's thread. */
void fixed_expire(struct fixed *fixed);
bool fixed_is_expired(struct fixed *fixed);
void fixed_free(struct fixed *fixed);

/* disk_uring.c, for the table of the back-end. */
int uring_init(struct disk_queue *q);
void uring_fini(struct disk_queue *q);
void uring_start(struct disk_queue *q, struct vu_req *req);
void uring_commit(struct disk_queue *q);
void uring_session_end(struct disk_queue *q);

#endif
