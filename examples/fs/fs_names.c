/* SPDX-License-Identifier: MIT */
/* What makes, links, renames and removes names. */
#include "fs_again.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE	 2
#define RENAME_WHITEOUT	 4
#endif

/* The guest's user makes something; with POSIX_ACL the mask of its process is for us to apply. */
static int fs_make_begin(struct fs_call *c, uint32_t umask_given, struct fs_creds *creds)
{
	if (c->fs->settings->posix_acl) {
		/* A mask belongs to the threads that share a file system context. */
		if (!c->scratch->own_umask && unshare(CLONE_FS) < 0)
			return -errno;
		c->scratch->own_umask = true;
		umask(atomic_load(&c->fs->flags) & FUSE_DONT_MASK ? umask_given & 0777 : 0);
	}
	return fs_creds_enter(c, creds);
}

static void fs_make_end(struct fs_call *c, const struct fs_creds *creds)
{
	fs_creds_leave(c, creds);
	if (c->scratch->own_umask)
		umask(0);
}

/* The protocol has the kernel's old encoding. */
static dev_t fs_device(uint32_t rdev)
{
	return makedev((rdev & 0xfff00) >> 8, (rdev & 0xff) | ((rdev >> 12) & 0xfff00));
}

int fs_mknod(struct fs_call *c)
{
	const struct fuse_mknod_in *in = c->args;
	int dir = fs_node_fd(c->fs, c->node), ret;
	struct fs_creds creds;

	if (dir < 0)
		return dir;
	ret = fs_make_begin(c, in->umask, &creds);
	if (ret)
		return ret;
	ret = mknodat(dir, c->name, in->mode, fs_device(in->rdev)) < 0 ? -errno : 0;
	fs_make_end(c, &creds);
	return ret ? ret : fs_label_named(c, dir, fs_reply_entry(c, c->name), false);
}

int fs_mkdir(struct fs_call *c)
{
	const struct fuse_mkdir_in *in = c->args;
	int dir = fs_node_fd(c->fs, c->node), ret;
	struct fs_creds creds;

	if (dir < 0)
		return dir;
	ret = fs_make_begin(c, in->umask, &creds);
	if (ret)
		return ret;
	ret = mkdirat(dir, c->name, in->mode) < 0 ? -errno : 0;
	fs_make_end(c, &creds);
	return ret ? ret : fs_label_named(c, dir, fs_reply_entry(c, c->name), true);
}

int fs_symlink(struct fs_call *c)
{
	int dir = fs_node_fd(c->fs, c->node), ret;
	struct fs_creds creds;

	if (dir < 0)
		return dir;
	ret = fs_make_begin(c, 0, &creds);
	if (ret)
		return ret;
	ret = symlinkat(c->name2, dir, c->name) < 0 ? -errno : 0;
	fs_make_end(c, &creds);
	return ret ? ret : fs_label_named(c, dir, fs_reply_entry(c, c->name), false);
}

int fs_readlink(struct fs_call *c)
{
	int fd = fs_node_fd(c->fs, c->node);
	uint32_t room = c->out_room < PATH_MAX ? c->out_room : PATH_MAX;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (c->node->type != S_IFLNK || !room)
		return -EINVAL;
	n = readlinkat(fd, "", c->out, room);
	if (n < 0)
		return -errno;
	return n == (ssize_t)room && room < PATH_MAX ? -ENAMETOOLONG : (int)n;
}

int fs_unlink(struct fs_call *c)
{
	int dir = fs_node_fd(c->fs, c->node);

	if (dir < 0)
		return dir;
	return unlinkat(dir, c->name, 0) < 0 ? -errno : 0;
}

