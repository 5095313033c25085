/* SPDX-License-Identifier: MIT */
/*
 * Back-end file: discarding and zeroing, range by range.  What a file system cannot do is found
 * out once for the disk; then the next best is done.  Queue thread.
 */
#include "disk_file.h"

#include <errno.h>
#include <linux/falloc.h>

enum { WRITE = -1, CANNOT = -2, STEPS = 3 /* disk_io.step */, ZEROS = 65536, RANGE_IOVS = 16 };

enum {
	PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	FORGET = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE | FALLOC_FL_NO_HIDE_STALE,
	ZERO = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
};

/* Modes of fallocate(), WRITE or CANNOT.  FORGET is for block devices alone. */
static const int range_plans[N_PLANS][STEPS] = {
	[PLAN_DISCARD] = {FORGET, PUNCH, CANNOT},
	[PLAN_UNMAP] = {PUNCH, ZERO, WRITE},
	[PLAN_ZERO] = {ZERO, WRITE, CANNOT},
};

static enum disk_plan range_plan(const struct disk_io *io)
{
	if (io->type == DISK_DISCARD)
		return PLAN_DISCARD;
	return io->ranges[io->range].unmap ? PLAN_UNMAP : PLAN_ZERO;
}

/* No better way: some of the range's rest, through the page cache. */
static int range_write(struct uring *u, struct vu_req *req)
{
	static const unsigned char zeros[ZEROS];
	const struct disk_io *io = req->priv;
	const struct disk_range *range = &io->ranges[io->range];
	struct iovec *iov = &u->iovs[u->iovs_used];
	uint64_t left = range->len - io->done;
	struct io_uring_sqe *sqe;
	uint32_t n = 0;

	for (; left && n < RANGE_IOVS; n++) {
		iov[n].iov_base = (void *)(uintptr_t)zeros;
		iov[n].iov_len = left < ZEROS ? left : ZEROS;
		left -= iov[n].iov_len;
	}
	sqe = uring_get(u, LANE_EVENTS);
	io_uring_prep_writev(sqe, 0, iov, n, range->offset + io->done);
	uring_set(sqe, req, URING_BUFFERED_FD);
	u->iovs_used += n;
	return 1;
}

int range_step(struct uring *u, struct vu_req *req)
{
	struct disk_io *io = req->priv;
	const struct disk_range *range = &io->ranges[io->range];
	enum disk_plan plan = range_plan(io);
	int first = atomic_load_explicit(&u->file->first[plan], memory_order_relaxed);
	struct io_uring_sqe *sqe;
	int mode;

	if (!uring_make_room(u, RANGE_IOVS))
		return 0;
	if (io->step < first)
		io->step = first & 3;
	mode = range_plans[plan][io->step];
	if (mode == CANNOT)
		return -EOPNOTSUPP;
	if (mode == WRITE)
		return range_write(u, req);
	sqe = uring_get(u, LANE_EVENTS);
	io_uring_prep_fallocate(sqe, 0, mode, (off_t)range->offset, (off_t)range->len);
	uring_set(sqe, req, URING_BUFFERED_FD);
	return 1;
}

bool range_left(struct disk_io *io)
{
	while (io->range < io->n_ranges && io->done == io->ranges[io->range].len) {
		io->range++;
		io->done = 0;
		io->step = 0;
	}
	return io->range < io->n_ranges;
}

static int range_next_way(struct uring *u, struct disk_io *io, int res)
{
	enum disk_plan plan = range_plan(io);

	io->step++;
	/* EINVAL may be for this range's alignment alone. */
	if (res == -EOPNOTSUPP)
		atomic_store_explicit(&u->file->first[plan], io->step, memory_order_relaxed);
	return URING_MORE;
}

int range_result(struct uring *u, struct vu_req *req, int res)
{
	struct disk_io *io = req->priv;
	bool wrote = range_plans[range_plan(io)][io->step] == WRITE;

	if (!wrote && (res == -EOPNOTSUPP || res == -EINVAL))
		return range_next_way(u, io, res);
	if (res < 0 || (wrote && !res))
		return uring_failed(u, io->type == DISK_DISCARD ? "discard" : "write zeroes",
				    res ? res : -ENODATA);
	io->done = wrote ? io->done + (uint64_t)res : io->ranges[io->range].len;
	/* Writing through, a flush comes last. */
	return range_left(io) || io->sync ? URING_MORE : DISK_OK;
}
