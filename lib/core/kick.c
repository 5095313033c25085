/* SPDX-License-Identifier: MIT */
/* Kicks of the driver, and the timer that stands for them.  Queue thread. */
#include "core/kick.h"

#include <stddef.h>
#include <sys/epoll.h>

#include <libvu/unstable.h>

#include "core/device.h"
#include "ring/hot.h"

/* One of the front-end's and one of the driver's, who then waits. */
enum { STILL_KICKS = 2 };

enum { POLL_MIN_MS = 1, POLL_MAX_MS = 16 };

/*
 * A kick, and the ring is as it was when it started: what the driver writes does not get here, or
 * it has nothing to say.  Front-ends kick by themselves when they start a queue: before they enable
 * it, QEMU 11 twice, or once afterwards.  Where a whole guest has left no trace, one kick is
 * enough.
 */
static void kick_stands_still(struct vu_queue *q)
{
	if (q->ring->taken || ring_look(q->ring)) {
		q->still = 0;
	} else if (table_is_blank(q->ring->table)) {
		q->still = 0;
		log_peer_warn(&q->dev->log,
			      "queue %u: kicked, but its ring and the beginning of guest memory "
			      "are empty: guest memory is not shared (share=on)",
			      q->index);
	} else if (!--q->still) {
		log_peer_warn(&q->dev->log,
			      "queue %u: kicked %u times, but its ring never moved: is guest "
			      "memory shared (share=on)?",
			      q->index, STILL_KICKS);
	}
}

/* vhost-user "SET_VRING_KICK" without a descriptor: we look ourselves, less often while it is idle.
 */
static void kick_polled(struct vu_queue *q, const struct notifier *timer)
{
	bool busy = q->counts.requests != q->poll_count;

	q->poll_ms = busy ? POLL_MIN_MS : q->poll_ms < POLL_MAX_MS ? q->poll_ms * 2 : POLL_MAX_MS;
	q->poll_count = q->counts.requests;
	notifier_set_timer(timer, q->poll_ms);
	if (q->ring) {
		q->pending = true;
		group_activate(q->group, q);
	}
}

static void kick_ready(struct source *source, uint32_t events)
{
	struct vu_queue *q =
		(struct vu_queue *)(void *)((char *)source - offsetof(struct vu_queue, kick));

	/* An eventfd is watched edge-triggered: every write wakes, nothing need be read. */
	(void)events;
	if (unlikely(q->fds[QUEUE_KICK].kind == NOTIFIER_TIMER)) {
		kick_polled(q, &q->fds[QUEUE_KICK]);
		return;
	}
	count_add(&q->counts.kicks, 1);
	/* While it is not known where its ring is, what ends that looks at it. */
	if (q->ring && !ring_seeks_areas(q->ring)) {
		if (unlikely(q->still) && q->enabled)
			kick_stands_still(q);
		ring_disarm(q->ring);
		q->pending = true;
		group_activate(q->group, q);
	}
}

static void poll_ready(struct source *source, uint32_t events)
{
	struct vu_queue *q = (struct vu_queue *)(void *)((char *)source -
							 offsetof(struct vu_queue, poll_source));

	(void)events;
	kick_polled(q, &q->poll);
}

/* Queue thread. */
static void poll_update(void *opaque)
{
	struct vu_queue *q = opaque;
	bool wanted = atomic_load(&q->poll_wanted);

	if (wanted == (q->poll.kind != NOTIFIER_NONE))
		return;
	if (!wanted) {
		group_unwatch(q->group, q->poll.fd);
		notifier_close(&q->poll);
	} else if (notifier_open_timer(&q->poll) ||
		   group_watch(q->group, q->poll.fd, &q->poll_source, EPOLLIN | EPOLLET)) {
		notifier_close(&q->poll);
		log_peer_error(&q->dev->log, "queue %u: no timer to poll with", q->index);
	} else {
		q->poll_ms = POLL_MIN_MS;
		notifier_set_timer(&q->poll, q->poll_ms);
	}
	atomic_store(&q->polls, q->poll.kind != NOTIFIER_NONE);
}

int kick_poll(struct vu_queue *q, bool on)
{
	int err;

	if (atomic_exchange(&q->poll_wanted, on) == on)
		return 0;
	/* The group stays the same while a front-end is there. */
	err = vu_group_post(__atomic_load_n(&q->group, __ATOMIC_SEQ_CST), poll_update, q);
	if (err)
		atomic_store(&q->poll_wanted, !on);
	return err;
}

void kick_fini(struct vu_queue *q)
{
	notifier_close(&q->poll);
}

void kick_init(struct vu_queue *q)
{
	q->kick.ready = kick_ready;
	q->poll_source.ready = poll_ready;
	notifier_init(&q->poll);
}

void kick_begin(struct vu_queue *q)
{
	q->still = STILL_KICKS;
}

void kick_watch(struct vu_queue *q)
{
	const struct notifier *kick = &q->fds[QUEUE_KICK];

	if (kick->kind == NOTIFIER_NONE)
		return;
	group_unwatch(q->group, kick->fd);
	if (group_watch(q->group, kick->fd, &q->kick, EPOLLIN | EPOLLET))
		ring_lose(q->ring, "its kick descriptor cannot be watched (no memory, or too many "
				   "are: fs.epoll.max_user_watches)");
	if (kick->kind == NOTIFIER_TIMER) {
		q->poll_ms = POLL_MIN_MS;
		notifier_set_timer(kick, q->poll_ms);
	}
}

void kick_unwatch(struct vu_queue *q)
{
	if (q->fds[QUEUE_KICK].kind != NOTIFIER_NONE)
		group_unwatch(q->group, q->fds[QUEUE_KICK].fd);
}
