/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of files that were released just now, for who opens the same to read again: compilers
 * open the same headers thousands of times.
 */
#ifndef FS_REUSE_H
#define FS_REUSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct fs;
struct fs_file;
struct fs_node;
struct fs_queue;
struct vu_source;

/* What decides who may open a file, when its descriptor was opened. */
struct fs_mark {
	struct timespec changed; /* 0 seconds: it is not to be kept */
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* If the options and the file system allow it; once the root is there.  -ENOMEM. */
int fs_reuse_init(struct fs *fs);
void fs_reuse_fini(struct fs *fs);
/* May what is opened with these flags be one of those? */
bool fs_reuse_may(const struct fs *fs, const struct fs_node *node, int flags);
/* One of this inode, which has not changed since mark; -1: none. */
int fs_reuse_take(struct fs *fs, struct fs_node *node, struct fs_mark *mark);
/* The time before a new one is opened. */
struct timespec fs_reuse_clock(void);
/* A new one; mark: whether it is to be kept, which is so if the inode was opened before lately, and
 * has not changed since opened, fs_reuse_clock() of before. */
void fs_reuse_mark(struct fs *fs, const struct fs_node *node, int fd, const struct timespec *opened,
		   struct fs_mark *mark);
/* The file is released, and its descriptor is nobody's any more: kept, or closed.  The queue's
 * thread. */
void fs_reuse_give(struct fs_queue *q, struct fs_node *node, const struct fs_file *file);
/* The inode ends. */
void fs_reuse_forget(struct fs *fs, struct fs_node *node);
/* Close all: descriptors are needed elsewhere. */
void fs_reuse_clear(struct fs *fs);
/* A queue's timer. */
void fs_reuse_tick(struct vu_source *source, int fd, uint32_t events, void *opaque);

#endif
