/* SPDX-License-Identifier: MIT */
/*
 * The DAX window (virtio 1.3 §5.11.6.7): shared memory region 0, in which the guest has pieces of
 * files mapped and reads and writes them without a request.
 */
#ifndef FS_DAX_H
#define FS_DAX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	FS_DAX_RANGE = 2 << 20, /* what Linux maps at a time */
	FS_DAX_PIECES = 256,	/* each is a region of guest memory, too */
	FS_DAX_ALIGN_LOG2 = 12,
};

struct fs;
struct fs_queue;
struct fs_settings;
struct fs_dax_ask;

/* A piece of a file in the window; len 0: none. */
struct fs_dax_piece {
	uint64_t nodeid, file_at;
	uint64_t at, len;
	bool mapped; /* else the front-end has not answered yet */
	bool doomed; /* to be taken away as soon as it has */
};

struct fs_dax {
	uint64_t len; /* of the window; 0: there is none */
	pthread_mutex_t lock;
	struct fs_dax_piece pieces[FS_DAX_PIECES];
	struct fs_dax_ask *asks; /* requests that the front-end is asked for */
};

/* What cannot be together with a window: -EINVAL after a message. */
int fs_dax_check(const struct fs_settings *settings);
/* Before a front-end is there: the device gets its region, if settings say so. */
int fs_dax_init(struct fs *fs);
/* A mount begins or ends: nothing is to be mapped. */
void fs_dax_unmap_all(struct fs *fs);
/* Reset, or the front-end went: nothing is mapped any more. */
void fs_dax_forget(struct fs *fs);
/* The queue stops: its requests that wait for the front-end are answered.  Queue thread. */
void fs_dax_stop(struct fs_queue *q);
/* Is there anything that the guest has mapped? */
bool fs_dax_in_use(struct fs *fs);
/* Is this file one that the window can hold whole, and cannot its end be lost? */
bool fs_dax_suits(uint64_t file_len);

#endif
