/* SPDX-License-Identifier: MIT */
/*
 * Back-end file with --iopoll: a ring (IORING_SETUP_IOPOLL) whose transfers end without an
 * interrupt, because the queue's thread asks the disk for them until they have.
 */
#include "blk_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* 1: the block device has queues to be polled; 0: it has none; -ENOENT: nobody knows. */
static int polled_has_queues(const struct blk_file *file)
{
	/* A partition has its disk's queues. */
	static const char *const paths[] = {"/sys/dev/block/%u:%u/queue/io_poll",
					    "/sys/dev/block/%u:%u/../queue/io_poll"};
	int answer = -ENOENT;
	struct stat st;
	dev_t dev;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	dev = file->is_block ? st.st_rdev : st.st_dev;
	for (int i = 0; i < 2 && answer < 0; i++) {
		char path[80];
		FILE *f;

		snprintf(path, sizeof(path), paths[i], major(dev), minor(dev));
		f = fopen(path, "re");
		if (!f)
			continue;
		answer = fgetc(f) == '1';
		fclose(f);
	}
	return answer;
}

/* Read something that way: the file system has to be able to, too. */
static int polled_try(const struct blk_file *file)
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

bool polled_is_possible(const struct blk_file *file)
{
	const char *why = NULL;
	int ret;

	if (!file->direct) {
		why = "it needs --direct";
	} else {
		ret = polled_try(file);
		if (ret)
			why = strerror(-ret);
		/* Kernels before 6.11 take such requests for any disk, and wait for interrupts. */
		else if (polled_has_queues(file) != 1)
			why = "the disk has no queues for that (/sys/block/*/queue/io_poll)";
	}
	if (why)
		fprintf(stderr, "vu-blk: --iopoll: %s; going on with interrupts\n", why);
	return !why;
}

int polled_init(struct io_uring *ring, uint32_t entries, uint32_t completions)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_IOPOLL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = completions,
	};

	return io_uring_queue_init_params(entries, ring, &params);
}
