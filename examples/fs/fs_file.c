/* SPDX-License-Identifier: MIT */
/* Open files: OPEN, RELEASE, FLUSH, FSYNC, and what a file handle of the guest's names. */
#include "fs_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

int fs_files_init(struct fs *fs)
{
	return slots_init(&fs->files, sizeof(struct fs_file));
}

void fs_files_fini(struct fs *fs)
{
	if (!fs->files.item_size)
		return;
	fs_files_close_all(fs);
	slots_fini(&fs->files);
}

/* Its descriptor is gone. */
static void fs_file_end(struct fs *fs, struct fs_file *file)
{
	fs_kept_file_end(fs, file);
	fs_dir_free(file->dir);
	file->dir = NULL;
	slots_free(&fs->files, &file->slot);
}

void fs_file_put(struct fs *fs, struct fs_file *file)
{
	if (!slots_put(&file->slot))
		return;
	close(file->fd);
	fs_file_end(fs, file);
}

static struct fs_file *fs_file_get_any(struct fs *fs, uint64_t fh)
{
	struct fs_file *file = slots_get(&fs->files, fh);

	if (file && slots_id(&file->slot) != fh) {
		fs_file_put(fs, file);
		return NULL;
	}
	return file;
}

struct fs_file *fs_file_get(struct fs *fs, uint64_t fh, bool is_dir)
{
	struct fs_file *file = fs_file_get_any(fs, fh);

	if (file && file->is_dir != is_dir) {
		fs_file_put(fs, file);
		return NULL;
	}
	return file;
}

static uint64_t fs_file_publish(struct fs *fs, struct fs_file *file, uint64_t nodeid, int fd,
				int flags, bool is_dir)
{
	uint64_t fh = slots_id(&file->slot);

	file->fd = fd;
	file->nodeid = nodeid;
	file->flags = flags & FS_KEPT_FLAGS;
	file->is_dir = is_dir;
	fs_kept_file(fs, file);
	slots_publish(&file->slot, 1);
	fs_file_put(fs, file);
	return fh;
}

uint64_t fs_file_new(struct fs *fs, uint64_t nodeid, int fd, int flags, bool is_dir,
		     const struct fs_mark *mark)
{
	struct fs_file *file = slots_new(&fs->files);

	if (file && mark)
		file->mark = *mark;
	if (file)
		return fs_file_publish(fs, file, nodeid, fd, flags, is_dir);
	close(fd);
	return 0;
}

/* What the options make of the flags that the guest opens a file with. */
static int fs_open_flags(const struct fs *fs, uint32_t flags, int *open_flags)
{
	int wanted = (int)flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_NOFOLLOW | O_PATH);

	if ((wanted & O_TMPFILE) == O_TMPFILE)
		return -EINVAL;
	if (fs->settings->read_only && ((wanted & O_ACCMODE) != O_RDONLY || wanted & O_TRUNC))
		return -EROFS;
	/* See fs_creating_flags(). */
	if (atomic_load_explicit(&fs->flags, memory_order_relaxed) & FUSE_WRITEBACK_CACHE) {
		if ((wanted & O_ACCMODE) == O_WRONLY)
			wanted = (wanted & ~O_ACCMODE) | O_RDWR;
		wanted &= ~O_APPEND;
	}
	if (!fs->settings->allow_direct_io)
		wanted &= ~O_DIRECT;
	if (!fs->settings->preserve_noatime)
		wanted &= ~O_NOATIME;
	*open_flags = wanted;
	return 0;
}

int fs_file_restore(struct fs *fs, uint64_t fh, uint64_t nodeid, int flags, bool is_dir)
{
	struct fs_node *node = fs_node_get(fs, nodeid);
	int access = flags & O_ACCMODE, fd = -ESTALE, ret;
	struct fs_file *file;

	if (node && (node->type == S_IFDIR) == is_dir && !(is_dir && access != O_RDONLY) &&
	    access != O_ACCMODE && !fs_open_flags(fs, (uint32_t)(flags & FS_KEPT_FLAGS), &flags))
		fd = fs_node_open(fs, node, flags);
	if (node)
		fs_node_put(fs, node);
	if (fd < 0)
		return -ESTALE;
	ret = slots_restore(&fs->files, fh, &file);
	if (ret) {
		close(fd);
		return ret;
	}
	fs_file_publish(fs, file, nodeid, fd, flags, is_dir);
	return 0;
}

void fs_files_close_all(struct fs *fs)
{
	struct fs_file *file;

	for (uint32_t i = 1; i < atomic_load(&fs->files.end); i++) {
		file = slots_at(&fs->files, i);
		if (file && slots_pin(&file->slot)) {
			slots_drop(&file->slot, 1);
			fs_file_put(fs, file);
		}
	}
}

/* --- requests --- */

static int fs_reply_open(struct fs_call *c, int fd, int flags, bool is_dir,
			 const struct fs_mark *mark)
{
	struct fuse_open_out *out = c->out;
	uint32_t cache = c->fs->settings->cache;

	*out = (struct fuse_open_out){
		.fh = fs_file_new(c->fs, c->hdr.nodeid, fd, flags, is_dir, mark)};
	if (!out->fh)
		return -ENOMEM;
	if (cache == FS_CACHE_ALWAYS)
		out->open_flags = is_dir ? FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR : FOPEN_KEEP_CACHE;
	else if (!is_dir && cache != FS_CACHE_AUTO)
		out->open_flags = FOPEN_DIRECT_IO;
	/* Who closes what was read has nothing to wait for but the end of locks. */
	if (!is_dir && (flags & O_ACCMODE) == O_RDONLY &&
	    !(atomic_load_explicit(&c->fs->flags, memory_order_relaxed) & FUSE_POSIX_LOCKS))
		out->open_flags |= FOPEN_NOFLUSH;
	return sizeof(*out);
}

