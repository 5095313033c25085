/* SPDX-License-Identifier: MIT */
/*
 * A file system of this process's with one file, "file" of SLOW_SIZE bytes, that keeps what it is
 * asked for until it is told to go on: a disk that takes its time.  Needs root and /dev/fuse.
 */
#ifndef FS_SLOW_FS_H
#define FS_SLOW_FS_H

#include <stdint.h>

enum { SLOW_SIZE = 8192 };

struct slow_fs;

/* Mount it on a directory; NULL: that is not allowed here. */
struct slow_fs *slow_fs_mount(const char *dir);
/* From now on requests of this opcode are kept. */
void slow_fs_hold(struct slow_fs *s, uint32_t opcode);
/* Wait until one is. */
void slow_fs_wait_held(struct slow_fs *s);
/* Answer it, if there is one, and keep no others. */
void slow_fs_go_on(struct slow_fs *s);
void slow_fs_unmount(struct slow_fs *s);

#endif
