/* SPDX-License-Identifier: MIT */
/*
 * Back-end file: reading and writing.  The kernel works on the guest's buffers directly.  Past the
 * page cache (--direct) they may be aligned too little: then through a bounce buffer; and where the
 * place on the disk is, through the page cache after all.  Queue thread.
 */
#include "disk_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOW_PENALTY_MAX = 64 };

static uint32_t transfer_n_segs(const struct vu_req *req)
{
	const struct disk_io *io = req->priv;

	return io->type == DISK_WRITE ? req->n_readable : req->n_writable;
}

/* Room that its segments need in u->iovs, at most. */
static uint32_t transfer_iovs(const struct vu_req *req)
{
	uint32_t n = transfer_n_segs(req);

	/* One more, for a buffer instead of them. */
	return n < URING_IOVS ? n + 1 : URING_IOVS;
}

/* As vu_iov_slice(), but the first max segments if there are more. */
static int transfer_slice(const struct iovec *segs, uint64_t skip, uint64_t len, struct iovec *out,
			  int max)
{
	int n = 0;

	for (; len && n < max; segs++) {
		uint64_t part = segs->iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > len)
			part = len;
		out[n].iov_base = (unsigned char *)segs->iov_base + skip;
		out[n++].iov_len = part;
		len -= part;
		skip = 0;
	}
	return n;
}

/* What is left of memory that is not the guest's. */
static int transfer_buffer(struct uring *u, const struct disk_io *io, const struct iovec **iov)
{
	struct iovec *slot = &u->iovs[u->iovs_used];

	if (u->iovs_used == URING_IOVS)
		return -ENOSPC;
	slot->iov_base = (unsigned char *)io->buffer + io->done;
	slot->iov_len = io->len - io->done;
	*iov = slot;
	return 1;
}

/*
 * The segments of what is left to transfer, as many as the kernel takes at once: n, or -ENOSPC if
 * there is no room to write them down.  Mostly they are the request's own, since drivers put what
 * comes before and after the data into segments apart.
 */
static int transfer_segments(struct uring *u, const struct vu_req *req, const struct iovec **iov)
{
	const struct disk_io *io = req->priv;
	bool write = io->type == DISK_WRITE;
	const struct iovec *segs = write ? req->readable : req->writable;
	uint64_t rest = (write ? req->readable_len : req->writable_len) - io->skip - io->len;
	uint32_t n = transfer_n_segs(req);

	if (io->buffer)
		return transfer_buffer(u, io, iov);
	if (!io->done && (!io->skip || segs[0].iov_len == io->skip) &&
	    (!rest || segs[n - 1].iov_len == rest)) {
		*iov = segs + !!io->skip;
		n -= !!io->skip + !!rest;
		return (int)(n < URING_IOVS ? n : URING_IOVS);
	}
	if (transfer_iovs(req) > URING_IOVS - u->iovs_used)
		return -ENOSPC;
	*iov = &u->iovs[u->iovs_used];
	return transfer_slice(segs, io->done + io->skip, io->len - io->done, &u->iovs[u->iovs_used],
			      URING_IOVS);
}

/* The page cache does not have it, or the file system cannot say: don't ask for a while, or ever.
 */
static void transfer_now_failed(struct uring *u, const struct disk_io *io, ssize_t ret)
{
	if (ret < 0 && errno == EOPNOTSUPP) {
		atomic_store_explicit(&u->file->now[io->type], DISK_NOW_NEVER,
				      memory_order_relaxed);
		return;
	}
	u->now_penalty = u->now_penalty ? 2 * u->now_penalty : 1;
	if (u->now_penalty > NOW_PENALTY_MAX)
		u->now_penalty = NOW_PENALTY_MAX;
	u->now_skip = u->now_penalty;
}

static ssize_t transfer_at_once(const struct disk_file *file, const struct disk_io *io,
				const struct iovec *iov, int n, int flags)
{
	bool write = io->type == DISK_WRITE;
	off_t at = (off_t)io->offset;

	/* Without a list to be fetched and checked it takes the kernel less time. */
	if (n == 1 && !flags)
		return write ? pwrite(file->fd, iov->iov_base, iov->iov_len, at)
			     : pread(file->fd, iov->iov_base, iov->iov_len, at);
	return write ? pwritev2(file->fd, iov, n, at, flags) : preadv2(file->fd, iov, n, at, flags);
}

/* What is missing after it goes the usual way. */
bool transfer_now(struct uring *u, struct vu_req *req)
{
	struct disk_io *io = req->priv;
	const struct iovec *iov;
	ssize_t ret;
	int n, now;

	if (io->type > DISK_WRITE || io->sync)
		return false;
	now = atomic_load_explicit(&u->file->now[io->type], memory_order_relaxed);
	if (now == DISK_NOW_NEVER || (u->now_skip && u->now_skip--))
		return false;
	n = transfer_segments(u, req, &iov);
	if (n < 0)
		return false;
	ret = transfer_at_once(u->file, io, iov, n, now == DISK_NOW_CACHED ? RWF_NOWAIT : 0);
	if (ret > 0)
		io->done = (uint64_t)ret;
	if (io->done < io->len) {
		transfer_now_failed(u, io, ret);
		return false; /* errors too: the kernel will tell again */
	}
	u->now_penalty = 0;
	return true;
}

static bool transfer_is_aligned(const struct disk_file *file, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		if ((uintptr_t)iov[i].iov_base & (file->mem_align - 1) ||
		    iov[i].iov_len & (file->io_align - 1))
			return false;
	return true;
}

