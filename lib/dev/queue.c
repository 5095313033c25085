/* SPDX-License-Identifier: MIT */
/*
 * The data path: handing out requests and taking them back.  Queue thread, except where it says
 * otherwise.  The life of a queue is in queue_life.c.
 */
#include "dev/queue.h"

#include <errno.h>
#include <string.h>

#include "dev/device.h"
#include "ring/hot.h"

/* In the first release struct vu_queue_counters ended with this member. */
enum { COUNTERS_V1 = offsetof(struct vu_queue_counters, batches) + sizeof(uint64_t) };

/* The request's queue: the owner of its ring. */
static struct vu_queue *req_owner(const struct req *req)
{
	return req->ring->config.queue;
}

static bool queue_debug(const struct vu_queue *q)
{
	return q->dev->info.flags & VU_DEVICE_DEBUG;
}

/* VU_DEVICE_DEBUG: is this the queue's thread? */
static bool queue_is_ours(const struct vu_queue *q, const char *function)
{
	if (!q->group->has_owner || pthread_equal(q->group->owner, pthread_self()))
		return true;
	log_error(&q->dev->log, "queue %u: %s() was called on another thread than the queue's",
		  q->index, function);
	return false;
}

/* hold is not 0: 1 if it is only that the thread is to be checked, and that went well. */
static int queue_held(const struct vu_queue *q)
{
	if (queue_debug(q) && !queue_is_ours(q, "vu_queue_next"))
		return -EINVAL;
	if (q->state == QUEUE_BROKEN)
		return -EIO;
	if (q->hold & (HOLD_STATE | HOLD_DISABLED))
		return -ESHUTDOWN;
	return !(q->hold & HOLD_STALE);
}

static inline int queue_take(struct vu_queue *q, struct vu_req **reqs, uint32_t max)
{
	int n = ring_take(q->ring, reqs, max);

	if (likely(n > 0)) {
		q->budget -= (uint32_t)n;
		count_add(&q->counts.batches, 1);
	} else if (unlikely(n < 0)) {
		queue_broke(q);
	}
	return n;
}

/* The unlikely ways to take a request. */
static __attribute__((noinline)) int queue_next_slow(struct vu_queue *q, struct vu_req **reqs,
						     uint32_t max)
{
	int n = q->hold ? queue_held(q) : 1;

	if (n <= 0)
		return n;
	group_activate(q->group, q);
	if (max > q->budget) {
		/* What the budget cuts off is to be come back for. */
		max = q->budget;
		q->pending = true;
	}
	if (!max)
		return 0;
	return queue_take(q, reqs, max);
}

int vu_queue_next_batch(struct vu_queue *q, struct vu_req **reqs, uint32_t max)
{
	if (unlikely(q->hold || !q->active || max > q->budget))
		return queue_next_slow(q, reqs, max);
	return queue_take(q, reqs, max);
}

int vu_queue_next(struct vu_queue *q, struct vu_req **req)
{
	return vu_queue_next_batch(q, req, 1);
}

/* A request that is not outstanding is completed twice, or was put back. */
static __attribute__((noinline)) int req_refuse(const struct req *req, const char *function)
{
	const struct vu_queue *q = req_owner(req);

	if (req->state != REQ_OUT) {
		log_error(&q->dev->log,
			  "queue %u: %s() on a request that is not outstanding (completed twice?)",
			  q->index, function);
		return -EINVAL;
	}
	return queue_is_ours(q, function) ? 0 : -EINVAL;
}

/* 0, or -EINVAL after a log line. */
static inline int req_check(const struct req *req, const char *function)
{
	if (unlikely(req->state != REQ_OUT || req->ring->config.debug))
		return req_refuse(req, function);
	return 0;
}

/* After a request's end: the queue is to be looked at, and somebody may wait for the last one. */
static inline void queue_completed(struct vu_queue *q, struct ring *ring)
{
	if (unlikely(!q->active))
		group_activate(q->group, q);
	if (unlikely(ring->watched))
		queue_ring_drained(q, ring);
}

/* Complete, not yet published. */
static inline int queue_complete_one(struct vu_req *pub, uint64_t written)
{
	struct req *req = (struct req *)pub;
	struct ring *ring = req->ring;
	struct vu_queue *q = ring->config.queue;
	int err = req_check(req, "vu_req_complete");

	if (unlikely(err))
		return err;
	err = ring_complete(ring, req, written);
	if (unlikely(err))
		return err;
	count_add(&q->counts.requests, 1);
	count_add(&q->counts.readable_bytes, pub->readable_len);
	count_add(&q->counts.written_bytes, written);
	return 0;
}

