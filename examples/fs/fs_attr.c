/* SPDX-License-Identifier: MIT */
/* GETATTR, SETATTR, STATX and ACCESS. */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ID_GIVEN   (FATTR_UID | FATTR_GID)
#define TIME_GIVEN (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)

void fs_fill_attr(const struct fs *fs, const struct stat *st, struct fuse_attr *attr)
{
	*attr = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = fs_id_to_guest(&fs->settings->uids, st->st_uid),
		.gid = fs_id_to_guest(&fs->settings->gids, st->st_gid),
		/* As the protocol has it: the kernel's old encoding, 20 bits of minor number. */
		.rdev = (minor(st->st_rdev) & 0xff) | major(st->st_rdev) << 8 |
			(minor(st->st_rdev) & ~0xffu) << 12,
		.blksize = (uint32_t)st->st_blksize,
	};
	if (fs->dax.len && S_ISREG(st->st_mode) && fs_dax_suits(attr->size) &&
	    atomic_load_explicit(&fs->flags, memory_order_relaxed) & FUSE_HAS_INODE_DAX)
		attr->flags |= FUSE_ATTR_DAX;
}

/* Its attributes now, as reply. */
static int fs_reply_attr(struct fs_call *c, int fd)
{
	struct fuse_attr_out *out = c->out;
	struct stat st;

	if (c->out_room < sizeof(*out))
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	out->attr_valid = c->fs->attr_sec;
	out->attr_valid_nsec = c->fs->attr_nsec;
	out->dummy = 0;
	fs_fill_attr(c->fs, &st, &out->attr);
	return sizeof(*out);
}

int fs_getattr(struct fs_call *c)
{
	int fd = fs_node_fd(c->fs, c->node);

	return fd < 0 ? fd : fs_reply_attr(c, fd);
}

/* --- setting --- */

static int fs_set_mode(struct fs_call *c, int fd, uint32_t mode)
{
	char name[16];

	/* A symbolic link has no mode of its own. */
	if (c->node->type == S_IFLNK)
		return -EOPNOTSUPP;
	snprintf(name, sizeof(name), "%d", fd);
	return fchmodat(c->fs->proc_fd, name, mode & 07777, 0) < 0 ? -errno : 0;
}

static int fs_set_owner(const struct fs_settings *settings, const struct fuse_setattr_in *in,
			int fd)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	if ((in->valid & FATTR_UID && fs_id_to_host(&settings->uids, in->uid, &uid)) ||
	    (in->valid & FATTR_GID && fs_id_to_host(&settings->gids, in->gid, &gid)))
		return -EPERM;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int fs_set_size(struct fs_call *c, const struct fuse_setattr_in *in)
{
	bool kill = in->valid & FATTR_KILL_SUIDGID;
	struct fs_file *file = NULL;
	int fd, ret;

	if (in->size > INT64_MAX)
		return -EFBIG;
	if (in->valid & FATTR_FH) {
		file = fs_file_get(c->fs, in->fh, false);
		if (!file)
			return -EBADF;
		fd = file->fd;
	} else {
		fd = fs_node_open(c->fs, c->node, O_WRONLY);
		if (fd < 0)
			return fd;
	}
	ret = kill ? fs_fsetid_drop(c->fs) : 0;
	if (!ret)
		ret = ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
	if (kill)
		fs_fsetid_restore(c->fs);
	if (file)
		fs_file_put(c->fs, file);
	else
		close(fd);
	return ret;
}

static struct timespec fs_time(uint64_t sec, uint32_t nsec, bool given, bool now)
{
	if (!given && !now)
		return (struct timespec){0, UTIME_OMIT};
	if (now)
		return (struct timespec){0, UTIME_NOW};
	return (struct timespec){(time_t)sec, nsec};
}

static int fs_set_times(struct fs_call *c, const struct fuse_setattr_in *in, int fd)
{
	struct timespec times[2] = {
		fs_time(in->atime, in->atimensec, in->valid & FATTR_ATIME,
			in->valid & FATTR_ATIME_NOW),
		fs_time(in->mtime, in->mtimensec, in->valid & FATTR_MTIME,
			in->valid & FATTR_MTIME_NOW),
	};
	char name[16];

	snprintf(name, sizeof(name), "%d", fd);
	return utimensat(c->fs->proc_fd, name, times, 0) < 0 ? -errno : 0;
}

int fs_setattr(struct fs_call *c)
{
	const struct fuse_setattr_in *in = c->args;
	int fd = fs_node_fd(c->fs, c->node), ret = 0;

	if (fd < 0)
		return fd;
	if (in->valid & FATTR_SIZE && c->node->type != S_IFREG)
		return c->node->type == S_IFDIR ? -EISDIR : -EINVAL;
	if (in->valid & FATTR_MODE)
		ret = fs_set_mode(c, fd, in->mode);
	if (!ret && in->valid & ID_GIVEN)
		ret = fs_set_owner(c->fs->settings, in, fd);
	if (!ret && in->valid & FATTR_SIZE)
		ret = fs_set_size(c, in);
	if (!ret && in->valid & TIME_GIVEN)
		ret = fs_set_times(c, in, fd);
	return ret ? ret : fs_reply_attr(c, fd);
}

/* --- more than attributes --- */

static struct fs_sx_time fs_sx_time(const struct statx_timestamp *t)
{
	return (struct fs_sx_time){.sec = t->tv_sec, .nsec = t->tv_nsec};
}

static void fs_fill_statx(const struct fs_settings *settings, const struct statx *stx,
			  struct fs_statx *out)
{
	*out = (struct fs_statx){
		.mask = stx->stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
		.blksize = stx->stx_blksize,
		.attributes = stx->stx_attributes,
		.nlink = stx->stx_nlink,
		.uid = fs_id_to_guest(&settings->uids, stx->stx_uid),
		.gid = fs_id_to_guest(&settings->gids, stx->stx_gid),
		.mode = stx->stx_mode,
		.ino = stx->stx_ino,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.attributes_mask = stx->stx_attributes_mask,
		.atime = fs_sx_time(&stx->stx_atime),
		.btime = fs_sx_time(&stx->stx_btime),
		.ctime = fs_sx_time(&stx->stx_ctime),
		.mtime = fs_sx_time(&stx->stx_mtime),
		.rdev_major = stx->stx_rdev_major,
		.rdev_minor = stx->stx_rdev_minor,
		.dev_major = stx->stx_dev_major,
		.dev_minor = stx->stx_dev_minor,
	};
}

int fs_statx(struct fs_call *c)
{
	const struct fs_statx_in *in = c->args;
	struct fs_statx_out *out = c->out;
	int fd = fs_node_fd(c->fs, c->node);
	struct statx stx;

	if (fd < 0)
		return fd;
	if (c->out_room < sizeof(*out))
		return -EINVAL;
	if (statx(fd, "", AT_EMPTY_PATH | (int)(in->sx_flags & AT_STATX_SYNC_TYPE),
		  (in->sx_mask & (STATX_BASIC_STATS | STATX_BTIME)) | STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	*out = (struct fs_statx_out){.attr_valid = c->fs->attr_sec,
				     .attr_valid_nsec = c->fs->attr_nsec};
	fs_fill_statx(c->fs->settings, &stx, &out->stat);
	return sizeof(*out);
}

/* The driver knows modes and owners, and checks them itself. */
int fs_access(struct fs_call *c)
{
	(void)c;
	return -ENOSYS;
}
