/* SPDX-License-Identifier: MIT */
/*
 * Back-end file with --iopoll: a ring (IORING_SETUP_IOPOLL) whose transfers end without an
 * interrupt, because the queue's thread asks the disk for them until they have.
 */
#include "disk_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * What the kernel would split must not come here: Linux 6.1 loses such requests.  So only single
 * buffers do, no longer than the disk takes at once.
 */
enum { POLLED_PAGE = 4096, POLLED_MAX = 256 << 10 };

/* The disk under an open file. */
static int polled_find_disk(const struct disk_file *file, char *path, size_t size)
{
	struct stat st;
	dev_t dev;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	dev = file->is_block ? st.st_rdev : st.st_dev;
	/* A partition has its disk's queues. */
	for (int parent = 0; parent < 2; parent++) {
		char queue[96];

		snprintf(path, size, "/sys/dev/block/%u:%u%s", major(dev), minor(dev),
			 parent ? "/.." : "");
		snprintf(queue, sizeof(queue), "%s/queue", path);
		if (access(queue, F_OK) == 0)
			return 0;
	}
	return -ENODEV;
}

/* A number in the disk's folder; 0 too if it is not there. */
static unsigned long polled_number(const char *disk, const char *name)
{
	unsigned long n = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/queue/%s", disk, name);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%lu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

/* Made of other disks: where it splits is not to be seen. */
static bool polled_is_stacked(const char *disk)
{
	struct dirent *entry;
	bool stacked = false;
	char path[128];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/slaves", disk);
	dir = opendir(path);
	while (dir && !stacked && (entry = readdir(dir)))
		stacked = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return stacked;
}

/* How many bytes the disk can be polled for at once; 0, and *why, if it cannot. */
static uint32_t polled_find_max(const struct disk_file *file, const char **why)
{
	unsigned long kib, segments, max = POLLED_MAX;
	char disk[80];

	if (polled_find_disk(file, disk, sizeof(disk)) < 0) {
		*why = "there is no telling which disk that is";
		return 0;
	}
	kib = polled_number(disk, "max_sectors_kb");
	segments = polled_number(disk, "max_segments");
	/* Kernels before 6.11 take such requests for any disk, and wait for interrupts. */
	if (!polled_number(disk, "io_poll"))
		*why = "the disk has no queues for that (/sys/block/*/queue/io_poll)";
	else if (polled_is_stacked(disk) || polled_number(disk, "chunk_sectors"))
		*why = "the disk splits requests";
	else if (!kib || segments < 2)
		*why = "the disk takes no requests at once";
	if (*why)
		return 0;
	if (max > kib << 10)
		max = kib << 10;
	/* One more page than are full, if it begins within one. */
	if (max > (segments - 1) * POLLED_PAGE)
		max = (segments - 1) * POLLED_PAGE;
	return (uint32_t)max;
}

/* Read something that way: the file system has to be able to, too. */
static int polled_try(const struct disk_file *file)
{
	size_t align = file->mem_align > file->io_align ? file->mem_align : file->io_align;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	void *buf;
	int ret = polled_init(&ring, 1, 1);

	if (ret)
		return ret;
	buf = aligned_alloc(align, align);
	ret = -ENOMEM;
	if (buf) {
		io_uring_prep_read(io_uring_get_sqe(&ring), file->fd, buf, (unsigned int)align, 0);
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret >= 0)
			ret = io_uring_wait_cqe(&ring, &cqe);
		if (!ret)
			ret = cqe->res < 0 ? cqe->res : 0;
	}
	io_uring_queue_exit(&ring);
	free(buf);
	return ret;
}

uint32_t polled_max(const struct disk *disk)
{
	const struct disk_file *file = disk->file;
	const char *why = NULL;
	uint32_t max = 0;
	int ret;

	if (!file->direct) {
		why = "it needs --direct";
	} else {
		ret = polled_try(file);
		if (ret)
			why = strerror(-ret);
		else
			max = polled_find_max(file, &why);
	}
	if (why)
		fprintf(stderr, "%s: --iopoll: %s; going on with interrupts\n",
			disk->settings->program, why);
	return max;
}

int polled_init(struct io_uring *ring, uint32_t entries, uint32_t completions)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_IOPOLL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = completions,
	};

	return io_uring_queue_init_params(entries, ring, &params);
}
