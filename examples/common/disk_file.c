/* SPDX-License-Identifier: MIT */
/*
 * Back-end file: opens a file or block device and finds out what suits it.  Device thread.
 */
#include "disk_file.h"

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

static int file_size(const struct disk *disk, uint64_t *bytes)
{
	const struct disk_file *file = disk->file;
	uint32_t block = disk->limits.block;
	struct stat st;

	if (fstat(file->buffered_fd, &st) < 0)
		return -errno;
	*bytes = (uint64_t)st.st_size;
	/* No ioctl(), which a sandbox may not allow; nobody uses the offset. */
	if (file->is_block) {
		off_t end = lseek(file->buffered_fd, 0, SEEK_END);

		if (end < 0)
			return -errno;
		*bytes = (uint64_t)end;
	}
	if (*bytes < block)
		fprintf(stderr,
			"%s: %s: not even one block of %u bytes, a disk of size 0; give it a "
			"size (truncate -s 1G)\n",
			disk->settings->program, disk->settings->path, block);
	else if (*bytes % block)
		fprintf(stderr,
			"%s: %s: the guest does not see its last %" PRIu64
			" bytes: a size of %" PRIu64 " is no multiple of %u\n",
			disk->settings->program, disk->settings->path, *bytes % block, *bytes,
			block);
	*bytes -= *bytes % block;
	return 0;
}

/* What reads and writes past the page cache have to be aligned to. */
static void file_find_alignment(struct disk_file *file)
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
static enum disk_now file_find_now(const struct disk_file *file)
{
	struct statfs fs;

	if (file->direct || file->is_block || fstatfs(file->fd, &fs) < 0)
		return file->direct ? DISK_NOW_NEVER : DISK_NOW_CACHED;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ? DISK_NOW_ALWAYS
								    : DISK_NOW_CACHED;
}

static void file_find_limits(struct disk *disk, const struct stat *st)
{
	const struct disk_file *file = disk->file;
	struct disk_limits *limits = &disk->limits;
	unsigned int physical = (unsigned int)st->st_blksize, optimal = 0;
	int block = DISK_SECTOR;

	if (file->is_block) {
		ioctl(file->fd, BLKSSZGET, &block);
		ioctl(file->fd, BLKPBSZGET, &physical);
		ioctl(file->fd, BLKIOOPT, &optimal);
	}
	limits->block = disk->settings->block;
	if (!limits->block) {
		limits->block = block > DISK_SECTOR ? (uint32_t)block : DISK_SECTOR;
		if (file->direct && file->io_align > limits->block && file->io_align <= PAGE)
			limits->block = file->io_align;
	}
	limits->physical = limits->block;
	if (is_power_of_two(physical) && physical > limits->block && physical <= PHYSICAL_MAX)
		limits->physical = physical;
	limits->optimal = optimal;
}

/* A hole beyond the end changes nothing, but tells whether there can be holes. */
static bool file_can_discard(const struct disk *disk, const struct stat *st)
{
	if (disk->settings->read_only)
		return false;
	return disk->file->is_block ||
	       fallocate(disk->file->buffered_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (st->st_size + PAGE - 1) / PAGE * PAGE, PAGE) == 0;
}

static int file_fail(const struct disk_settings *settings, const char *why, int error)
{
	fprintf(stderr, "%s: %s: %s\n", settings->program, settings->path,
		why ? why : strerror(-error));
	return error;
}

static int file_open_fds(struct disk_file *file, const struct disk_settings *settings)
{
	int flags = (settings->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct stat st;
	int ret;

	/* Before it is opened: opening a FIFO or a terminal could wait. */
	if (stat(settings->path, &st) < 0)
		return file_fail(settings, NULL, -errno);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return file_fail(settings, "neither a file nor a block device", -EINVAL);
	file->buffered_fd = open(settings->path, flags);
	if (file->buffered_fd < 0)
		return file_fail(settings, NULL, -errno);
	ret = lock_image(file->buffered_fd, settings);
	if (ret)
		return ret;
	file->fd = file->buffered_fd;
	file->is_block = S_ISBLK(st.st_mode);
	file->direct = settings->direct;
	if (!file->direct)
		return 0;
	file->fd = open(settings->path, flags | O_DIRECT);
	if (file->fd < 0)
		return file_fail(settings, errno == EINVAL ? "cannot be opened for --direct" : NULL,
				 -errno);
	return 0;
}

static void file_close(struct disk *disk)
{
	struct disk_file *file = disk->file;

	if (!file)
		return;
	if (file->fd >= 0 && file->fd != file->buffered_fd)
		close(file->fd);
	if (file->buffered_fd >= 0)
		close(file->buffered_fd);
	free(file);
	disk->file = NULL;
}

static int file_probe(struct disk *disk)
{
	const struct disk_settings *settings = disk->settings;
	struct disk_file *file = disk->file;
	uint64_t bytes;
	struct stat st;
	int ret;

	if (fstat(file->buffered_fd, &st) < 0)
		return file_fail(settings, NULL, -errno);
	file->now[DISK_READ] = file->now[DISK_WRITE] = (int)file_find_now(file);
	file_find_alignment(file);
	if (settings->polled)
		file->polled_max = polled_max(disk);
	if (settings->fixed && !file->direct)
		fprintf(stderr, "%s: --register-memory: it needs --direct; going on without\n",
			settings->program);
	file_find_limits(disk, &st);
	disk->limits.discard = file_can_discard(disk, &st);
	disk->limits.zeroes = disk->limits.discard && !file->is_block;
	file->first[PLAN_DISCARD] = !file->is_block; /* their first way is none for files */
	ret = file_size(disk, &bytes);
	if (ret)
		return file_fail(settings, NULL, ret);
	atomic_store(&disk->bytes, bytes);
	/* More likely a wrong path than a disk that is to grow. */
	return bytes ? 0 : -EINVAL;
}

static int file_open(struct disk *disk)
{
	struct disk_file *file = calloc(1, sizeof(*file));
	int ret;

	if (!file)
		return -ENOMEM;
	disk->file = file;
	file->fd = file->buffered_fd = -1;
	ret = file_open_fds(file, disk->settings);
	if (!ret)
		ret = file_probe(disk);
	if (ret)
		file_close(disk);
	return ret;
}

const struct disk_backend disk_backend_file = {
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
