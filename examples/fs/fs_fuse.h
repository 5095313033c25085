/* SPDX-License-Identifier: MIT */
/*
 * <linux/fuse.h>, and what Linux 6.12 and 7.2 have of it beyond Debian 12's (7.38).
 */
#ifndef FS_FUSE_H
#define FS_FUSE_H

#include <linux/fuse.h>
#include <stdint.h>

/* Of INIT flags no side's: there was an INIT.  The header's own is an int, and negative. */
#define FS_INIT_DONE (UINT64_C(1) << 31)

/* INIT flags, 7.39 to 7.45. */
#define FS_CREATE_SUPP_GROUP	(UINT64_C(1) << 34)
#define FS_DIRECT_IO_ALLOW_MMAP (UINT64_C(1) << 36)
#define FS_ALLOW_IDMAP		(UINT64_C(1) << 40)

#ifndef FATTR_KILL_SUIDGID
#define FATTR_KILL_SUIDGID (1 << 11)
#endif

enum {
	FS_OP_STATX = 52,	       /* 7.39 */
	FS_OP_COPY_FILE_RANGE_64 = 53, /* 7.45 */
	FS_EXT_GROUPS = 32,	       /* 7.39 */
	FS_NO_ID = -1,		       /* with ALLOW_IDMAP: no user, no group */
};

/* In front of each extension at the end of a request; size is a multiple of 8. */
struct fs_ext_header {
	uint32_t size;
	uint32_t type;
};

struct fs_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct fs_sx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};

struct fs_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0;
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct fs_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare2[14];
};

struct fs_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fs_statx stat;
};

struct fs_copy_file_range_out {
	uint64_t bytes_copied;
};

struct fs_syncfs_in {
	uint64_t padding;
};

#endif