static int fs_open_to_read(struct fs_call *c, int flags)
{
	struct timespec before;
	struct fs_mark mark;
	int fd = fs_reuse_take(c->fs, c->node, &mark);

	if (fd < 0) {
		before = fs_reuse_clock();
		fd = fs_node_open(c->fs, c->node, flags);
		if (fd < 0)
			return fd;
		fs_reuse_mark(c->fs, c->node, fd, &before, &mark);
	}
	return fs_reply_open(c, fd, flags, false, &mark);
}

int fs_open(struct fs_call *c)
{
	const struct fuse_open_in *in = c->args;
	bool kill = in->open_flags & FUSE_OPEN_KILL_SUIDGID && in->flags & O_TRUNC;
	int flags, fd, ret;

	if (c->out_room < sizeof(struct fuse_open_out))
		return -EINVAL;
	if (c->node->type == S_IFDIR)
		return -EISDIR;
	ret = fs_open_flags(c->fs, in->flags, &flags);
	if (ret)
		return ret;
	flags &= ~O_DIRECTORY;
	if (fs_reuse_may(c->fs, c->node, flags))
		return fs_open_to_read(c, flags);
	ret = kill ? fs_fsetid_drop(c->fs) : 0;
	if (ret)
		return ret;
	fd = fs_node_open(c->fs, c->node, flags);
	if (kill)
		fs_fsetid_restore(c->fs);
	return fd < 0 ? fd : fs_reply_open(c, fd, flags, false, NULL);
}

int fs_opendir(struct fs_call *c)
{
	int fd;

	if (c->out_room < sizeof(struct fuse_open_out))
		return -EINVAL;
	fd = fs_node_open(c->fs, c->node, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? fd : fs_reply_open(c, fd, O_RDONLY, true, NULL);
}

int fs_release(struct fs_call *c)
{
	const struct fuse_release_in *in = c->args;
	struct fs_file *file = fs_file_get(c->fs, in->fh, false);

	if (!file)
		return -EBADF;
	/* Whoever had POSIX locks has told by FLUSH; a BSD lock ends with its file. */
	slots_drop(&file->slot, 1);
	if (slots_put(&file->slot)) {
		fs_reuse_give(c->queue, c->node, file);
		fs_file_end(c->fs, file);
	}
	return 0;
}

int fs_releasedir(struct fs_call *c)
{
	const struct fuse_release_in *in = c->args;
	struct fs_file *file = fs_file_get(c->fs, in->fh, true);

	if (!file)
		return -EBADF;
	slots_drop(&file->slot, 1);
	fs_file_put(c->fs, file);
	return 0;
}

/* A process of the guest's closes the file: its POSIX locks end, and late errors come to light. */
int fs_flush(struct fs_call *c)
{
	const struct fuse_flush_in *in = c->args;
	struct fs_file *file = fs_file_get(c->fs, in->fh, false);
	int fd, ret = 0;

	if (!file)
		return -EBADF;
	fs_locks_forget(c->fs, c->node, in->lock_owner);
	fd = fs_dup(c->fs, file->fd);
	if (fd < 0)
		ret = fd;
	else if (close(fd) < 0)
		ret = -errno;
	fs_file_put(c->fs, file);
	return ret;
}

static int fs_sync_file(struct fs_call *c, bool is_dir)
{
	const struct fuse_fsync_in *in = c->args;
	struct fs_file *file = fs_file_get(c->fs, in->fh, is_dir);
	int ret;

	if (!file)
		return -EBADF;
	ret = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(file->fd) : fsync(file->fd);
	ret = ret < 0 ? -errno : 0;
	fs_file_put(c->fs, file);
	return ret;
}

int fs_fsync(struct fs_call *c)
{
	return fs_sync_file(c, false);
}

int fs_fsyncdir(struct fs_call *c)
{
	return fs_sync_file(c, true);
}

int fs_syncfs(struct fs_call *c)
{
	struct fs_node *node = fs_node_get(c->fs, c->hdr.nodeid);
	int fd, ret;

	if (!node)
		return -ESTALE;
	fd = fs_node_open(c->fs, node, O_RDONLY | O_DIRECTORY);
	fs_node_put(c->fs, node);
	if (fd < 0)
		return fd;
	ret = syncfs(fd) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int fs_statfs(struct fs_call *c)
{
	struct fuse_statfs_out *out = c->out;
	int fd = fs_node_fd(c->fs, c->node);
	struct statfs st;

	if (fd < 0)
		return fd;
	if (c->out_room < sizeof(*out))
		return -EINVAL;
	if (fstatfs(fd, &st) < 0)
		return -errno;
	*out = (struct fuse_statfs_out){.st = {
						.blocks = st.f_blocks,
						.bfree = st.f_bfree,
						.bavail = st.f_bavail,
						.files = st.f_files,
						.ffree = st.f_ffree,
						.bsize = (uint32_t)st.f_bsize,
						.namelen = (uint32_t)st.f_namelen,
						.frsize = (uint32_t)st.f_frsize,
					}};
	return sizeof(*out);
}
