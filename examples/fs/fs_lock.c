/* SPDX-License-Identifier: MIT */
/*
 * Locks: the guest's become the host's, so that host processes and other guests see them.
 *
 * A BSD lock is the open file's, as the guest's is.  A POSIX lock is a process's: each owner that
 * an inode has is given a descriptor of its own, and a lock of the open file description kind on
 * it. Nothing here waits: a SETLKW that cannot have its lock now is put aside, and tried again by a
 * timer of its queue's, until it has it, or the queue ends.
 */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MAX_WAITING = 4096, RETRY_NS = 4000000 };

struct fs_lock_owner {
	struct fs_lock_owner *next;
	uint64_t owner;
	int fd;
};

struct fs_waiting {
	struct fs_waiting *next;
	struct vu_req *req;
	uint64_t unique, nodeid;
	struct fuse_lk_in in;
};

/* --- owners; all with lock_table held --- */

static struct fs_lock_owner *fs_owner_find(struct fs_node *node, uint64_t owner)
{
	struct fs_lock_owner *o = atomic_load(&node->locks);

	while (o && o->owner != owner)
		o = o->next;
	return o;
}

static int fs_owner_get(struct fs *fs, struct fs_node *node, uint64_t owner,
			struct fs_lock_owner **found)
{
	struct fs_lock_owner *o = fs_owner_find(node, owner);

	*found = o;
	if (o)
		return 0;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOLCK;
	o->owner = owner;
	o->fd = fs_node_open(fs, node, O_RDWR);
	/* Enough for a read lock, which is all that a guest can want of such a file. */
	if (o->fd < 0)
		o->fd = fs_node_open(fs, node, O_RDONLY);
	if (o->fd < 0) {
		int error = o->fd;

		free(o);
		return error;
	}
	o->next = atomic_load(&node->locks);
	atomic_store(&node->locks, o);
	*found = o;
	return 0;
}

void fs_locks_forget(struct fs *fs, struct fs_node *node, uint64_t owner)
{
	struct fs_lock_owner *o, *before = NULL;

	if (!atomic_load_explicit(&node->locks, memory_order_relaxed))
		return;
	pthread_mutex_lock(&fs->lock_table);
	for (o = atomic_load(&node->locks); o && o->owner != owner; o = o->next)
		before = o;
	if (o && before)
		before->next = o->next;
	else if (o)
		atomic_store(&node->locks, o->next);
	pthread_mutex_unlock(&fs->lock_table);
	if (o)
		close(o->fd);
	free(o);
}

void fs_locks_free(struct fs *fs, struct fs_node *node)
{
	struct fs_lock_owner *o = atomic_exchange(&node->locks, NULL), *next;

	(void)fs;
	for (; o; o = next) {
		next = o->next;
		close(o->fd);
		free(o);
	}
}

/* --- trying --- */

static int fs_lock_range(const struct fuse_file_lock *lk, struct flock *range)
{
	if (lk->start > INT64_MAX || lk->end > INT64_MAX || lk->end < lk->start)
		return -EINVAL;
	if (lk->type != F_RDLCK && lk->type != F_WRLCK && lk->type != F_UNLCK)
		return -EINVAL;
	*range = (struct flock){
		.l_type = (short)lk->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lk->start,
		.l_len = lk->end == INT64_MAX ? 0 : (off_t)(lk->end - lk->start + 1),
	};
	return 0;
}

static int fs_try_posix(struct fs *fs, struct fs_node *node, const struct fuse_lk_in *in)
{
	struct fs_lock_owner *o;
	struct flock range;
	int ret = fs_lock_range(&in->lk, &range);

	if (ret)
		return ret;
	pthread_mutex_lock(&fs->lock_table);
	if (range.l_type == F_UNLCK && !fs_owner_find(node, in->owner))
		o = NULL;
	else
		ret = fs_owner_get(fs, node, in->owner, &o);
	if (!ret && o)
		ret = fcntl(o->fd, F_OFD_SETLK, &range) < 0 ? -errno : 0;
	pthread_mutex_unlock(&fs->lock_table);
	return ret == -EACCES ? -EAGAIN : ret;
}

static int fs_try_flock(struct fs *fs, const struct fuse_lk_in *in)
{
	struct fs_file *file = fs_file_get(fs, in->fh, false);
	int how = in->lk.type == F_RDLCK ? LOCK_SH : in->lk.type == F_WRLCK ? LOCK_EX : LOCK_UN;
	int ret;

	if (!file)
		return -EBADF;
	ret = flock(file->fd, how | LOCK_NB) < 0 ? -errno : 0;
	fs_file_put(fs, file);
	return ret;
}

