/* SPDX-License-Identifier: MIT */
/*
 * Back-end file: opens a file or block device and finds out what suits it.  Device thread.
 */
#include "blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PAGE = 4096, PHYSICAL_MAX = 65536 };

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

static int file_size(const struct blk_disk *disk, uint64_t *bytes)
{
	const struct blk_file *file = disk->file;
	uint32_t block = disk->limits.block;
	struct stat st;

	if (fstat(file->buffered_fd, &st) < 0)
		return -errno;
	*bytes = (uint64_t)st.st_size;
	if (file->is_block && ioctl(file->buffered_fd, BLKGETSIZE64, bytes) < 0)
		return -errno;
	if (*bytes < block)
		fprintf(stderr,
			"vu-blk: %s: not even one block of %u bytes, a disk of size 0; give it a "
			"size (truncate -s 1G)\n",
			file->path, block);
	else if (*bytes % block)
		fprintf(stderr,
			"vu-blk: %s: the guest does not see its last %" PRIu64
			" bytes: a size of %" PRIu64 " is no multiple of %u\n",
			file->path, *bytes % block, *bytes, block);
	*bytes -= *bytes % block;
	return 0;
}

/* What reads and writes past the page cache have to be aligned to. */
static void file_find_alignment(struct blk_file *file)
{
	int block = 0;

	file->io_align = PAGE;
	file->mem_align = PAGE;
	if (file->is_block && ioctl(file->fd, BLKSSZGET, &block) == 0 && block > 0) {
		file->io_align = (uint32_t)block;
		file->mem_align = (uint32_t)block;
	}
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    stx.stx_mask & STATX_DIOALIGN && is_power_of_two(stx.stx_dio_offset_align) &&
	    is_power_of_two(stx.stx_dio_mem_align)) {
		file->io_align = stx.stx_dio_offset_align;
		file->mem_align = stx.stx_dio_mem_align;
	}
#endif
}

/* A file system in memory answers at once, and does not know RWF_NOWAIT. */
static enum blk_now file_find_now(const struct blk_file *file)
{
	struct statfs fs;

	if (file->direct || file->is_block || fstatfs(file->fd, &fs) < 0)
		return file->direct ? BLK_NOW_NEVER : BLK_NOW_CACHED;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ? BLK_NOW_ALWAYS
								    : BLK_NOW_CACHED;
}

static void file_find_limits(struct blk_disk *disk, const struct stat *st)
{
	const struct blk_file *file = disk->file;
	struct blk_limits *limits = &disk->limits;
	unsigned int physical = (unsigned int)st->st_blksize, optimal = 0;
	int block = BLK_SECTOR;

	if (file->is_block) {
		ioctl(file->fd, BLKSSZGET, &block);
		ioctl(file->fd, BLKPBSZGET, &physical);
		ioctl(file->fd, BLKIOOPT, &optimal);
	}
	limits->block = disk->settings->block;
	if (!limits->block) {
		limits->block = block > BLK_SECTOR ? (uint32_t)block : BLK_SECTOR;
		if (file->direct && file->io_align > limits->block && file->io_align <= PAGE)
			limits->block = file->io_align;
	}
	limits->physical = limits->block;
	if (is_power_of_two(physical) && physical > limits->block && physical <= PHYSICAL_MAX)
		limits->physical = physical;
	limits->optimal = optimal;
}

/* A hole beyond the end changes nothing, but tells whether there can be holes. */
static bool file_can_discard(const struct blk_disk *disk, const struct stat *st)
{
	if (disk->settings->read_only)
		return false;
	return disk->file->is_block ||
	       fallocate(disk->file->buffered_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (st->st_size + PAGE - 1) / PAGE * PAGE, PAGE) == 0;
}

static int file_fail(const struct blk_file *file, const char *why, int error)
{
	fprintf(stderr, "vu-blk: %s: %s\n", file->path, why ? why : strerror(-error));
	return error;
}

static int file_open_fds(struct blk_file *file, const struct blk_settings *settings)
{
	int flags = (settings->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct stat st;
	int ret;

	/* Before it is opened: opening a FIFO or a terminal could wait. */
	if (stat(file->path, &st) < 0)
		return file_fail(file, NULL, -errno);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return file_fail(file, "neither a file nor a block device", -EINVAL);
	file->buffered_fd = open(file->path, flags);
	if (file->buffered_fd < 0)
		return file_fail(file, NULL, -errno);
	ret = lock_image(file->buffered_fd, file->path, settings);
	if (ret)
		return ret;
	file->fd = file->buffered_fd;
	file->is_block = S_ISBLK(st.st_mode);
	file->direct = settings->direct;
	if (!file->direct)
		return 0;
	file->fd = open(file->path, flags | O_DIRECT);
	if (file->fd < 0)
		return file_fail(file, errno == EINVAL ? "cannot be opened for --direct" : NULL,
				 -errno);
	return 0;
}

static void file_close(struct blk_disk *disk)
{
	struct blk_file *file = disk->file;

	if (!file)
		return;
	if (file->fd >= 0 && file->fd != file->buffered_fd)
		close(file->fd);
	if (file->buffered_fd >= 0)
		close(file->buffered_fd);
	free(file);
	disk->file = NULL;
}

static const char *file_path(const struct blk_settings *settings, uint32_t index)
{
	if (settings->files.n == 1)
		return settings->files.values[0];
	return index < settings->files.n ? settings->files.values[index] : NULL;
}

static int file_probe(struct blk_disk *disk)
{
	struct blk_file *file = disk->file;
	uint64_t bytes;
	struct stat st;
	int ret;

	if (fstat(file->buffered_fd, &st) < 0)
		return file_fail(file, NULL, -errno);
	file->now[BLK_READ] = file->now[BLK_WRITE] = (int)file_find_now(file);
	file_find_alignment(file);
	if (disk->settings->polled)
		file->polled_max = polled_max(file);
	if (disk->settings->fixed && !file->direct)
		fprintf(stderr, "vu-blk: --register-memory: it needs --direct; going on without\n");
	file_find_limits(disk, &st);
	disk->limits.discard = file_can_discard(disk, &st);
	file->first[PLAN_DISCARD] = !file->is_block; /* their first way is none for files */
	ret = file_size(disk, &bytes);
	if (ret)
		return file_fail(file, NULL, ret);
	atomic_store(&disk->bytes, bytes);
	/* More likely a wrong path than a disk that is to grow. */
	return bytes ? 0 : -EINVAL;
}

static int file_open(struct blk_disk *disk, uint32_t index)
{
	const char *path = file_path(disk->settings, index);
	struct blk_file *file;
	int ret;

	if (!path) {
		fprintf(stderr, "vu-blk: no --blk-file for socket %u\n", index + 1);
		return -EINVAL;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	disk->file = file;
	file->path = path;
	file->fd = file->buffered_fd = -1;
	ret = file_open_fds(file, disk->settings);
	if (!ret)
		ret = file_probe(disk);
	if (ret)
		file_close(disk);
	return ret;
}

const struct blk_backend blk_backend_file = {
	.name = "file",
	.open = file_open,
	.close = file_close,
	.size = file_size,
	.queue_init = uring_init,
	.queue_fini = uring_fini,
	.start = uring_start,
	.commit = uring_commit,
	.session_end = uring_session_end,
};
