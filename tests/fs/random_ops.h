/* SPDX-License-Identifier: MIT */
/*
 * A random list of operations on a directory, and what each of them said: two file systems that
 * run the same list have to say the same.
 *
 * Paths have one or two components.  Results are what a call returned, or a negative errno.
 */
#ifndef FS_RANDOM_OPS_H
#define FS_RANDOM_OPS_H

#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

enum { RANDOM_DATA = 20000, RANDOM_NAMES = 64 };

struct random_target {
	int (*write)(void *opaque, const char *path, int flags, uint32_t mode, uint64_t offset,
		     const void *data, uint32_t len);
	int (*read)(void *opaque, const char *path, uint64_t offset, void *data, uint32_t len);
	int (*stat)(void *opaque, const char *path, struct stat *st);
	int (*truncate)(void *opaque, const char *path, uint64_t size);
	int (*chmod)(void *opaque, const char *path, uint32_t mode);
	int (*utimes)(void *opaque, const char *path, uint32_t seconds);
	int (*mkdir)(void *opaque, const char *path, uint32_t mode);
	int (*unlink)(void *opaque, const char *path);
	int (*rmdir)(void *opaque, const char *path);
	int (*rename)(void *opaque, const char *from, const char *to, uint32_t flags);
	int (*link)(void *opaque, const char *from, const char *to);
	int (*symlink)(void *opaque, const char *target, const char *path);
	int (*readlink)(void *opaque, const char *path, char *target, uint32_t size);
	/* Names without "." and "..", in any order. */
	int (*list)(void *opaque, const char *path, char names[RANDOM_NAMES][16]);
};

/* n operations; one line for each to out. */
void random_run(const struct random_target *target, void *opaque, uint32_t seed, uint32_t n,
		FILE *out);

/* A directory of this machine's; opaque is its descriptor. */
extern const struct random_target random_posix;

#endif
