/* SPDX-License-Identifier: MIT */
/*
 * One pass over a group: look at its queues, let the device serve what is new, notify the drivers.
 * Queue thread.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "core/device.h"
#include "ring/hot.h"

__attribute__((noinline)) void queue_notify(struct vu_queue *q)
{
	if (q->fds[QUEUE_CALL].kind != NOTIFIER_NONE) {
		queue_ring_bell(q, QUEUE_CALL);
	} else if (q->inband) {
		/* vhost-user BACKEND_VRING_CALL: the device thread owns that socket. */
		queue_post(q, NEWS_CALL);
	}
}

static __attribute__((noinline)) void queue_tell_driver(struct vu_queue *q)
{
	RING_PROBE(signal, q->ring, q, q->ring->done);
	count_add(&q->counts.signals, 1);
	queue_notify(q);
}

static inline void queue_decided(struct vu_queue *q, bool is_wanted)
{
	if (is_wanted)
		queue_tell_driver(q);
	else
		count_add(&q->counts.signals_suppressed, 1);
}

static __attribute__((noinline)) void queue_signal_slow(struct vu_queue *q, struct ring *ring)
{
	queue_decided(q, ring_wants_signal(ring));
}

static inline void queue_signal(struct vu_queue *q, struct ring *ring)
{
	if (!ring_is_unsignalled(ring))
		return;
	if (unlikely(ring->way == RING_SLOW))
		queue_signal_slow(q, ring);
	else
		queue_decided(q, ring_wants_signal_short(ring));
}

void vu_queue_signal(struct vu_queue *q)
{
	if (q->ring)
		queue_signal(q, q->ring);
}

/* Take and drop what a disabled queue offers (struct vu_queue_info.discard_when_disabled). */
static void queue_discard(struct vu_queue *q, uint32_t budget)
{
	struct vu_req *req;
	int n = 0;

	for (uint32_t i = 0; i < budget && (n = ring_take(q->ring, &req, 1)) == 1; i++) {
		ring_complete(q->ring, (struct req *)req, 0);
		ring_publish(q->ring);
	}
	if (n == 1)
		q->pending = true;
}

static bool queue_is_held(const struct vu_queue *q)
{
	return q->hold & ~(uint32_t)HOLD_SOFT;
}

static bool queue_discards(const struct vu_queue *q)
{
	return (q->hold & ~(uint32_t)HOLD_SOFT) == HOLD_DISABLED && q->info.discard_when_disabled;
}

/* The device gets nothing now; what ends that looks at the ring anew. */
static __attribute__((noinline)) void queue_serve_held(struct vu_queue *q, uint32_t budget)
{
	/* A kick until then is no reason to come back. */
	q->pending = false;
	if (queue_discards(q))
		queue_discard(q, budget);
	if (q->ring && q->ring->why)
		queue_broke(q);
	vu_queue_signal(q);
}

/* Something is new, or may be: let the device serve it.  NULL if that was the ring's end. */
static inline struct ring *queue_serve_ready(struct vu_queue *q, struct ring *ring)
{
	const struct vu_device *dev = q->dev;
	uint32_t before = ring->taken, now;

	ring->unstarved = false;
	q->pending = false;
	dev->ops.queue_ready(q, dev->opaque);
	ring = q->ring;
	if (unlikely(!ring))
		return NULL;
	now = ring->taken;
	if (likely(now != before)) {
		q->group->activity += now - before;
		count_add(&q->counts.batches, 1);
	}
	return ring;
}

static inline void queue_serve(struct vu_queue *q, uint32_t budget)
{
	struct ring *ring = q->ring;
	int news;

	if (unlikely(q->hold) && queue_is_held(q)) {
		queue_serve_held(q, budget);
		return;
	}
	count_add(&q->counts.polls, 1);
	queue_set_budget(q, budget);
	/* The look comes first: it is also what later notifications count from. */
	news = ring_look(ring);
	if (likely(news > 0) || (!news && (q->pending || ring->unstarved))) {
		ring = queue_serve_ready(q, ring);
		if (unlikely(!ring))
			return;
	}
	if (unlikely(ring->way == RING_SLOW && !ring->is_live))
		queue_broke(q);
	else
		queue_signal(q, ring);
}

bool group_pass(struct vu_group *g, uint32_t budget)
{
	bool more = false;

	/* A loop that polls need not ask the kernel every time; after an arming it does. */
	if (unlikely(--g->until_look == 0 ||
		     atomic_load_explicit(&g->every_pass, memory_order_relaxed) ||
		     atomic_load_explicit(&g->attention, memory_order_relaxed)))
		more = group_look(g);
	if (!budget)
		budget = QUEUE_BUDGET;
	for (struct vu_queue *q = g->active; q; q = q->next_active) {
		queue_serve(q, budget);
		more |= q->pending;
	}
	return more;
}

int vu_group_process(struct vu_group *g, uint32_t budget)
{
	bool more;

	if (unlikely(group_is_inside(g)))
		return group_refuse(g, "vu_group_process");
	group_set_inside(g, true);
	more = group_pass(g, budget);
	group_set_inside(g, false);
	if (unlikely(more)) {
		if (atomic_load_explicit(&g->closing, memory_order_relaxed))
			return -ESHUTDOWN;
		group_announce(g);
	}
	return more;
}

bool queue_arm(struct vu_queue *q)
{
	/* Another queue's callback may have completed requests of this one after its turn. */
	vu_queue_signal(q);
	return (!queue_is_held(q) || queue_discards(q)) && (q->pending || ring_arm(q->ring));
}