static int fs_try_lock(struct fs *fs, struct fs_node *node, const struct fuse_lk_in *in)
{
	if (node->type != S_IFREG)
		return -EBADF;
	return in->lk_flags & FUSE_LK_FLOCK ? fs_try_flock(fs, in) : fs_try_posix(fs, node, in);
}

/* What was not agreed on in INIT the driver keeps to itself. */
static bool fs_locks_agreed(const struct fs_call *c, const struct fuse_lk_in *in)
{
	uint64_t needed = in->lk_flags & FUSE_LK_FLOCK ? FUSE_FLOCK_LOCKS : FUSE_POSIX_LOCKS;

	return atomic_load(&c->fs->flags) & needed;
}

int fs_setlk(struct fs_call *c)
{
	const struct fuse_lk_in *in = c->args;

	return fs_locks_agreed(c, in) ? fs_try_lock(c->fs, c->node, in) : -ENOSYS;
}

int fs_getlk(struct fs_call *c)
{
	const struct fuse_lk_in *in = c->args;
	struct fuse_lk_out *out = c->out;
	struct fs_lock_owner *o;
	struct flock range;
	int ret = fs_lock_range(&in->lk, &range);

	if (!fs_locks_agreed(c, in))
		return -ENOSYS;
	if (c->out_room < sizeof(*out) || c->node->type != S_IFREG || range.l_type == F_UNLCK)
		return -EINVAL;
	if (ret)
		return ret;
	pthread_mutex_lock(&c->fs->lock_table);
	ret = fs_owner_get(c->fs, c->node, in->owner, &o);
	if (!ret)
		ret = fcntl(o->fd, F_OFD_GETLK, &range) < 0 ? -errno : 0;
	pthread_mutex_unlock(&c->fs->lock_table);
	if (ret)
		return ret;
	*out = (struct fuse_lk_out){.lk = in->lk};
	out->lk.type = (uint32_t)range.l_type;
	/* Whose it is nobody can tell: the lock is an open file's. */
	out->lk.pid = 0;
	if (range.l_type != F_UNLCK) {
		out->lk.start = (uint64_t)range.l_start;
		out->lk.end = range.l_len ? (uint64_t)(range.l_start + range.l_len - 1) : INT64_MAX;
	}
	return sizeof(*out);
}

/* --- waiting --- */

static int fs_wait(struct fs_call *c, const struct fuse_lk_in *in)
{
	struct fs_waiting **at = &c->queue->waiting, *w;

	if (atomic_load(&c->fs->n_waiting) >= MAX_WAITING)
		return -ENOLCK;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOLCK;
	*w = (struct fs_waiting){NULL, c->req, c->hdr.unique, c->hdr.nodeid, *in};
	if (!*at)
		vu_source_set_timer(c->queue->retry, RETRY_NS, RETRY_NS);
	while (*at)
		at = &(*at)->next;
	*at = w;
	atomic_fetch_add(&c->fs->n_waiting, 1);
	return FS_LATER;
}

int fs_setlkw(struct fs_call *c)
{
	const struct fuse_lk_in *in = c->args;
	int ret = fs_setlk(c);

	return ret == -EAGAIN ? fs_wait(c, in) : ret;
}

static int fs_retry(struct fs *fs, const struct fs_waiting *w)
{
	struct fs_node *node = fs_node_get(fs, w->nodeid);
	int ret = node ? fs_try_lock(fs, node, &w->in) : -ESTALE;

	if (node)
		fs_node_put(fs, node);
	return ret;
}

static void fs_waiting_finish(struct fs_queue *q, struct fs_waiting **at, int ret)
{
	struct fs_waiting *w = *at;

	*at = w->next;
	fs_call_finish(w->req, w->unique, ret);
	free(w);
	atomic_fetch_sub(&q->fs->n_waiting, 1);
}

void fs_locks_retry(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct fs_queue *q = opaque;
	struct fs_waiting **at = &q->waiting;

	(void)fd;
	(void)events;
	while (*at) {
		int ret = fs_retry(q->fs, *at);

		if (ret == -EAGAIN)
			at = &(*at)->next;
		else
			fs_waiting_finish(q, at, ret);
	}
	if (!q->waiting)
		vu_source_set_timer(source, 0, 0);
}

void fs_locks_end(struct fs_queue *q)
{
	while (q->waiting)
		fs_waiting_finish(q, &q->waiting, -EINTR);
	if (q->retry)
		vu_source_set_timer(q->retry, 0, 0);
}