int vu_req_complete(struct vu_req *pub, uint64_t written)
{
	struct ring *ring = ((struct req *)pub)->ring;
	int err = queue_complete_one(pub, written);

	if (unlikely(err))
		return err;
	ring_publish(ring);
	queue_completed(ring->config.queue, ring);
	return 0;
}

/* What is not plain goes one by one, and is published together as far as it is of one ring. */
static __attribute__((noinline)) int queue_complete_each(struct vu_req *const *reqs,
							 const uint64_t *written, uint32_t n)
{
	int err = 0;

	for (uint32_t i = 0; i < n && !err;) {
		struct ring *ring = ((const struct req *)reqs[i])->ring;
		uint32_t first = i;

		while (i < n && ((const struct req *)reqs[i])->ring == ring) {
			err = queue_complete_one(reqs[i], written[i]);
			if (err)
				break;
			i++;
		}
		if (i == first)
			break;
		ring_publish(ring);
		/* This may be the ring's end, if nothing of it is outstanding. */
		queue_completed(ring->config.queue, ring);
	}
	return err;
}

int vu_queue_complete_batch(struct vu_queue *q, struct vu_req *const *reqs, const uint64_t *written,
			    uint32_t n)
{
	struct ring *ring = q->ring;
	struct ring_sums sums;
	uint32_t plain = 0;

	if (likely(ring && q->active && ring->is_plain)) {
		plain = ring_complete_plain(ring, reqs, written, n, &sums);
		count_add(&q->counts.requests, plain);
		count_add(&q->counts.readable_bytes, sums.readable);
		count_add(&q->counts.written_bytes, sums.written);
	}
	if (likely(plain == n))
		return 0;
	return queue_complete_each(reqs + plain, written + plain, n - plain);
}

/* Any thread. */
int vu_req_complete_remote(struct vu_req *pub, uint64_t written)
{
	struct req *req = (struct req *)pub;

	if (written > pub->writable_len)
		return -ERANGE;
	if (__atomic_exchange_n(&req->is_remote, true, __ATOMIC_RELAXED)) {
		log_error(&req_owner(req)->dev->log,
			  "queue %u: vu_req_complete_remote() twice on one request",
			  req_owner(req)->index);
		return -EINVAL;
	}
	req->remote_written = written;
	group_post_remote(req_owner(req)->group, req);
	return 0;
}

int vu_req_put_back(struct vu_req *pub)
{
	struct req *req = (struct req *)pub;
	struct ring *ring = req->ring;
	int err = req_check(req, "vu_req_put_back");

	if (!err)
		err = ring_put_back(ring, req);
	if (err)
		return err;
	req_owner(req)->budget++;
	queue_completed(ring->config.queue, ring);
	return 0;
}

int vu_req_suspend(struct vu_req *pub)
{
	struct req *req = (struct req *)pub;
	struct ring *ring = req->ring;
	struct vu_queue *q = ring->config.queue;
	int err = req_check(req, "vu_req_suspend");

	if (!err && !ring->dead && q->state != QUEUE_DRAINING)
		err = -EBUSY;
	if (!err)
		err = ring_suspend(ring, req);
	if (err)
		return err;
	queue_completed(q, ring);
	return 0;
}

__attribute__((noinline)) void queue_notify(struct vu_queue *q)
{
	if (q->fds[QUEUE_CALL].kind != NOTIFIER_NONE) {
		notifier_signal(&q->fds[QUEUE_CALL]);
	} else if (q->inband) {
		/* vhost-user BACKEND_VRING_CALL: the device thread owns that socket. */
		atomic_store(&q->call_inband, true);
		if (!atomic_exchange(&q->dev->call_inband, true))
			device_wake(q->dev);
	}
}

static inline void queue_signal(struct vu_queue *q, struct ring *ring)
{
	if (!ring_is_unsignalled(ring))
		return;
	if (ring_wants_signal(ring)) {
		count_add(&q->counts.signals, 1);
		queue_notify(q);
	} else {
		count_add(&q->counts.signals_suppressed, 1);
	}
}

void vu_queue_signal(struct vu_queue *q)
{
	if (q->ring)
		queue_signal(q, q->ring);
}

