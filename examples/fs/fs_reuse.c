/* SPDX-License-Identifier: MIT */
/*
 * See fs_reuse.h.
 *
 * Only what was opened to read and nothing else, of regular files in the shared directory's own
 * file system, if that is one whose files this kernel alone changes: a network's looks for news
 * when a file is opened.  Nobody has such a descriptor while it is here, and open(2) would give
 * nothing else: reads name their offset, and there are no locks (with --posix-lock and --flock
 * nothing is kept).
 *
 * The right to open it is asked for again: before one is used, the time of the inode's last change,
 * its owner and mode have to be those of when it was opened.  A file system's clock stands still
 * for milliseconds, on some for a second: what changed in the tick in which it was opened is not
 * kept, as another change in that tick would not be seen.  Landlock goes by where a file is, which
 * none of these tells, so under it nothing is kept.
 *
 * Each stays for half a second to a second: two ticks of a timer, which runs only while there is
 * one.  Any thread, but for fs_reuse_give() and the timers.
 */
#include "fs_reuse.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../common/sandbox.h"
#include "fs.h"

enum { MOST = 64, SHARE = 4 /* of what inodes may have */, LATELY = 256 };

#define TICK_NS UINT64_C(500000000)

struct fs_reused {
	uint64_t id; /* of the inode */
	int fd;
	bool old; /* has seen a tick */
	struct fs_mark mark;
};

struct fs_reuse {
	pthread_mutex_t lock;
	bool ticking; /* a queue's timer runs */
	uint32_t n, most;
	/* Inodes that were opened, each until one with the same remainder is: what is opened once
	 * (a tree that is packed) costs nothing here. */
	_Atomic uint64_t lately[LATELY];
	struct fs_reused entries[MOST]; /* oldest first */
};

static bool reuse_is_local(struct fs *fs)
{
	struct statfs st;
	int fd = fs_node_fd(fs, fs->root);

	if (fd < 0 || fstatfs(fd, &st) < 0)
		return false;
	switch ((uint32_t)st.f_type) {
	case EXT4_SUPER_MAGIC: /* ext2's and ext3's, too */
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return true;
	default:
		return false;
	}
}

int fs_reuse_init(struct fs *fs)
{
	const struct fs_settings *settings = fs->settings;
	uint32_t most = fs->max_open_nodes / SHARE;

	if ((settings->cache != FS_CACHE_AUTO && settings->cache != FS_CACHE_ALWAYS) ||
	    settings->posix_lock || settings->flock || settings->sandbox == SANDBOX_LANDLOCK ||
	    !most || !reuse_is_local(fs))
		return 0;
	fs->reuse = calloc(1, sizeof(*fs->reuse));
	if (!fs->reuse)
		return -ENOMEM;
	fs->reuse->most = most < MOST ? most : MOST;
	return -pthread_mutex_init(&fs->reuse->lock, NULL);
}

void fs_reuse_fini(struct fs *fs)
{
	if (!fs->reuse)
		return;
	fs_reuse_clear(fs);
	pthread_mutex_destroy(&fs->reuse->lock);
	free(fs->reuse);
	fs->reuse = NULL;
}

bool fs_reuse_may(const struct fs *fs, const struct fs_node *node, int flags)
{
	const int others = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |
			   O_SYNC | O_ASYNC | O_DIRECT | O_NOATIME | O_PATH | O_TMPFILE;

	return fs->reuse && !(flags & others) && node->type == S_IFREG &&
	       node->dev == fs->root->dev;
}

static struct fs_mark reuse_look(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? (struct fs_mark){.mode = 0}
			      : (struct fs_mark){st.st_ctim, st.st_mode, st.st_uid, st.st_gid};
}

struct timespec fs_reuse_clock(void)
{
	struct timespec now;

	/* The clock of file systems, as current_time() of Linux has it. */
	return clock_gettime(CLOCK_REALTIME_COARSE, &now) ? (struct timespec){0} : now;
}

/* Would any change since that time have another time?  Inodes of 128 bytes have whole seconds. */
static bool reuse_is_before(const struct timespec *changed, const struct timespec *opened)
{
	return changed->tv_sec < opened->tv_sec ||
	       (changed->tv_sec == opened->tv_sec && changed->tv_nsec &&
		changed->tv_nsec < opened->tv_nsec);
}

void fs_reuse_mark(struct fs *fs, const struct fs_node *node, int fd, const struct timespec *opened,
		   struct fs_mark *mark)
{
	const uint64_t id = slots_id(&node->slot);
	_Atomic uint64_t *lately = &fs->reuse->lately[id % LATELY];

