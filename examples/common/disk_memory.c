/* SPDX-License-Identifier: MIT */
/*
 * Back-ends without a file.  memory: a disk of zeros that is gone with the process.  null: nothing
 * is kept and nothing is copied, to measure all that is not storage.  Any queue's thread.
 */
#include "disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

enum {
	CACHE_LINE = 64,
	PIECE = 128, /* copied, and asked for, at once */
	LEAD = 8192, /* bytes between the two */
};

static int null_open(struct disk *disk)
{
	uint32_t block = disk->settings->block ? disk->settings->block : DISK_SECTOR;

	if (!disk->settings->size)
		return -EINVAL;
	disk->limits = (struct disk_limits){
		.block = block, .physical = (uint32_t)getpagesize(), .discard = true};
	atomic_store(&disk->bytes, disk->settings->size / block * block);
	if (disk->settings->size >= block)
		return 0;
	fprintf(stderr, "%s: not even one block of %u bytes, a disk of size 0\n",
		disk->settings->program, block);
	return -EINVAL;
}

static void null_close(struct disk *disk)
{
	(void)disk;
}

static void null_start(struct disk_queue *q, struct vu_req *req)
{
	disk_finish(q, req, DISK_OK);
}

const struct disk_backend disk_backend_null = {
	.name = "null",
	.open = null_open,
	.close = null_close,
	.start = null_start,
};

static int memory_open(struct disk *disk)
{
	int ret = null_open(disk);
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
	disk->limits.zeroes = true;
	return 0;
}

static void memory_close(struct disk *disk)
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

/*
 * Ask for the next piece of the disk that the gathered requests will need, so that it arrives while
 * others are copied.  The disk is larger than the CPU's caches: most of a copy is waiting for it.
 */
static void memory_look_ahead(struct disk_queue *q)
{
	const unsigned char *piece;
	const struct disk_io *io;

	if (q->ahead == q->n_gathered)
		return;
	io = q->gathered[q->ahead]->priv;
	piece = q->disk->memory + io->offset + q->ahead_offset;
	for (uint32_t i = 0; i < PIECE; i += CACHE_LINE)
		__builtin_prefetch(piece + i, 0);
	q->asked += PIECE;
	q->ahead_offset += PIECE;
	if (q->ahead_offset >= io->len) {
		q->ahead++;
		q->ahead_offset = 0;
	}
}

/*
 * That a request of one queue comes after another queue's has ended is the driver's doing: it goes
 * through its memory, where the thread sanitizer does not see it.
 */
static void memory_begin(const struct disk *disk)
{
#ifdef __SANITIZE_THREAD__
	__tsan_acquire((void *)disk->memory);
#else
	(void)disk;
#endif
}

static void memory_end(struct disk_queue *q, struct vu_req *req)
{
#ifdef __SANITIZE_THREAD__
	__tsan_release((void *)q->disk->memory);
#endif
	disk_finish(q, req, DISK_OK);
}

static void memory_copy_piece(unsigned char *disk, unsigned char *guest, uint64_t len, bool write)
{
	if (write)
		memcpy(disk, guest, len);
	else
		memcpy(guest, disk, len);
}

static void memory_copy_segment(struct disk_queue *q, unsigned char *disk, unsigned char *guest,
				uint64_t len, bool write)
{
	/* A constant length spares the call of memcpy(). */
	for (; len >= PIECE; len -= PIECE, disk += PIECE, guest += PIECE) {
		memory_look_ahead(q);
		memory_copy_piece(disk, guest, PIECE, write);
	}
	memory_copy_piece(disk, guest, len, write);
}

/* Its data is there whole: the device has compared io->len with the segments. */
static void memory_copy(struct disk_queue *q, const struct vu_req *req)
{
	const struct disk_io *io = req->priv;
	bool write = io->type == DISK_WRITE;
	const struct iovec *seg = write ? req->readable : req->writable;
	uint64_t skip = io->skip, done = 0;

	if (io->buffer) {
		memory_copy_piece(q->disk->memory + io->offset, io->buffer, io->len, write);
		return;
	}
	for (; done < io->len; seg++) {
		uint64_t len = seg->iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len -= skip;
		if (len > io->len - done)
			len = io->len - done;
		memory_copy_segment(q, q->disk->memory + io->offset + done,
				    (unsigned char *)seg->iov_base + skip, len, write);
		done += len;
		skip = 0;
	}
}

static void memory_commit(struct disk_queue *q)
{
	memory_begin(q->disk);
	for (uint32_t i = 0; i < q->n_gathered; i++) {
		struct vu_req *req = q->gathered[i];
		uint64_t len = ((const struct disk_io *)req->priv)->len;

		memory_copy(q, req);
		memory_end(q, req);
		disk_worked(q, len);
	}
	q->n_gathered = q->ahead = 0;
	q->ahead_offset = q->asked = 0;
}

static void memory_start(struct disk_queue *q, struct vu_req *req)
{
	const struct disk_io *io = req->priv;

	if (io->type > DISK_WRITE) {
		memory_begin(q->disk);
		for (uint32_t i = 0; i < io->n_ranges; i++)
			memory_zero(q->disk->memory, io->ranges[i].offset, io->ranges[i].len);
		memory_end(q, req);
		return;
	}
	q->gathered[q->n_gathered++] = req;
	while (q->ahead < q->n_gathered && q->asked < LEAD)
		memory_look_ahead(q);
	if (q->n_gathered == DISK_BATCH)
		memory_commit(q);
}

const struct disk_backend disk_backend_memory = {
	.name = "memory",
	.open = memory_open,
	.close = memory_close,
	.start = memory_start,
	.commit = memory_commit,
};