int fs_rmdir(struct fs_call *c)
{
	int dir = fs_node_fd(c->fs, c->node);

	if (dir < 0)
		return dir;
	return unlinkat(dir, c->name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int fs_do_rename(struct fs_call *c, uint64_t newdir, uint32_t flags)
{
	struct fs_node *to = fs_node_get(c->fs, newdir);
	int from_fd = fs_node_fd(c->fs, c->node), to_fd, ret;

	if (!to)
		return -ESTALE;
	to_fd = fs_node_fd(c->fs, to);
	if (from_fd < 0 || to_fd < 0)
		ret = from_fd < 0 ? from_fd : to_fd;
	else if (to->type != S_IFDIR)
		ret = -ENOTDIR;
	else if (flags & (RENAME_EXCHANGE | RENAME_WHITEOUT) && fs_again_moved(c, from_fd, to_fd))
		ret = 0;
	else
		/* glibc's has another call where there are no flags. */
		ret = syscall(SYS_renameat2, from_fd, c->name, to_fd, c->name2, flags) < 0 ? -errno
											   : 0;
	if (!ret) {
		fs_node_moved(c->fs, to_fd, c->name2);
		if (flags & RENAME_EXCHANGE)
			fs_node_moved(c->fs, from_fd, c->name);
	}
	fs_node_put(c->fs, to);
	return ret;
}

int fs_rename(struct fs_call *c)
{
	const struct fuse_rename_in *in = c->args;

	return fs_do_rename(c, in->newdir, 0);
}

int fs_rename2(struct fs_call *c)
{
	const struct fuse_rename2_in *in = c->args;

	if (in->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	return fs_do_rename(c, in->newdir, in->flags);
}

int fs_link(struct fs_call *c)
{
	const struct fuse_link_in *in = c->args;
	struct fs_node *old = fs_node_get(c->fs, in->oldnodeid);
	int dir = fs_node_fd(c->fs, c->node), fd, ret = 0;
	char name[16];

	if (!old)
		return -ESTALE;
	fd = fs_node_fd(c->fs, old);
	if (dir < 0 || fd < 0) {
		ret = dir < 0 ? dir : fd;
	} else {
		/* By way of its descriptor: AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH. */
		snprintf(name, sizeof(name), "%d", fd);
		if (linkat(c->fs->proc_fd, name, dir, c->name, AT_SYMLINK_FOLLOW) < 0)
			ret = -errno;
	}
	fs_node_put(c->fs, old);
	return ret ? ret : fs_reply_entry(c, c->name);
}

/* --- making and opening in one --- */

static int fs_creating_flags(struct fs_call *c, const struct fuse_create_in *in)
{
	int flags = (int)in->flags & ~(O_NOFOLLOW | O_DIRECTORY | O_PATH | O_TMPFILE);

	/* With WRITEBACK_CACHE the guest reads what surrounds it, and knows where the end is. */
	if (atomic_load(&c->fs->flags) & FUSE_WRITEBACK_CACHE) {
		if ((flags & O_ACCMODE) == O_WRONLY)
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		flags &= ~O_APPEND;
	}
	if (!c->fs->settings->preserve_noatime)
		flags &= ~O_NOATIME;
	return (flags & ~O_DIRECT) | O_CLOEXEC | O_NOCTTY;
}

static int fs_reply_created(struct fs_call *c, int fd, int flags)
{
	struct fuse_entry_out *entry = c->out;
	struct fuse_open_out *out = (struct fuse_open_out *)(entry + 1);

	*out = (struct fuse_open_out){
		.fh = fs_file_new(c->fs, entry->nodeid, fd, flags, false, NULL)};
	if (!out->fh) {
		fs_node_forget(c->fs, entry->nodeid, 1);
		return -ENOMEM;
	}
	if (c->fs->settings->cache == FS_CACHE_ALWAYS)
		out->open_flags |= FOPEN_KEEP_CACHE;
	else if (c->fs->settings->cache == FS_CACHE_NEVER ||
		 c->fs->settings->cache == FS_CACHE_METADATA)
		out->open_flags |= FOPEN_DIRECT_IO;
	return sizeof(*entry) + sizeof(*out);
}

static bool fs_is_users(struct fs_call *c, struct fs_node *node)
{
	uid_t uid = c->hdr.uid;
	struct stat st;

	return !fs_id_to_host(&c->fs->settings->uids, uid, &uid) &&
	       !fstat(fs_node_fd(c->fs, node), &st) && st.st_uid == uid;
}

static int fs_open_found_node(struct fs_call *c, struct fs_node *node, int flags)
{
	const struct fuse_create_in *in = c->args;
	bool kill = in->open_flags & FUSE_OPEN_KILL_SUIDGID && flags & O_TRUNC;
	int fd = kill ? fs_fsetid_drop(c->fs) : 0;

	if (fd)
		return fd;
	fd = node->type == S_IFDIR ? -EISDIR : fs_node_open_as_user(c, node, flags);
	if (kill)
		fs_fsetid_restore(c->fs);
	/* Who has made a file may open it whatever its mode. */
	if (fd == -EACCES && c->again && fs_is_users(c, node))
		fd = fs_node_open(c->fs, node, flags);
	return fd;
}

/*
 * What was there already, or came between the guest's look-up and this: the guest's kernel has not
 * checked whether the user may open it.  Who may not by what is known here may by another group of
 * theirs: after ESTALE Linux looks the name up again, checks, and sends an OPEN or nothing.
 */
static int fs_open_found(struct fs_call *c, uint64_t nodeid, int flags)
{
	struct fs_node *node = fs_node_get(c->fs, nodeid);
	int fd = node ? fs_open_found_node(c, node, flags) : -ESTALE;

	if (node)
		fs_node_put(c->fs, node);
	if (fd < 0)
		fs_node_forget(c->fs, nodeid, 1);
	return fd == -EACCES ? -ESTALE : fd;
}

int fs_create(struct fs_call *c)
{
	const struct fuse_create_in *in = c->args;
	int dir = fs_node_fd(c->fs, c->node), flags = fs_creating_flags(c, in), fd, ret;
	struct fuse_entry_out *entry = c->out;
	struct fs_creds creds;

	if (dir < 0)
		return dir;
	if (c->out_room < sizeof(*entry) + sizeof(struct fuse_open_out))
		return -EINVAL;
	if (c->again) /* it may be there already, by this request */
		flags &= ~O_EXCL;
	ret = fs_make_begin(c, in->umask, &creds);
	if (ret)
		return ret;
	/* Only what is made now is opened here: what was there may be a FIFO. */
	fd = fs_openat(c->fs, dir, c->name, flags | O_CREAT | O_EXCL | O_NOFOLLOW,
		       in->mode & 07777);
	ret = fd < 0 ? fd : 0;
	fs_make_end(c, &creds);
	if (ret == -EEXIST && !(flags & O_EXCL))
		ret = 0;
	/* What was made, whatever a process of the host's has given its name to since. */
	if (!ret)
		ret = fd < 0 ? fs_make_entry(c, dir, c->name, entry)
			     : fs_make_entry_of_fd(c, fd, entry);
	if (!ret && fd >= 0) /* was not there */
		ret = fs_label_named(c, dir, ret, false);
	if (!ret && fd < 0) {
		fd = fs_open_found(c, entry->nodeid, flags);
		ret = fd < 0 ? fd : 0;
	} else if (ret && fd >= 0) {
		close(fd);
	}
	return ret ? ret : fs_reply_created(c, fd, flags);
}

/* The name says nothing: the kernel sends one because CREATE has one. */
int fs_tmpfile(struct fs_call *c)
{
	const struct fuse_create_in *in = c->args;
	int dir = fs_node_fd(c->fs, c->node), flags = fs_creating_flags(c, in), fd, ret;
	struct fuse_entry_out *entry = c->out;
	struct fs_creds creds;

	if (dir < 0)
		return dir;
	if (c->out_room < sizeof(*entry) + sizeof(struct fuse_open_out))
		return -EINVAL;
	ret = fs_make_begin(c, in->umask, &creds);
	if (ret)
		return ret;
	fd = fs_openat(c->fs, dir, ".", flags | O_TMPFILE, in->mode & 07777);
	ret = fd < 0 ? fd : 0;
	fs_make_end(c, &creds);
	if (ret)
		return ret;
	ret = fs_make_entry_of_fd(c, fd, entry);
	if (!ret) {
		ret = fs_label(c, entry);
		if (ret)
			fs_node_forget(c->fs, entry->nodeid, 1);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	return fs_reply_created(c, fd, flags);
}
