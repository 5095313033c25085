/* SPDX-License-Identifier: MIT */
/*
 * See fs_again.h.  Each queue has one such request at a time, as these run on the queue's thread.
 * It notes the request's number before it runs it: in the state file, if there is one, else for
 * requests that only a lost connection brings back.  One that comes again under that number was
 * done or was not, nobody knows; all others were not.
 *
 * The guest's kernel changes a directory's names one at a time.  So if the name is as the request
 * would have left it, the request did it, unless a process of the host's was at the same name just
 * then.
 */
#include "fs_again.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct fs_intent *fs_intent(struct fs_call *c)
{
	return c->queue->intent ? c->queue->intent : &c->queue->own_intent;
}

void fs_again_begin(struct fs_call *c)
{
	struct fs_intent *intent = fs_intent(c);

	c->again =
		c->req->flags & VU_REQ_RESUBMITTED && atomic_load(&intent->unique) == c->hdr.unique;
	if (c->again)
		return;
	atomic_store_explicit(&intent->unique, 0, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	intent->step = 0;
	intent->ino = 0;
	atomic_store_explicit(&intent->unique, c->hdr.unique, memory_order_release);
}

uint64_t fs_again_step(struct fs_call *c)
{
	return fs_intent(c)->step;
}

void fs_again_set_step(struct fs_call *c, uint64_t step)
{
	fs_intent(c)->step = step;
	atomic_signal_fence(memory_order_seq_cst);
}

bool fs_again_moved(struct fs_call *c, int from_fd, int to_fd)
{
	struct fs_intent *intent = fs_intent(c);
	struct stat st;

	if (c->again && intent->ino)
		return !fstatat(to_fd, c->name2, &st, AT_SYMLINK_NOFOLLOW) &&
		       st.st_ino == intent->ino;
	if (!fstatat(from_fd, c->name, &st, AT_SYMLINK_NOFOLLOW))
		intent->ino = st.st_ino;
	atomic_signal_fence(memory_order_seq_cst);
	return false;
}

/* The entry of what there is, if it is of this type (0: of any) and this inode (0: any). */
static int again_made(struct fs_call *c, uint32_t type, uint64_t nodeid)
{
	const struct fuse_entry_out *entry = c->out;
	int ret = fs_reply_entry(c, c->name);

	if (ret < 0)
		return ret;
	if ((!type || (entry->attr.mode & S_IFMT) == type) && (!nodeid || entry->nodeid == nodeid))
		return ret;
	fs_node_forget(c->fs, entry->nodeid, 1);
	return -EEXIST;
}

static int again_symlink(struct fs_call *c)
{
	char target[4097];
	int dir = fs_node_fd(c->fs, c->node);
	ssize_t n = dir < 0 ? -1 : readlinkat(dir, c->name, target, sizeof(target));

	if (n < 0 || (size_t)n != strlen(c->name2) || memcmp(target, c->name2, (size_t)n) != 0)
		return -EEXIST;
	return again_made(c, S_IFLNK, 0);
}

static int again_renamed(struct fs_call *c, uint64_t newdir)
{
	struct fs_node *to = fs_node_get(c->fs, newdir);
	int fd = to ? fs_node_fd(c->fs, to) : -1;
	struct stat st;
	int ret = fd >= 0 && !fstatat(fd, c->name2, &st, AT_SYMLINK_NOFOLLOW) ? 0 : -ENOENT;

	if (to)
		fs_node_put(c->fs, to);
	return ret;
}

/* What a request that exists already would have made. */
static int again_exists(struct fs_call *c)
{
	const struct fuse_mknod_in *mknod = c->args;
	const struct fuse_link_in *link = c->args;

	switch (c->hdr.opcode) {
	case FUSE_MKDIR:
		return again_made(c, S_IFDIR, 0);
	case FUSE_MKNOD:
		return again_made(c, mknod->mode & S_IFMT, 0);
	case FUSE_SYMLINK:
		return again_symlink(c);
	case FUSE_LINK:
		return again_made(c, 0, link->oldnodeid);
	case FUSE_SETXATTR: /* XATTR_CREATE */
		return 0;
	default:
		return -EEXIST;
	}
}

static int again_is_gone(struct fs_call *c)
{
	const struct fuse_rename_in *rename = c->args; /* RENAME2's newdir is first, too */

	switch (c->hdr.opcode) {
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		return 0;
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return again_renamed(c, rename->newdir);
	default:
		return -ENOENT;
	}
}

int fs_again_end(struct fs_call *c, int ret)
{
	if (!c->again)
		return ret;
	if (ret == -EEXIST)
		return again_exists(c);
	if (ret == -ENOENT)
		return again_is_gone(c);
	if (ret == -ENODATA && c->hdr.opcode == FUSE_REMOVEXATTR)
		return 0;
	return ret;
}

/* How many of these bytes are at offset in the file, from the first on. */
static uint32_t again_compare(struct fs_call *c, int fd, uint64_t data, uint32_t len,
			      uint64_t offset)
{
	enum { PIECE = 32 << 10 };
	unsigned char *there = c->scratch->out, *ours = there + PIECE;
	uint32_t at = 0, n, same;
	ssize_t got;

	do {
		n = len - at < PIECE ? len - at : PIECE;
		got = pread(fd, there, n, (off_t)(offset + at));
		if (got <= 0 || vu_req_read(c->req, data + at, ours, n) != n)
			return at;
		for (same = 0; same < (uint32_t)got && there[same] == ours[same];)
			same++;
		at += same;
	} while (same == n && at < len);
	/* Something else was appended, or nothing. */
	return same == (uint32_t)got ? at : 0;
}

uint32_t fs_again_appended(struct fs_call *c, const struct fs_file *file, uint64_t data,
			   uint32_t len, uint64_t offset)
{
	struct fs_node *node;
	uint32_t there = 0;
	int fd;

	if (!(c->req->flags & VU_REQ_RESUBMITTED) || !(file->flags & O_APPEND) || !len)
		return 0;
	/* The file itself may be open for writing only. */
	node = fs_node_get(c->fs, file->nodeid);
	fd = node ? fs_node_open(c->fs, node, O_RDONLY) : -1;
	if (node)
		fs_node_put(c->fs, node);
	if (fd < 0)
		return 0;
	there = again_compare(c, fd, data, len, offset);
	close(fd);
	return there;
}
