/* SPDX-License-Identifier: MIT */
/*
 * This library: a device that completes what it takes.  See bench.h; --help lists the options.
 *
 * Polling, the queue has a group of its own and vu_group_process() is called, or with a loop of the
 * device's own only now and then; blocking, it is vu_device_process().
 */
#include <stdlib.h>

#include <libvu/vu.h>

#include "bench.h"

struct ring {
	struct vu_device *dev;
	struct vu_group *group; /* NULL when blocking */
	struct vu_queue *queue;
	bool use;
	bool loop;
	uint32_t turn;
};

enum { TURNS_PER_PASS = 256 };

static inline __attribute__((always_inline)) void ring_use(struct vu_req *const *reqs, int n)
{
	for (int i = 0; i < n; i++)
		bench_use(reqs[i]->readable, reqs[i]->n_readable, reqs[i]->writable,
			  reqs[i]->n_writable);
}

/* One batch; in line, as a loop of a device's own would have it. */
static inline __attribute__((always_inline)) int ring_serve(const struct ring *r)
{
	static const uint64_t written[BATCH_MAX];
	struct vu_req *reqs[BATCH_MAX];
	int n = vu_queue_next_batch(r->queue, reqs, BATCH_MAX);

	if (n > 0) {
		if (r->use)
			ring_use(reqs, n);
		vu_queue_complete_batch(r->queue, reqs, written, (uint32_t)n);
	}
	return n;
}

static void ring_ready(struct vu_queue *q, void *opaque)
{
	(void)q;
	/* A short batch was the last: the library looks again before it waits. */
	while (ring_serve(opaque) == BATCH_MAX)
		;
}

static void ring_pump(void *state)
{
	struct ring *r = state;

	while (vu_device_process(r->dev) > 0)
		;
	if (r->group)
		vu_group_process(r->group, 0);
}

static int ring_open(struct peer *peer, const struct way *way, void **state)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = ring_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = 2,
		.n_queues = 1,
		.features = way->iommu ? UINT64_C(1) << VU_F_ACCESS_PLATFORM : 0,
	};
	struct ring *r = calloc(1, sizeof(*r));
	int fd, err;

	if (!r)
		return -1;
	*state = r;
	r->use = way->use;
	r->loop = way->loop;
	err = vu_device_new(&info, &ops, r, &r->dev);
	if (!err)
		r->queue = vu_device_queue(r->dev, 0);
	if (!err && !way->block) {
		err = vu_group_new(&r->group);
		err = err ? err : vu_queue_set_group(r->queue, r->group);
	}
	err = err ? err : peer_open(peer, &fd);
	return err ? err : vu_device_attach(r->dev, fd);
}

static int ring_start(void *state)
{
	(void)state;
	return 0;
}

/* docs/threads.md, "A loop that polls its queues itself" */
static inline __attribute__((always_inline)) void ring_turn(struct ring *r)
{
	if (r->turn++ % TURNS_PER_PASS == 0)
		vu_group_process(r->group, 0);
	ring_serve(r);
	vu_queue_signal(r->queue);
}

/* Not inlined: what callgrind counts. */
__attribute__((noinline)) static void ring_process(void *state)
{
	struct ring *r = state;

	if (r->loop)
		ring_turn(r);
	else
		vu_group_process(r->group, 0);
}

static void ring_block(void *state)
{
	const struct ring *r = state;

	vu_device_process(r->dev);
}

static void ring_close(void *state)
{
	struct ring *r = state;

	vu_device_detach(r->dev);
	ring_pump(r);
	vu_group_free(r->group);
	vu_device_free(r->dev);
	free(r);
}

static const struct target target = {
	.name = "libvu",
	.process_symbol = "ring_process",
	.block_symbol = "vu_device_process",
	.packed = true,
	.blocks = true,
	.logs = true,
	.loops = true,
	.translates = true,
	.open = ring_open,
	.pump = ring_pump,
	.start = ring_start,
	.process = ring_process,
	.block = ring_block,
	.close = ring_close,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &target);
}
