/* SPDX-License-Identifier: MIT */
/*
 * The data path: handing out requests and taking them back.  Queue thread, except where it says
 * otherwise.  What calls the device is in pass.c, the life of a queue in queue_life.c.
 */
#include "core/queue.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "core/device.h"
#include "ring/hot.h"

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
	pthread_t owner = atomic_load_explicit(&q->group->owner, memory_order_relaxed);

	if (!owner || pthread_equal(owner, pthread_self()))
		return true;
	log_peer_error(&q->dev->log, "queue %u: %s() was called on another thread than the queue's",
		       q->index, function);
	return false;
}

/* 1 if nothing holds requests back, and the thread is the right one. */
static int queue_held(const struct vu_queue *q)
{
	if (queue_debug(q) && !queue_is_ours(q, "vu_queue_next"))
		return -EINVAL;
	if (q->state == QUEUE_BROKEN)
		return -EIO;
	if (q->hold & (HOLD_STATE | HOLD_DISABLED))
		return -ESHUTDOWN;
	return !(q->hold & (HOLD_STALE | HOLD_AREAS));
}

/* Up to max more requests may be taken, or what is left of the budget. */
static uint32_t queue_extend(struct vu_queue *q, uint32_t max)
{
	uint32_t taken = q->ring->taken, left = q->turn_end - taken;
	uint64_t bytes = q->counts.readable_bytes + q->counts.written_bytes, chunk;

	if (!q->bytes_end)
		q->bytes_end = bytes + QUEUE_BYTES;
	if (bytes >= q->bytes_end) {
		q->limit = taken;
		return 0;
	}
	/* Besides this batch: so that whoever gets less than it asks for is not back here with the
	 * next one. */
	chunk = q->chunk == QUEUE_CHUNK ? QUEUE_CHUNK - 1 + (uint64_t)max : q->chunk;
	left = left < chunk ? left : (uint32_t)chunk;
	q->limit = taken + left;
	/* Unless more large ones are completed. */
	q->chunk = q->chunk < QUEUE_CHUNK / 2 ? q->chunk * 2 : QUEUE_CHUNK;
	return max < left ? max : left;
}

/* The unlikely ways to take a request. */
static __attribute__((noinline)) int queue_next_slow(struct vu_queue *q, struct vu_req **reqs,
						     uint32_t max)
{
	int n = queue_held(q);
	uint32_t may;

	if (n <= 0)
		return n;
	if (!queue_is_active(q)) {
		/* It has had no turn since it was done with everything. */
		queue_set_budget(q, QUEUE_BUDGET);
		group_activate(q->group, q);
	}
	may = max;
	if (max > q->limit - q->ring->taken)
		may = queue_extend(q, max);
	/* What the budget cuts off is to be come back for. */
	if (may < max)
		q->pending = true;
	if (may)
		return ring_take(q->ring, reqs, may);
	/* For a loop of the caller's this was the end of a turn, and the next call begins one. */
	if (!group_is_inside(q->group))
		queue_set_budget(q, QUEUE_BUDGET);
	return 0;
}

