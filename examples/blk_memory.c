/* SPDX-License-Identifier: MIT */
/*
 * Back-ends without a file.  memory: a disk of zeros that is gone with the process.  null: nothing
 * is kept and nothing is copied, to measure all that is not storage.  Any queue's thread.
 */
#include "blk.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CACHE_LINE = 64, PREFETCH = 4096 };

static int null_open(struct blk_disk *disk, uint32_t index)
{
	(void)index;
	if (!disk->settings->size)
		return -EINVAL;
	disk->limits = (struct blk_limits){
		.block = BLK_SECTOR, .physical = (uint32_t)getpagesize(), .discard = true};
	atomic_store(&disk->bytes, disk->settings->size / BLK_SECTOR * BLK_SECTOR);
	return 0;
}

static void null_close(struct blk_disk *disk)
{
	(void)disk;
}

static void null_start(struct blk_queue *q, struct vu_req *req)
{
	blk_finish(q, req, VIRTIO_BLK_S_OK);
}

const struct blk_backend blk_backend_null = {
	.name = "null",
	.open = null_open,
	.close = null_close,
	.start = null_start,
};

static int memory_open(struct blk_disk *disk, uint32_t index)
{
	int ret = null_open(disk, index);
	void *map;

	if (ret)
		return ret;
	map = mmap(NULL, atomic_load(&disk->bytes), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* Fewer page faults, and fewer misses of the TLB; without them it works as well. */
	madvise(map, atomic_load(&disk->bytes), MADV_HUGEPAGE);
	disk->memory = map;
	return 0;
}

static void memory_close(struct blk_disk *disk)
{
	if (disk->memory)
		munmap(disk->memory, atomic_load(&disk->bytes));
	disk->memory = NULL;
}

/* Whole pages are given back, which makes them zero; the rest is overwritten. */
static void memory_zero(unsigned char *memory, uint64_t offset, uint64_t len)
{
	uint64_t page = (uint64_t)getpagesize(), end = offset + len;
	uint64_t first = (offset + page - 1) / page * page, last = end / page * page;

	if (first >= last || madvise(memory + first, last - first, MADV_DONTNEED) < 0) {
		memset(memory + offset, 0, len);
		return;
	}
	memset(memory + offset, 0, first - offset);
	memset(memory + last, 0, end - last);
}

static void memory_run(struct blk_queue *q, struct vu_req *req)
{
	unsigned char *memory = q->disk->memory;
	const struct blk_io *io = req->priv;

	if (io->type == BLK_READ)
		vu_req_write(req, 0, memory + io->offset, io->len);
	else if (io->type == BLK_WRITE)
		vu_req_read(req, sizeof(struct virtio_blk_outhdr), memory + io->offset, io->len);
	for (uint32_t i = 0; i < io->n_ranges; i++)
		memory_zero(memory, io->ranges[i].offset, io->ranges[i].len);
	blk_finish(q, req, VIRTIO_BLK_S_OK);
}

/* Ask for what the request after this one needs, so that it arrives while this one is copied. */
static void memory_prefetch(const struct blk_queue *q, const struct vu_req *req)
{
	const struct blk_io *io = req->priv;
	uint64_t len = io->len < PREFETCH ? io->len : PREFETCH;

	for (uint64_t i = 0; i < len; i += CACHE_LINE)
		__builtin_prefetch(q->disk->memory + io->offset + i, 0);
}

static void memory_commit(struct blk_queue *q)
{
	struct vu_req *req = q->next;

	q->next = NULL;
	if (req)
		memory_run(q, req);
}

/* Each request waits for the one after it. */
static void memory_start(struct blk_queue *q, struct vu_req *req)
{
	struct vu_req *before = q->next;

	memory_prefetch(q, req);
	q->next = req;
	if (before)
		memory_run(q, before);
}

const struct blk_backend blk_backend_memory = {
	.name = "memory",
	.open = memory_open,
	.close = memory_close,
	.start = memory_start,
	.commit = memory_commit,
};