	if (atomic_load_explicit(lately, memory_order_relaxed) == id) {
		*mark = reuse_look(fd);
		if (reuse_is_before(&mark->changed, opened))
			return;
	}
	atomic_store_explicit(lately, id, memory_order_relaxed);
	*mark = (struct fs_mark){.mode = 0};
}

static bool reuse_is_as_before(int fd, const struct fs_mark *mark)
{
	const struct fs_mark now = reuse_look(fd);

	return now.changed.tv_sec == mark->changed.tv_sec &&
	       now.changed.tv_nsec == mark->changed.tv_nsec && now.mode == mark->mode &&
	       now.uid == mark->uid && now.gid == mark->gid;
}

/* --- with the lock --- */

static struct fs_reused reuse_out(struct fs_reuse *reuse, uint32_t i)
{
	struct fs_reused entry = reuse->entries[i];

	reuse->n--;
	for (; i < reuse->n; i++)
		reuse->entries[i] = reuse->entries[i + 1];
	return entry;
}

/* The inode's that came last; n: there is none. */
static uint32_t reuse_find(const struct fs_reuse *reuse, uint64_t id)
{
	for (uint32_t i = reuse->n; i--;)
		if (reuse->entries[i].id == id)
			return i;
	return reuse->n;
}

/* --- */

static bool reuse_take_any(struct fs_reuse *reuse, uint64_t id, struct fs_reused *entry)
{
	uint32_t i;
	bool found;

	pthread_mutex_lock(&reuse->lock);
	i = reuse_find(reuse, id);
	found = i < reuse->n;
	if (found)
		*entry = reuse_out(reuse, i);
	pthread_mutex_unlock(&reuse->lock);
	return found;
}

int fs_reuse_take(struct fs *fs, struct fs_node *node, struct fs_mark *mark)
{
	const uint64_t id = slots_id(&node->slot);
	struct fs_reused entry;

	while (reuse_take_any(fs->reuse, id, &entry)) {
		if (reuse_is_as_before(entry.fd, &entry.mark)) {
			*mark = entry.mark;
			return entry.fd;
		}
		close(entry.fd);
	}
	return -1;
}

void fs_reuse_give(struct fs_queue *q, struct fs_node *node, const struct fs_file *file)
{
	struct fs_reuse *reuse = q->fs->reuse;
	const uint64_t id = slots_id(&node->slot);
	bool first;
	int fd = -1;

	/* A hostile driver names another inode, which may outlive the file's. */
	if (!reuse || !file->mark.changed.tv_sec || file->nodeid != id) {
		close(file->fd);
		return;
	}
	pthread_mutex_lock(&reuse->lock);
	if (reuse->n == reuse->most)
		fd = reuse_out(reuse, 0).fd;
	reuse->entries[reuse->n++] = (struct fs_reused){id, file->fd, false, file->mark};
	atomic_store_explicit(&node->reused, true, memory_order_relaxed);
	first = !reuse->ticking;
	reuse->ticking = true;
	pthread_mutex_unlock(&reuse->lock);
	if (first)
		vu_source_set_timer(q->tick, TICK_NS, TICK_NS);
	if (fd >= 0)
		close(fd);
}

void fs_reuse_forget(struct fs *fs, struct fs_node *node)
{
	struct fs_reused entry;

	if (!atomic_load_explicit(&node->reused, memory_order_relaxed) || !fs->reuse)
		return;
	while (reuse_take_any(fs->reuse, slots_id(&node->slot), &entry))
		close(entry.fd);
}

/* Close those that are old, or all; the others become so.  How many are left. */
static uint32_t reuse_age(struct fs_reuse *reuse, bool all)
{
	int fds[MOST];
	uint32_t n = 0, left;

	pthread_mutex_lock(&reuse->lock);
	while (reuse->n && (all || reuse->entries[0].old))
		fds[n++] = reuse_out(reuse, 0).fd;
	for (uint32_t i = 0; i < reuse->n; i++)
		reuse->entries[i].old = true;
	left = reuse->n;
	if (!left && !all)
		reuse->ticking = false;
	pthread_mutex_unlock(&reuse->lock);
	while (n)
		close(fds[--n]);
	return left;
}

void fs_reuse_clear(struct fs *fs)
{
	if (fs->reuse)
		reuse_age(fs->reuse, true);
}

void fs_reuse_tick(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct fs_queue *q = opaque;

	(void)fd;
	(void)events;
	/* Whoever keeps the next one starts a timer. */
	if (!reuse_age(q->fs->reuse, false))
		vu_source_set_timer(source, 0, 0);
}