/* 1; 0 when they are all in use; -ENOMEM. */
static int transfer_get_bounce(struct uring *u, struct disk_io *io)
{
	size_t align = u->file->mem_align > 4096 ? u->file->mem_align : 4096;

	if (io->bounce)
		return 1;
	if (u->n_free_bounces) {
		io->bounce = u->free_bounces[--u->n_free_bounces];
		return 1;
	}
	if (u->n_bounces == URING_BOUNCES)
		return 0;
	io->bounce = aligned_alloc(align, URING_BOUNCE_SIZE);
	if (!io->bounce)
		return u->n_bounces ? 0 : -ENOMEM;
	u->n_bounces++;
	return 1;
}

/* Some of the rest through a bounce buffer.  1, 0 or -errno. */
static int transfer_bounce(struct uring *u, struct vu_req *req, struct iovec *iov)
{
	struct disk_io *io = req->priv;
	uint64_t left = io->len - io->done;
	int ret = transfer_get_bounce(u, io);

	if (ret <= 0)
		return ret;
	iov->iov_base = io->bounce;
	iov->iov_len = left < URING_BOUNCE_SIZE ? left : URING_BOUNCE_SIZE;
	if (io->type == DISK_WRITE && io->buffer)
		memcpy(io->bounce, (unsigned char *)io->buffer + io->done, iov->iov_len);
	else if (io->type == DISK_WRITE)
		vu_req_read(req, io->skip + io->done, io->bounce, iov->iov_len);
	return 1;
}

void transfer_end(struct uring *u, struct vu_req *req)
{
	struct disk_io *io = req->priv;

	if (io->bounce)
		u->free_bounces[u->n_free_bounces++] = io->bounce;
	io->bounce = NULL;
}

/* Which of the files; iov may be replaced by a bounce buffer.  Or -EAGAIN for none now, -ENOMEM. */
static int transfer_choose(struct uring *u, struct vu_req *req, const struct iovec **iov, int *n)
{
	const struct disk_file *file = u->file;
	struct disk_io *io = req->priv;
	struct iovec *slot = &u->iovs[u->iovs_used];
	int ret;

	if (!file->direct)
		return URING_FD;
	if (io->buffered || (io->offset + io->done) & (file->io_align - 1) ||
	    (io->len - io->done) & (file->io_align - 1)) {
		transfer_end(u, req);
		return URING_BUFFERED_FD;
	}
	if (!io->bounce && transfer_is_aligned(file, *iov, *n))
		return URING_FD;
	ret = transfer_bounce(u, req, slot);
	if (ret <= 0)
		return ret ? ret : -EAGAIN;
	*iov = slot;
	*n = 1;
	return URING_FD;
}

/* buffer: the registered one that *iov lies in, or -1. */
static void transfer_prepare(struct io_uring_sqe *sqe, const struct disk_io *io,
			     const struct iovec *iov, unsigned int n, int buffer)
{
	uint64_t at = io->offset + io->done;
	unsigned int len = (unsigned int)iov->iov_len;

	if (io->type == DISK_WRITE && buffer >= 0)
		io_uring_prep_write_fixed(sqe, 0, iov->iov_base, len, at, buffer);
	else if (buffer >= 0)
		io_uring_prep_read_fixed(sqe, 0, iov->iov_base, len, at, buffer);
	else if (io->type == DISK_WRITE && n == 1)
		io_uring_prep_write(sqe, 0, iov->iov_base, len, at);
	else if (io->type == DISK_WRITE)
		io_uring_prep_writev(sqe, 0, iov, n, at);
	else if (n == 1)
		io_uring_prep_read(sqe, 0, iov->iov_base, len, at);
	else
		io_uring_prep_readv(sqe, 0, iov, n, at);
	sqe->rw_flags = io->sync ? RWF_DSYNC : 0;
}

int transfer_step(struct uring *u, struct vu_req *req)
{
	enum uring_lane lane = LANE_EVENTS;
	struct disk_io *io = req->priv;
	const struct iovec *iov;
	struct io_uring_sqe *sqe;
	int n, file, buffer = -1;

	if (!uring_make_room(u, transfer_iovs(req)))
		return 0;
	n = transfer_segments(u, req, &iov);
	if (n < 0)
		return n;
	file = transfer_choose(u, req, &iov, &n);
	if (file < 0)
		return file == -EAGAIN ? 0 : file;
	if (file == URING_FD && n == 1 && iov->iov_len <= u->file->polled_max)
		lane = LANE_POLLED;
	/* What goes on after a part is of memory that may have been replaced meanwhile. */
	if (u->fixed && lane + 1 == u->n_lanes && file == URING_FD && n == 1 && !io->bounce &&
	    !io->done && !io->retries)
		buffer = fixed_find(u->fixed, req, iov);
	sqe = uring_get(u, lane);
	transfer_prepare(sqe, io, iov, (unsigned int)n, buffer);
	uring_set(sqe, req, file);
	if (iov == &u->iovs[u->iovs_used])
		u->iovs_used += (uint32_t)n;
	return 1;
}

int transfer_result(struct uring *u, struct vu_req *req, int res)
{
	struct disk_io *io = req->priv;
	bool write = io->type == DISK_WRITE;

	if (res == -EINVAL && u->file->direct && !io->buffered) {
		io->buffered = true; /* it wants some alignment that we don't know of */
		return URING_MORE;
	}
	if (res <= 0) /* 0: the file has become shorter */
		return uring_failed(u, write ? "write" : "read", res ? res : -ENODATA);
	if (io->bounce && !write && io->buffer)
		memcpy((unsigned char *)io->buffer + io->done, io->bounce, (size_t)res);
	else if (io->bounce && !write)
		vu_req_write(req, io->skip + io->done, io->bounce, (size_t)res);
	io->done += (uint64_t)res;
	return io->done < io->len ? URING_MORE : DISK_OK;
}
