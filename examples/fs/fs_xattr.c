/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes, of any kind of inode: by way of the descriptor's name in /proc, for an
 * O_PATH descriptor has none itself.
 */
#include "fs.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

int fs_xattr_path(struct fs *fs, struct fs_node *node, char path[FS_XATTR_PATH])
{
	int fd = fs_node_fd(fs, node);

	if (fd < 0)
		return fd;
	snprintf(path, FS_XATTR_PATH, "%s%d", fs->settings->inside_proc ? "" : "/proc/self/fd/",
		 fd);
	return 0;
}

static bool fs_is_acl(const char *name)
{
	return !strncmp(name, "system.posix_acl_", 17);
}

/* What the guest may see; ACLs only where they are obeyed, too. */
static int fs_allowed(const struct fs_call *c, const char *name)
{
	if (fs_is_acl(name))
		return c->fs->settings->posix_acl ? 0 : -EOPNOTSUPP;
	return c->fs->settings->xattr ? 0 : -ENOSYS;
}

/* Its arguments are longer with SETXATTR_EXT, so the name comes later. */
int fs_setxattr(struct fs_call *c)
{
	struct fuse_setxattr_in in = {0};
	bool extended = atomic_load(&c->fs->flags) & FUSE_SETXATTR_EXT, kill;
	uint32_t more = extended ? sizeof(in) - FUSE_COMPAT_SETXATTR_IN_SIZE : 0;
	const unsigned char *end;
	char path[FS_XATTR_PATH];
	int ret;

	if (c->rest_len < more)
		return -EINVAL;
	memcpy(&in, c->args, FUSE_COMPAT_SETXATTR_IN_SIZE + more);
	c->rest += more;
	c->rest_len -= more;
	end = memchr(c->rest, '\0', c->rest_len);
	if (!end || end == c->rest || in.size > c->rest_len - (uint32_t)(end + 1 - c->rest))
		return -EINVAL;
	c->name = (const char *)c->rest;
	if (strlen(c->name) > XATTR_NAME_MAX)
		return -ERANGE;
	ret = fs_allowed(c, c->name);
	if (!ret)
		ret = fs_xattr_path(c->fs, c->node, path);
	if (ret)
		return ret;
	kill = in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID;
	if (kill)
		fs_fsetid_drop(c->fs);
	ret = setxattr(path, c->name, end + 1, in.size, (int)in.flags) < 0 ? -errno : 0;
	if (kill)
		fs_fsetid_restore(c->fs);
	return ret;
}

/* A value, or with a size of 0 how long it is. */
static int fs_reply_value(struct fs_call *c, uint32_t size, ssize_t n)
{
	struct fuse_getxattr_out *out = c->out;

	if (n < 0)
		return -errno;
	if (size)
		return (int)n;
	if (c->out_room < sizeof(*out))
		return -EINVAL;
	*out = (struct fuse_getxattr_out){.size = (uint32_t)n};
	return sizeof(*out);
}

int fs_getxattr(struct fs_call *c)
{
	const struct fuse_getxattr_in *in = c->args;
	uint32_t room = in->size < c->out_room ? in->size : c->out_room;
	int ret = fs_allowed(c, c->name);
	char path[FS_XATTR_PATH];

	if (!ret)
		ret = fs_xattr_path(c->fs, c->node, path);
	if (ret)
		return ret;
	if (in->size && !room)
		return -ERANGE;
	return fs_reply_value(c, in->size, getxattr(path, c->name, c->out, in->size ? room : 0));
}

int fs_listxattr(struct fs_call *c)
{
	const struct fuse_getxattr_in *in = c->args;
	uint32_t room = in->size < c->out_room ? in->size : c->out_room;
	char path[FS_XATTR_PATH];
	int ret;

	if (!c->fs->settings->xattr)
		return -ENOSYS;
	ret = fs_xattr_path(c->fs, c->node, path);
	if (ret)
		return ret;
	if (in->size && !room)
		return -ERANGE;
	return fs_reply_value(c, in->size, listxattr(path, c->out, in->size ? room : 0));
}

int fs_removexattr(struct fs_call *c)
{
	int ret = fs_allowed(c, c->name);
	char path[FS_XATTR_PATH];

	if (!ret)
		ret = fs_xattr_path(c->fs, c->node, path);
	if (ret)
		return ret;
	return removexattr(path, c->name) < 0 ? -errno : 0;
}
