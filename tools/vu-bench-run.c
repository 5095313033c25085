/* SPDX-License-Identifier: MIT */
/*
 * vu-bench: keeps qd requests on their way in each queue until the phase ends, and counts.
 *
 * The clock is read once for each lot of completed requests: a latency is exact up to the time
 * that handling one such lot takes.
 */
#include "vu-bench.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)

enum {
	LOT = 64,
	HEADER = sizeof(struct virtio_blk_outhdr),
	ALIGN = 4096,
	STATUS_NONE = 0xee,
	IDLE_LOOKS = 4096, /* at empty rings before one at the clock */
	TICK_MS = 100,
	STALLED_S = 10,
	TOLD_MAX = 5,
	MIN_RING = 128,
};

/* Times of a phase. */
struct clock {
	uint64_t measure_at, stop_at; /* 0: never, or not yet known */
	uint64_t length;
	uint64_t tick_at, line_at, line_done;
	uint64_t window_at, window_done; /* where the present one began */
	uint64_t alive_at;		 /* something was completed */
};

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

uint32_t bench_ring_size(const struct bench_settings *set)
{
	uint32_t size = MIN_RING;

	while (size < set->qd * (set->indirect ? 1 : BENCH_SEGS))
		size *= 2;
	return size;
}

uint64_t bench_memory(const struct bench_settings *set)
{
	uint64_t data = (set->bs + ALIGN - 1) / ALIGN * ALIGN;
	/* Descriptors, their tables, both rings; a cache line each for header and status. */
	uint64_t ring = (uint64_t)bench_ring_size(set) * (16 + 16 * BENCH_SEGS + 16) + 3 * ALIGN;
	uint64_t all = set->n_queues * (set->qd * (data + 128) + ring);

	return (all + (2 << 20)) / ALIGN * ALIGN;
}

static void *run_alloc(struct bench *b, struct driver_seg *seg, uint32_t len, uint32_t align)
{
	seg->gpa = guest_alloc(b->peer->guest, len, align);
	seg->len = len;
	return seg->gpa == GUEST_NONE ? NULL : guest_ptr(b->peer->guest, seg->gpa, len);
}

static int run_make_io(struct bench *b, struct bench_io *io)
{
	io->header = run_alloc(b, &io->segs[0], HEADER, 64);
	io->data = run_alloc(b, &io->segs[1], b->set->bs, ALIGN);
	io->status = run_alloc(b, &io->segs[2], 1, 64);
	io->segs[2].write = true;
	return io->header && io->data && io->status ? 0 : -ENOMEM;
}

static int run_make_epoll(struct bench *b)
{
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll < 0)
		return -errno;
	for (uint32_t i = 0; i < b->set->n_queues; i++) {
		/* Each signal is an event of its own, so that nobody has to read the eventfd. */
		struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = i};

		if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->queues[i].ring->call.driver, &event) < 0)
			return -errno;
	}
	return 0;
}

int bench_make_queues(struct bench *b)
{
	int ret = 0;

	b->queues = calloc(b->set->n_queues, sizeof(*b->queues));
	if (!b->queues)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->set->n_queues; i++) {
		struct bench_queue *q = &b->queues[i];

		q->ring = b->peer->queues[i];
		q->ios = calloc(b->set->qd, sizeof(*q->ios));
		if (!q->ios)
			return -ENOMEM;
		for (uint32_t j = 0; j < b->set->qd && !ret; j++)
			ret = run_make_io(b, &q->ios[j]);
		if (ret)
			return ret;
		driver_set_interrupts(q->ring, b->set->blocking);
	}
	return b->set->blocking ? run_make_epoll(b) : 0;
}

void bench_free_queues(struct bench *b)
{
	for (uint32_t i = 0; b->queues && i < b->set->n_queues; i++)
		free(b->queues[i].ios);
	free(b->queues);
	free(b->stamps);
	if (b->epoll >= 0)
		close(b->epoll);
}

/* Give io something to do: 1, 0 if this phase has no more, or -errno. */
static int run_add(struct bench *b, struct bench_queue *q, struct bench_io *io, uint64_t now)
{
	int ret;

	if (!verify_pick(b, io))
		return 0;
	io->header->type = htole32(io->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN);
	io->header->ioprio = 0;
	io->header->sector = htole64(io->block * (b->set->bs / BENCH_SECTOR));
	io->segs[1].write = !io->write;
	*io->status = STATUS_NONE;
	io->began = now;
	ret = b->set->indirect ? driver_add_indirect(q->ring, io->segs, BENCH_SEGS, io)
			       : driver_add(q->ring, io->segs, BENCH_SEGS, io);
	if (ret < 0)
		return ret;
	b->outstanding++;
	return 1;
}

static void run_finish(struct bench *b, struct bench_io *io, uint64_t now)
{
	bool ok = *io->status == VIRTIO_BLK_S_OK;

	b->outstanding--;
	b->finished++;
	if (!ok && b->errors++ < TOLD_MAX)
		fprintf(stderr, "vu-bench: %s of block %" PRIu64 ": status %u\n",
			io->write ? "write" : "read", io->block, *io->status);
	verify_done(b, io, ok);
	if (!b->measure)
		return;
	if (io->write)
		b->writes++;
	else
		b->reads++;
	histogram_add(&b->latency, now - io->began);
}

static int run_kick(struct bench *b, struct bench_queue *q)
{
	int ret = driver_kick(q->ring);

	if (ret > 0 && b->measure)
		b->kicks++;
	return ret < 0 ? ret : 0;
}

