/* SPDX-License-Identifier: MIT */
/* Every opcode: what it is called, the least it must have, what is checked, who serves it. */
#include "fs.h"

#include <errno.h>

#define ROW(op, args, flags, run) [FUSE_##op] = {#op, args, flags, fs_##run}
#define IN(type)		  sizeof(struct fuse_##type##_in)

/* What the protocol had before a field was added, where a driver may still send that. */
enum { SETXATTR_IN = FUSE_COMPAT_SETXATTR_IN_SIZE };

static const struct fs_row rows[] = {
	ROW(LOOKUP, 0, FS_NODE | FS_NAME | FS_DOTS, lookup),
	ROW(FORGET, IN(forget), FS_NO_REPLY | FS_ONCE, forget),
	ROW(GETATTR, IN(getattr), FS_NODE, getattr),
	ROW(SETATTR, IN(setattr), FS_NODE | FS_WRITES, setattr),
	ROW(READLINK, 0, FS_NODE, readlink),
	ROW(SYMLINK, 0, FS_NODE | FS_DIR | FS_NAME | FS_TARGET | FS_WRITES | FS_ONCE, symlink),
	ROW(MKNOD, IN(mknod), FS_NODE | FS_DIR | FS_NAME | FS_WRITES | FS_ONCE, mknod),
	ROW(MKDIR, IN(mkdir), FS_NODE | FS_DIR | FS_NAME | FS_WRITES | FS_ONCE, mkdir),
	ROW(UNLINK, 0, FS_NODE | FS_DIR | FS_NAME | FS_WRITES | FS_ONCE, unlink),
	ROW(RMDIR, 0, FS_NODE | FS_DIR | FS_NAME | FS_WRITES | FS_ONCE, rmdir),
	ROW(RENAME, IN(rename), FS_NODE | FS_DIR | FS_NAME | FS_NAME2 | FS_WRITES | FS_ONCE,
	    rename),
	ROW(LINK, IN(link), FS_NODE | FS_DIR | FS_NAME | FS_WRITES | FS_ONCE, link),
	ROW(OPEN, IN(open), FS_NODE, open),
	ROW(READ, IN(read), 0, read),
	ROW(WRITE, IN(write), FS_DATA | FS_WRITES | FS_SLOW, write),
	ROW(STATFS, 0, FS_NODE, statfs),
	ROW(RELEASE, IN(release), FS_NODE, release),
	ROW(FSYNC, IN(fsync), FS_SLOW, fsync),
	ROW(SETXATTR, SETXATTR_IN, FS_NODE | FS_WRITES | FS_ONCE, setxattr),
	ROW(GETXATTR, IN(getxattr), FS_NODE | FS_XNAME, getxattr),
	ROW(LISTXATTR, IN(getxattr), FS_NODE, listxattr),
	ROW(REMOVEXATTR, 0, FS_NODE | FS_XNAME | FS_WRITES | FS_ONCE, removexattr),
	ROW(FLUSH, IN(flush), FS_NODE, flush),
	ROW(INIT, offsetof(struct fuse_init_in, flags2), FS_EARLY, init),
	ROW(OPENDIR, IN(open), FS_NODE | FS_DIR, opendir),
	ROW(READDIR, IN(read), FS_NODE | FS_DIR, readdir),
	ROW(RELEASEDIR, IN(release), 0, releasedir),
	ROW(FSYNCDIR, IN(fsync), FS_SLOW, fsyncdir),
	ROW(GETLK, IN(lk), FS_NODE, getlk),
	ROW(SETLK, IN(lk), FS_NODE, setlk),
	ROW(SETLKW, IN(lk), FS_NODE, setlkw),
	ROW(ACCESS, IN(access), FS_NODE, access),
	ROW(CREATE, IN(create), FS_NODE | FS_DIR | FS_NAME | FS_WRITES | FS_ONCE, create),
	/* Sent by no virtio-fs driver; there is nothing that it could interrupt for long. */
	ROW(INTERRUPT, IN(interrupt), FS_NO_REPLY, unsupported),
	/* Of block devices' file systems, and of files that are devices: none of ours. */
	ROW(BMAP, IN(bmap), FS_NODE, unsupported),
	ROW(DESTROY, 0, FS_EARLY, destroy),
	ROW(IOCTL, IN(ioctl), FS_NODE, unsupported),
	ROW(POLL, IN(poll), 0, unsupported),
	ROW(BATCH_FORGET, IN(batch_forget), FS_NO_REPLY | FS_ONCE, batch_forget),
	ROW(FALLOCATE, IN(fallocate), FS_WRITES | FS_SLOW, fallocate),
	ROW(READDIRPLUS, IN(read), FS_NODE | FS_DIR, readdirplus),
	ROW(RENAME2, IN(rename2), FS_NODE | FS_DIR | FS_NAME | FS_NAME2 | FS_WRITES | FS_ONCE,
	    rename2),
	ROW(LSEEK, IN(lseek), 0, lseek),
	ROW(COPY_FILE_RANGE, IN(copy_file_range), FS_WRITES | FS_SLOW, copy_file_range),
	ROW(SETUPMAPPING, IN(setupmapping), FS_NODE, setupmapping),
	ROW(REMOVEMAPPING, IN(removemapping), 0, removemapping),
	ROW(SYNCFS, sizeof(struct fs_syncfs_in), FS_SLOW, syncfs),
	ROW(TMPFILE, IN(create), FS_NODE | FS_DIR | FS_NAME | FS_WRITES, tmpfile),
	[FS_OP_STATX] = {"STATX", sizeof(struct fs_statx_in), FS_NODE, fs_statx},
	[FS_OP_COPY_FILE_RANGE_64] = {"COPY_FILE_RANGE_64", IN(copy_file_range),
				      FS_WRITES | FS_SLOW, fs_copy_file_range_64},
};

const struct fs_row *fs_row(uint32_t opcode)
{
	return opcode < sizeof(rows) / sizeof(rows[0]) && rows[opcode].run ? &rows[opcode] : NULL;
}

int fs_unsupported(struct fs_call *c)
{
	(void)c;
	return -ENOSYS;
}