/* If the ring turns out broken, the pass tells of it: now, or as the queue is active, the next. */
int vu_queue_next_batch(struct vu_queue *q, struct vu_req **reqs, uint32_t max)
{
	struct ring *ring = q->ring;

	if (unlikely(q->hold || max > q->limit - ring->taken))
		return queue_next_slow(q, reqs, max);
	return ring_take(ring, reqs, max);
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
		log_peer_error(
			&q->dev->log,
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

/* Something was marked: whoever keeps the dirty log may want to know. */
static __attribute__((noinline)) void queue_tell_marks(struct vu_queue *q, struct ring *ring)
{
	ring->marks.has_news = false;
	if (q->fds[QUEUE_LOG].kind != NOTIFIER_NONE)
		queue_ring_bell(q, QUEUE_LOG);
}

/* After a request's end: the queue is to be looked at, and somebody may wait for the last one. */
static inline void queue_completed(struct vu_queue *q, struct ring *ring)
{
	/* Of a ring that is gone nothing is to be seen, and the queue may be about to change its
	 * group. */
	if (unlikely(!queue_is_active(q)) && !ring->dead)
		group_activate(q->group, q);
	if (unlikely(ring->marks.has_news))
		queue_tell_marks(q, ring);
	if (unlikely(ring->watched))
		queue_ring_drained(q, ring);
}

/* Large requests use the bytes of a budget up before QUEUE_CHUNK of them are taken. */
static __attribute__((noinline)) void queue_note_large(struct vu_queue *q, uint64_t bytes)
{
	q->chunk = bytes < QUEUE_BYTES ? (uint32_t)(QUEUE_BYTES / bytes) : 1;
	if (q->ring)
		q->limit = q->ring->taken;
}

static inline void queue_count_small(struct vu_queue *q, uint32_t requests, uint64_t readable,
				     uint64_t written)
{
	count_add(&q->counts.requests, requests);
	count_add(&q->counts.readable_bytes, readable);
	count_add(&q->counts.written_bytes, written);
}

static inline void queue_count(struct vu_queue *q, uint32_t requests, uint64_t readable,
			       uint64_t written)
{
	queue_count_small(q, requests, readable, written);
	if (unlikely(readable + written > (uint64_t)requests * QUEUE_LARGE))
		queue_note_large(q, (readable + written) / requests);
}

/* VU_DEVICE_DEBUG: the caller may not look at what the call returns. */
static __attribute__((noinline)) void req_too_long(const struct vu_req *pub, uint64_t written,
						   const char *function)
{
	const struct vu_queue *q = req_owner((const struct req *)pub);

	if (queue_debug(q))
		log_peer_error(
			&q->dev->log,
			"queue %u: %s() of %llu bytes, but the request has room for %llu: it "
			"stays outstanding",
			q->index, function, (unsigned long long)written,
			(unsigned long long)pub->writable_len);
}

/* Complete, not yet published. */
static int queue_complete_one(struct vu_req *pub, uint64_t written)
{
	struct req *req = (struct req *)pub;
	int err = req_check(req, "vu_req_complete");

	if (!err)
		err = ring_complete(req->ring, req, written);
	if (err == -ERANGE)
		req_too_long(pub, written, "vu_req_complete");
	if (!err)
		queue_count(req_owner(req), 1, pub->readable_len, written);
	return err;
}

/*
 * What is not plain goes one by one, and is published together as far as it is of one ring.
 * How many; -errno if that is none.
 */
static __attribute__((noinline)) int queue_complete_each(struct vu_req *const *reqs,
							 const uint64_t *written, uint32_t n)
{
	uint32_t i = 0;
	int err = 0;

	while (i < n && !err) {
		struct ring *ring = ((const struct req *)reqs[i])->ring;
		struct vu_queue *q = ring->config.queue;
		uint32_t first = i;

		while (i < n && ((const struct req *)reqs[i])->ring == ring) {
			err = queue_complete_one(reqs[i], written[i]);
			if (err)
				break;
			RING_PROBE(complete, ring, reqs[i], written[i]);
			i++;
		}
		if (i == first)
			break;
		ring_publish(ring);
		/* This may be the ring's end, if nothing of it is outstanding. */
		queue_completed(q, ring);
	}
	return i ? (int)i : err;
}

/*
 * False: nothing was done, as something is out of the ordinary, or it is large.  What has room in
 * the request and is not large can be said in 32 bits: one comparison less.  (Where the sum wraps
 * there is no such room.)
 */
static inline bool req_complete_plain(struct vu_req *pub, uint64_t written)
{
	struct req *req = (struct req *)pub;
	struct ring *ring = req->ring;
	struct vu_queue *q = ring->config.queue;

	if (unlikely(q->hold || pub->readable_len + written > QUEUE_LARGE ||
		     !ring_complete_one(ring, req, written)))
		return false;
	RING_PROBE(complete, ring, pub, written);
	queue_count_small(q, 1, pub->readable_len, written);
	return true;
}

static __attribute__((noinline)) int queue_complete_many(struct vu_queue *q,
							 struct vu_req *const *reqs,
							 const uint64_t *written, uint32_t n)
{
	struct ring_sums sums;
	uint32_t plain = 0;
	int more;

	if (likely(!q->hold)) {
		plain = ring_complete_plain(q->ring, reqs, written, n, &sums);
		queue_count(q, plain, sums.readable, sums.written);
		if (likely(plain == n))
			return (int)n;
	}
	more = queue_complete_each(reqs + plain, written + plain, n - plain);
	if (more < 0)
		return plain ? (int)plain : more;
	return (int)plain + more;
}

/* One that is not plain. */
static __attribute__((noinline)) int
queue_complete_odd(struct vu_queue *q, struct vu_req *const *req, const uint64_t *written)
{
	if (((const struct req *)*req)->ring->way == RING_SLOW)
		return queue_complete_each(req, written, 1);
	return queue_complete_many(q, req, written, 1);
}

static __attribute__((noinline)) int req_complete_odd(struct vu_req *req, uint64_t written)
{
	int n = queue_complete_odd(req_owner((const struct req *)req), &req, &written);

	return n < 0 ? n : 0;
}

int vu_req_complete(struct vu_req *req, uint64_t written)
{
	return likely(req_complete_plain(req, written)) ? 0 : req_complete_odd(req, written);
}

int vu_queue_complete_batch(struct vu_queue *q, struct vu_req *const *reqs, const uint64_t *written,
			    uint32_t n)
{
	if (n != 1)
		return queue_complete_many(q, reqs, written, n);
	return likely(req_complete_plain(reqs[0], written[0]))
		       ? 1
		       : queue_complete_odd(q, reqs, written);
}

/* Any thread. */
int vu_req_complete_remote(struct vu_req *pub, uint64_t written)
{
	struct req *req = (struct req *)pub;
	struct vu_queue *q = req_owner(req);

	if (written > pub->writable_len) {
		req_too_long(pub, written, "vu_req_complete_remote");
		return -ERANGE;
	}
	if (__atomic_exchange_n(&req->is_remote, true, __ATOMIC_RELAXED)) {
		log_peer_error(&q->dev->log,
			       "queue %u: vu_req_complete_remote() twice on one request", q->index);
		return -EINVAL;
	}
	req->written = written;
	/* Pairs with group_move_queue(): while this is set, the group is not freed. */
	atomic_fetch_add(&q->posting, 1);
	group_post_remote(__atomic_load_n(&q->group, __ATOMIC_SEQ_CST), req);
	atomic_fetch_sub(&q->posting, 1);
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
	queue_completed(ring->config.queue, ring);
	return 0;
}

uint64_t vu_req_progress(const struct vu_req *pub)
{
	return ring_progress((const struct req *)pub);
}

int vu_req_set_progress(struct vu_req *pub, uint64_t progress)
{
	struct req *req = (struct req *)pub;
	int err = req_check(req, "vu_req_set_progress");

	if (!err && progress > pub->readable_len + pub->writable_len)
		err = -ERANGE;
	return err ? err : ring_set_progress(req->ring, req, progress);
}

int vu_req_leave(struct vu_req *pub)
{
	struct req *req = (struct req *)pub;
	struct ring *ring = req->ring;
	struct vu_queue *q = ring->config.queue;
	int err = req_check(req, "vu_req_leave");

	if (!err && !ring->dead && q->state != QUEUE_DRAINING)
		err = -EBUSY;
	if (!err)
		err = ring_suspend(ring, req);
	if (err)
		return err;
	queue_completed(q, ring);
	return 0;
}

/* To a few milliseconds, for a fraction of what an exact one costs: it is read before sleeping. */
static int64_t queue_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void queue_note_outstanding(struct vu_queue *q)
{
	struct queue_waiting *w = &q->waiting;
	uint64_t n = vu_queue_outstanding(q);
	int64_t since = w->since;

	if (!n)
		since = 0;
	else if (!since || w->ended != q->counts.requests)
		since = queue_clock();
	__atomic_store_n(&w->ended, q->counts.requests, __ATOMIC_RELAXED);
	__atomic_store_n(&q->counts.outstanding, n, __ATOMIC_RELAXED);
	__atomic_store_n(&w->since, since, __ATOMIC_RELAXED);
}

/* Any thread. */
static uint64_t queue_waited(const struct vu_queue *q)
{
	int64_t since = __atomic_load_n(&q->waiting.since, __ATOMIC_RELAXED), now;

	/* A thread that has not slept for long has noted nothing for as long. */
	if (!since || count_read(&q->waiting.ended) != count_read(&q->counts.requests))
		return 0;
	now = queue_clock();
	return now > since ? (uint64_t)(now - since) : 0;
}

int vu_queue_counters(const struct vu_queue *q, struct vu_queue_counters *out)
{
	const size_t size = out->size;
	struct vu_queue_counters now;
	/* All but its size are numbers of 64 bits. */
	const uint64_t *from = &q->counts.requests;
	uint64_t *to = &now.requests;

	if (size < FIRST_QUEUE_COUNTERS || size > SIZE_STRUCT_MAX)
		return -EINVAL;
	for (size_t i = 0; i < (sizeof(now) - sizeof(now.size)) / sizeof(*to); i++)
		to[i] = count_read(&from[i]);
	now.outstanding_ns = queue_waited(q);
	/* A newer program's struct: it is told how far it was filled. */
	now.size = size < sizeof(now) ? size : sizeof(now);
	memset(out, 0, size);
	memcpy(out, &now, now.size);
	return 0;
}

int vu_queue_available(struct vu_queue *q)
{
	if (q->hold & ~(uint32_t)HOLD_SOFT)
		return 0;
	group_activate(q->group, q);
	return ring_is_available(q->ring);
}

uint32_t vu_queue_outstanding(const struct vu_queue *q)
{
	uint32_t n = q->ring ? ring_outstanding(q->ring) : 0;

	for (const struct ring *ring = q->dead; ring; ring = ring->next)
		n += ring_outstanding(ring);
	return n;
}

void vu_queue_set_opaque(struct vu_queue *q, void *opaque)
{
	q->opaque = opaque;
}

void *vu_queue_opaque(const struct vu_queue *q)
{
	return q->opaque;
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