/* Completed requests of a queue become new ones: how many, or -errno. */
static int run_queue(struct bench *b, struct bench_queue *q, uint64_t *now)
{
	struct driver_used used[LOT];
	int ret, n = driver_collect(q->ring, used, LOT);

	if (n <= 0)
		return n;
	*now = bench_now();
	for (int i = 0; i < n; i++) {
		run_finish(b, used[i].cookie, *now);
		ret = run_add(b, q, used[i].cookie, *now);
		if (ret < 0)
			return ret;
	}
	ret = run_kick(b, q);
	return ret < 0 ? ret : n;
}

static int run_fill_queues(struct bench *b)
{
	uint64_t now = bench_now();
	int ret = 1;

	for (uint32_t i = 0; i < b->set->n_queues; i++) {
		struct bench_queue *q = &b->queues[i];

		for (uint32_t j = 0; j < b->set->qd && ret > 0; j++)
			ret = run_add(b, q, &q->ios[j], now);
		if (ret >= 0)
			ret = run_kick(b, q) < 0 ? -EIO : 1;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void run_progress(const struct bench *b, struct clock *c, uint64_t now)
{
	uint64_t done = b->reads + b->writes;
	double seconds = (double)(now - c->line_at + SECOND) / (double)SECOND;
	double iops = (double)(done - c->line_done) / seconds;

	if (b->phase == PHASE_RUN)
		fprintf(stderr, "vu-bench: %.0f s: %.0f IOPS, %.1f MB/s\n",
			(double)(now - b->began) / (double)SECOND, iops, iops * b->set->bs / 1e6);
	else
		fprintf(stderr, "vu-bench: %s %" PRIu64 " of %" PRIu64 " blocks\n",
			b->phase == PHASE_FILL ? "filled" : "read back", b->next_block,
			b->n_blocks);
	c->line_done = done;
	c->line_at = now + SECOND;
}

/* On a machine that does other things, too, this is what it would be without them. */
static void run_window(struct bench *b, struct clock *c, uint64_t now)
{
	uint64_t done = b->reads + b->writes;
	double iops;

	if (now - c->window_at < BENCH_WINDOW_MS * (SECOND / 1000))
		return;
	iops = (double)(done - c->window_done) * (double)SECOND / (double)(now - c->window_at);
	if (iops > b->best_iops)
		b->best_iops = iops;
	c->window_at = now;
	c->window_done = done;
}

/* Now and then: begin and end to measure, say how it goes, see whether the back-end lives. */
static int run_tick(struct bench *b, struct clock *c, uint64_t now)
{
	struct pollfd socket = {.fd = b->peer->frontend.fd, .events = POLLIN};

	if (c->measure_at && now >= c->measure_at && !b->measure && !b->stop) {
		b->measure = true;
		b->began = now;
		c->stop_at = now + c->length;
		c->line_at = now + SECOND;
		c->window_at = now;
	}
	if (b->measure)
		run_window(b, c, now);
	if (c->stop_at && now >= c->stop_at && !b->stop) {
		b->stop = true;
		b->measure = false;
		b->ended = now;
	}
	if (now < c->tick_at)
		return 0;
	c->tick_at = now + TICK_MS * (SECOND / 1000);
	if (now >= c->line_at && (b->measure || b->phase != PHASE_RUN))
		run_progress(b, c, now);
	if (poll(&socket, 1, 0) > 0) {
		fprintf(stderr, "vu-bench: the back-end closed the connection\n");
		return -ECONNRESET;
	}
	if (now - c->alive_at > STALLED_S * SECOND) {
		fprintf(stderr, "vu-bench: %u requests on their way, nothing came back for %d s\n",
			b->outstanding, STALLED_S);
		return -ETIMEDOUT;
	}
	return 0;
}

static int run_wait(struct bench *b)
{
	struct epoll_event event;

	if (b->measure)
		b->waits++;
	return epoll_wait(b->epoll, &event, 1, TICK_MS) < 0 && errno != EINTR ? -errno : 0;
}

static int run_loop(struct bench *b, struct clock *c)
{
	uint32_t idle = 0;
	int ret = 0;

	while (b->outstanding && ret >= 0) {
		uint64_t now = 0;

		for (uint32_t i = 0; i < b->set->n_queues && ret >= 0; i++)
			ret = run_queue(b, &b->queues[i], &now);
		if (ret < 0)
			break;
		if (now) {
			c->alive_at = now;
			ret = run_tick(b, c, now);
			continue;
		}
		if (b->set->blocking)
			ret = run_wait(b);
		else if (++idle % IDLE_LOOKS)
			continue;
		if (ret >= 0)
			ret = run_tick(b, c, bench_now());
	}
	return ret;
}

int bench_run_phase(struct bench *b, enum bench_phase phase)
{
	uint64_t now = bench_now(), length = (uint64_t)(b->set->seconds * (double)SECOND);
	uint64_t warm_up = length / 10 < SECOND / 5 ? length / 10 : SECOND / 5;
	struct clock c = {.alive_at = now, .tick_at = now, .line_at = now + SECOND};
	int ret;

	b->phase = phase;
	b->stop = b->measure = false;
	b->next_block = 0;
	if (phase == PHASE_RUN) {
		histogram_reset(&b->latency);
		c.measure_at = now + warm_up;
		c.length = length;
	}
	ret = run_fill_queues(b);
	if (ret == 0)
		ret = run_loop(b, &c);
	if (ret < 0)
		fprintf(stderr, "vu-bench: %s\n", strerror(-ret));
	return ret;
}