int vu_queue_counters(const struct vu_queue *q, struct vu_queue_counters *out)
{
	const struct queue_counts *c = &q->counts;
	const struct vu_queue_counters now = {
		.size = out->size,
		.requests = atomic_load_explicit(&c->requests, memory_order_relaxed),
		.readable_bytes = atomic_load_explicit(&c->readable_bytes, memory_order_relaxed),
		.written_bytes = atomic_load_explicit(&c->written_bytes, memory_order_relaxed),
		.kicks = atomic_load_explicit(&c->kicks, memory_order_relaxed),
		.signals = atomic_load_explicit(&c->signals, memory_order_relaxed),
		.signals_suppressed =
			atomic_load_explicit(&c->signals_suppressed, memory_order_relaxed),
		.polls = atomic_load_explicit(&c->polls, memory_order_relaxed),
		.batches = atomic_load_explicit(&c->batches, memory_order_relaxed),
	};

	if (out->size < COUNTERS_V1)
		return -EINVAL;
	memcpy(out, &now, out->size < sizeof(now) ? out->size : sizeof(now));
	return 0;
}

int vu_queue_available(struct vu_queue *q)
{
	if (q->hold)
		return 0;
	if (!q->active)
		group_activate(q->group, q);
	return ring_is_available(q->ring);
}

uint32_t vu_queue_outstanding(const struct vu_queue *q)
{
	uint32_t n = q->ring ? q->ring->outstanding : 0;

	for (const struct ring *ring = q->dead; ring; ring = ring->next)
		n += ring->outstanding;
	return n;
}

uint32_t vu_queue_index(const struct vu_queue *q)
{
	return q->index;
}

struct vu_device *vu_queue_device(const struct vu_queue *q)
{
	return q->dev;
}

struct vu_queue *vu_req_queue(const struct vu_req *pub)
{
	return req_owner((const struct req *)pub);
}

/* Take and drop what a disabled queue offers (struct vu_queue_info.discard_when_disabled). */
static __attribute__((noinline)) void queue_discard(struct vu_queue *q, uint32_t budget)
{
	struct vu_req *req;
	int n = 0;

	for (uint32_t i = 0; i < budget && (n = ring_take(q->ring, &req, 1)) == 1; i++) {
		ring_complete(q->ring, (struct req *)req, 0);
		ring_publish(q->ring);
	}
	if (n < 0)
		queue_broke(q);
	else if (n == 1)
		q->pending = true;
}

/* Something is new, or may be. */
static inline void queue_serve_pending(struct vu_queue *q, uint32_t budget)
{
	const struct vu_ops *ops = &q->dev->ops;
	uint32_t hold = q->hold & ~(uint32_t)HOLD_DEBUG;

	q->pending = false;
	if (likely(!hold && ops->queue_ready)) {
		q->budget = budget;
		ops->queue_ready(q, q->dev->opaque);
		q->group->activity += budget - q->budget;
		/* Only queue_ready is kept from taking everything at once. */
		q->budget = UINT32_MAX;
	} else if (hold == HOLD_DISABLED && q->info.discard_when_disabled) {
		queue_discard(q, budget);
	}
}

/* Nothing can be done with the ring now; what ends that looks at it anew. */
static inline bool queue_is_held(const struct vu_queue *q)
{
	uint32_t hold = q->hold & ~(uint32_t)HOLD_DEBUG;

	return unlikely(hold) && !(hold == HOLD_DISABLED && q->info.discard_when_disabled);
}

static inline void queue_serve(struct vu_queue *q, uint32_t budget)
{
	struct ring *ring = q->ring;
	int news;

	if (unlikely(queue_is_held(q))) {
		/* A kick until then is no reason to come back. */
		q->pending = false;
		vu_queue_signal(q);
		return;
	}
	count_add(&q->counts.polls, 1);
	/* The order matters: the look is also what later notifications count from. */
	news = ring_look(ring);
	if (unlikely(news < 0)) {
		queue_broke(q);
		return;
	}
	if (unlikely(ring->unstarved)) {
		ring->unstarved = false;
		q->pending = true;
	}
	if (news || q->pending) {
		queue_serve_pending(q, budget);
		/* The callback may have been the ring's end. */
		ring = q->ring;
		if (unlikely(!ring))
			return;
	}
	queue_signal(q, ring);
}

bool queues_serve(struct vu_queue *q, uint32_t budget)
{
	bool more = false;

	for (; q; q = q->next_active) {
		queue_serve(q, budget);
		more |= q->pending;
	}
	return more;
}

bool queue_arm(struct vu_queue *q)
{
	return !queue_is_held(q) && (q->pending || ring_arm(q->ring));
}
