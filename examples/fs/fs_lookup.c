/* SPDX-License-Identifier: MIT */
/* LOOKUP, FORGET and BATCH_FORGET; the entry that a look-up and all that makes something reply. */
#include "fs_again.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void fs_stat_from_statx(const struct statx *stx, struct stat *st)
{
	*st = (struct stat){
		.st_dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
		.st_ino = stx->stx_ino,
		.st_mode = stx->stx_mode,
		.st_nlink = stx->stx_nlink,
		.st_uid = stx->stx_uid,
		.st_gid = stx->stx_gid,
		.st_rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.st_size = (off_t)stx->stx_size,
		.st_blksize = stx->stx_blksize,
		.st_blocks = (blkcnt_t)stx->stx_blocks,
		.st_atim = {stx->stx_atime.tv_sec, stx->stx_atime.tv_nsec},
		.st_mtim = {stx->stx_mtime.tv_sec, stx->stx_mtime.tv_nsec},
		.st_ctim = {stx->stx_ctime.tv_sec, stx->stx_ctime.tv_nsec},
	};
}

void fs_fill_entry(struct fs_call *c, const struct fs_node *node, const struct statx *stx,
		   struct fuse_entry_out *entry)
{
	const struct fs *fs = c->fs;
	struct stat st;

	fs_stat_from_statx(stx, &st);
	*entry = (struct fuse_entry_out){
		.nodeid = slots_id(&node->slot),
		.entry_valid = fs->entry_sec,
		.attr_valid = fs->attr_sec,
		.entry_valid_nsec = fs->entry_nsec,
		.attr_valid_nsec = fs->attr_nsec,
	};
	fs_fill_attr(fs, &st, &entry->attr);
	if (stx->stx_mask & STATX_MNT_ID && stx->stx_mnt_id != fs->root_mnt_id &&
	    stx->stx_attributes & STATX_ATTR_MOUNT_ROOT && atomic_load(&fs->flags) & FUSE_SUBMOUNTS)
		entry->attr.flags |= FUSE_ATTR_SUBMOUNT;
}

int fs_make_entry_of_fd(struct fs_call *c, int fd, struct fuse_entry_out *entry)
{
	struct fs_node *node;
	struct statx stx;
	int ret = fs_node_of_fd(c->fs, fd, 1, &stx, &node);

	if (ret)
		return ret;
	fs_fill_entry(c, node, &stx, entry);
	fs_node_put(c->fs, node);
	return 0;
}

int fs_make_entry(struct fs_call *c, int dir_fd, const char *name, struct fuse_entry_out *entry)
{
	struct fs_node *node;
	struct statx stx;
	int ret = fs_node_find(c->fs, dir_fd, name, 1, &stx, &node);

	if (ret)
		return ret;
	fs_fill_entry(c, node, &stx, entry);
	fs_node_put(c->fs, node);
	return 0;
}

int fs_reply_entry(struct fs_call *c, const char *name)
{
	int dir = fs_node_fd(c->fs, c->node), ret;

	if (dir < 0)
		return dir;
	if (c->out_room < sizeof(struct fuse_entry_out))
		return -EINVAL;
	ret = fs_make_entry(c, dir, name, c->out);
	return ret ? ret : (int)sizeof(struct fuse_entry_out);
}

/* A number that a file handle of the guest's has becomes an inode. */
static int fs_reply_self(struct fs_call *c)
{
	int fd = fs_node_fd(c->fs, c->node), ret;

	if (fd < 0)
		return fd;
	ret = fs_make_entry_of_fd(c, fd, c->out);
	return ret ? ret : (int)sizeof(struct fuse_entry_out);
}

/*
 * Not by "..", which leads out of the share where a process of the host moves directories about:
 * by the path, which leads nowhere else.
 */
static int fs_reply_parent(struct fs_call *c)
{
	int fd = c->node == c->fs->root ? -ESTALE : fs_parent_open(c->fs, c->node), ret;

	if (fd < 0)
		return fd;
	ret = fs_make_entry_of_fd(c, fd, c->out);
	close(fd);
	return ret ? ret : (int)sizeof(struct fuse_entry_out);
}

int fs_lookup(struct fs_call *c)
{
	bool self = !strcmp(c->name, "."), parent = !strcmp(c->name, "..");

	/* Drivers ask for these only where that was agreed on. */
	if ((self || parent) && !(atomic_load(&c->fs->flags) & FUSE_EXPORT_SUPPORT))
		return -ESTALE;
	if (c->out_room < sizeof(struct fuse_entry_out))
		return -EINVAL;
	if (self)
		return fs_reply_self(c);
	if (c->node->type != S_IFDIR)
		return -ENOTDIR;
	return parent ? fs_reply_parent(c) : fs_reply_entry(c, c->name);
}

int fs_forget(struct fs_call *c)
{
	const struct fuse_forget_in *in = c->args;

	/* Better a reference too many than one too few. */
	if (!c->again)
		fs_node_forget(c->fs, c->hdr.nodeid, in->nlookup);
	return 0;
}

int fs_batch_forget(struct fs_call *c)
{
	const struct fuse_batch_forget_in *in = c->args;
	struct fuse_forget_one one;
	uint32_t n = c->rest_len / sizeof(one);

	n = in->count < n ? in->count : n;
	for (uint64_t i = c->again ? fs_again_step(c) : 0; i < n; i++) {
		fs_again_set_step(c, i + 1);
		memcpy(&one, c->rest + i * sizeof(one), sizeof(one));
		fs_node_forget(c->fs, one.nodeid, one.nlookup);
	}
	return 0;
}
