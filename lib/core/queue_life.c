/* SPDX-License-Identifier: MIT */
/*
 * The life of a queue: commands from the device thread to the queue thread, and what the queue
 * thread does with them.
 *
 * A command is one number in q->command; want holds its details.  The device thread gives at most
 * one at a time, except QUEUE_ABANDON, which may overtake one that is not answered yet; the number
 * tells the answers apart.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "core/device.h"
#include "core/kick.h"
#include "core/translations.h"
#include "ring/hot.h"

static const char *const state_names[QUEUE_STATES] = {"stopped", "running", "draining", "broken"};

/* legal[from] has the bit of every state that may follow. */
static const unsigned int legal[QUEUE_STATES] = {
	[QUEUE_STOPPED] = 1 << QUEUE_RUNNING,
	[QUEUE_RUNNING] = 1 << QUEUE_DRAINING | 1 << QUEUE_BROKEN | 1 << QUEUE_STOPPED,
	[QUEUE_DRAINING] = 1 << QUEUE_STOPPED,
	[QUEUE_BROKEN] = 1 << QUEUE_DRAINING | 1 << QUEUE_STOPPED,
};

void queue_set_state(struct vu_queue *q, enum queue_state state)
{
	if (!(legal[q->state] & 1u << state))
		log_peer_error(&q->dev->log, "queue %u: %s -> %s is not in the table of states",
			       q->index, state_names[q->state], state_names[state]);
	log_debug(&q->dev->log, "queue %u: %s -> %s", q->index, state_names[q->state],
		  state_names[state]);
	q->state = state;
	queue_update_hold(q);
}

void queue_update_hold(struct vu_queue *q)
{
	q->hold = (q->state == QUEUE_RUNNING ? 0 : HOLD_STATE) | (q->enabled ? 0 : HOLD_DISABLED) |
		  (q->hold & HOLD_IDLE) | (atomic_load(&q->dev->stale) ? HOLD_STALE : 0) |
		  (q->ring && ring_seeks_areas(q->ring) ? HOLD_AREAS : 0) |
		  (q->dev->info.flags & VU_DEVICE_DEBUG ? HOLD_DEBUG : 0);
}

/* struct ring_config.warn */
static void queue_warn(void *queue, const char *what)
{
	const struct vu_queue *q = queue;

	log_peer_warn(&q->dev->log, "queue %u: the driver gives %s", q->index, what);
}

/* struct ring_config.unmarked */
static void queue_unmarked(void *queue, uint64_t addr, uint64_t len)
{
	const struct vu_queue *q = queue;

	log_peer_error(
		&q->dev->log,
		"queue %u: %llu bytes written at guest address %#llx are past the end of the "
		"dirty log: a migration does not copy them",
		q->index, (unsigned long long)len, (unsigned long long)addr);
}

/* What its rings have to know of it. */
static void queue_own(struct vu_queue *q)
{
	q->want.ring.queue = q;
	q->want.ring.warn = queue_warn;
	q->want.ring.unmarked = queue_unmarked;
	q->want.ring.miss = queue_miss;
}

void queue_init(struct vu_queue *q, struct vu_device *dev, uint32_t index)
{
	q->dev = dev;
	q->index = index;
	q->group = &dev->own;
	q->chunk = QUEUE_CHUNK;
	q->hold = HOLD_STATE | HOLD_DISABLED | HOLD_IDLE;
	kick_init(q);
	queue_own(q);
	for (int i = 0; i < QUEUE_FDS; i++) {
		notifier_init(&q->fds[i]);
		notifier_init(&q->want.fds[i]);
	}
}

static void queue_close_fd(struct vu_queue *q, enum queue_fd which)
{
	if (which == QUEUE_KICK)
		kick_unwatch(q);
	notifier_close(&q->fds[which]);
}

void queue_fini(struct vu_queue *q)
{
	queue_forget(q);
	queue_drop_translations(q);
	kick_fini(q);
	for (int i = 0; i < QUEUE_FDS; i++)
		queue_close_fd(q, i);
	ring_free(q->ring);
	while (q->dead) {
		struct ring *ring = q->dead;

		q->dead = ring->next;
		ring_free(ring);
	}
}

void queue_forget(struct vu_queue *q)
{
	struct queue_want *w = &q->want;

	for (int i = 0; i < QUEUE_FDS; i++)
		notifier_close(&w->fds[i]);
	memset(w, 0, sizeof(*w));
	memset(&q->missing, 0, sizeof(q->missing));
	q->untold = 0;
	queue_own(q);
	for (int i = 0; i < QUEUE_FDS; i++)
		notifier_init(&w->fds[i]);
}

/* What is marked in the dirty log from now on. */
static void queue_set_marks(struct vu_queue *q)
{
	const struct ring_config *next = &q->want.ring, *now = &q->ring->config;
	struct marks_config marks = q->want.marks;

	/* Addresses of its next start come with how that one is logged. */
	if (next->desc != now->desc || next->driver != now->driver || next->device != now->device) {
		marks.is_used_on = q->ring->marks.config.is_used_on;
		marks.used_at = q->ring->marks.config.used_at;
	}
	marks_set(q->ring, &marks);
}

/* The ring has its areas: what a crashed back-end left there is known. */
static void queue_run_again(struct vu_queue *q)
{
	if (ring_waiting_again(q->ring))
		log_peer_info(&q->dev->log,
			      "queue %u: %u requests of a crashed back-end are run again", q->index,
			      ring_waiting_again(q->ring));
	ring_signal_again(q->ring);
}

void queue_see_areas(struct vu_queue *q)
{
	bool sought = q->hold & HOLD_AREAS;

	queue_update_hold(q);
	if (q->ring->why) {
		queue_broke(q);
		return;
	}
	if (sought && !(q->hold & HOLD_AREAS))
		queue_run_again(q);
	/* As after a start: whatever came meanwhile is looked at. */
	q->pending = true;
	group_activate(q->group, q);
}

/* What the old one was told of may be lost with it: QEMU sends one after each start.  And what the
 * driver asked for may be older than the new one: the next decision is a yes. */
static void queue_call_changed(struct vu_queue *q)
{
	ring_decide_again(q->ring);
	vu_queue_signal(q);
	ring_signal_surely(q->ring);
	ring_signal_again(q->ring);
}

/* Take over new descriptors, the enabled bit, the memory, the dirty log. */
static void queue_configure(struct vu_queue *q)
{
	struct queue_want *w = &q->want;

	for (int i = 0; i < QUEUE_FDS; i++) {
		if (!w->changed[i])
			continue;
		queue_close_fd(q, i);
		q->fds[i] = w->fds[i];
		notifier_init(&w->fds[i]);
		w->changed[i] = false;
		if (i == QUEUE_CALL && q->ring)
			queue_call_changed(q);
		if (i == QUEUE_KICK && q->state == QUEUE_RUNNING)
			kick_watch(q);
	}
	q->inband = w->inband;
	if (q->enabled != w->enabled) {
		q->enabled = w->enabled;
		log_debug(&q->dev->log, "queue %u: %s", q->index,
			  q->enabled ? "enabled" : "disabled");
	}
	if (q->ring && w->table)
		(void)ring_set_table(q->ring, w->table);
	if (q->ring)
		queue_set_marks(q);
	/* Enabling scans the ring once (vhost-user "Ring states"). */
	if (q->ring)
		queue_see_areas(q);
	else
		queue_update_hold(q);
}

void queue_post(struct vu_queue *q, uint32_t news)
{
	atomic_fetch_or(&q->news, news);
	if (mailbox_post(&q->dev->news, &q->news_mail))
		device_wake(q->dev);
}

static void queue_answer(struct vu_queue *q, uint32_t command)
{
	/* Release pairs with device_answered(). */
	atomic_store_explicit(&q->done, command, memory_order_release);
	if (q->group == &q->dev->own)
		device_answered(q->dev, q);
	else
		queue_post(q, NEWS_ANSWERED);
}

static void queue_start(struct vu_queue *q, uint32_t command)
{
	struct queue_want *w = &q->want;

	w->ring.iotlb = q->iotlb;
	q->result = ring_new(&w->ring, w->table, &q->ring, &q->why);
	w->base_set = false;
	if (!q->result) {
		queue_run_again(q);
		marks_set(q->ring, &w->marks);
		queue_set_budget(q, QUEUE_BUDGET);
		kick_begin(q);
		queue_set_state(q, QUEUE_RUNNING);
		kick_watch(q);
		if (q->ring->why)
			queue_broke(q);
		ring_disarm(q->ring);
		q->pending = true;
		group_activate(q->group, q);
	}
	queue_answer(q, command);
}

/* The ring is drained, or never ran: take it away and do what was waiting for that. */
static void queue_stopped(struct vu_queue *q, uint32_t command)
{
	kick_unwatch(q);
	if (q->ring) {
		vu_queue_signal(q);
		/* GET_VRING_BASE's answer; a start without SET_VRING_BASE goes on there. */
		if ((command & 0xff) == QUEUE_STOP || !q->want.base_set)
			q->want.ring.base = ring_base(q->ring);
		ring_stop(q->ring);
		ring_free(q->ring);
		q->ring = NULL;
		queue_set_state(q, QUEUE_STOPPED);
	}
	if ((command & 0xff) == QUEUE_STOP)
		queue_drop_translations(q);
	q->result = 0;
	if ((command & 0xff) == QUEUE_START)
		queue_start(q, command);
	else
		queue_answer(q, command);
}

static void queue_tell_stop(struct vu_queue *q)
{
	if (q->dev->ops.queue_stop)
		q->dev->ops.queue_stop(q, q->dev->opaque);
}

/*
 * All in flight has to be done before a stop, also what a crashed back-end left: hand it out, and
 * nothing else.  Where requests may be left in the log (GET_VRING_BASE_INFLIGHT), it stays there.
 */
static void queue_finish_again(struct vu_queue *q)
{
	if (q->hold & ~(uint32_t)HOLD_SOFT || !ring_waiting_again(q->ring) ||
	    q->ring->config.suspend)
		return;
	queue_set_budget(q, ring_waiting_again(q->ring));
	q->bytes_end = UINT64_MAX;
	q->dev->ops.queue_ready(q, q->dev->opaque);
	if (!q->ring)
		return;
	queue_set_budget(q, QUEUE_BUDGET);
	if (ring_waiting_again(q->ring))
		log_peer_warn(
			&q->dev->log,
			"queue %u: stopped with %u requests of a crashed back-end left in the "
			"in-flight log",
			q->index, ring_waiting_again(q->ring));
}

/* Stop (or restart) once nothing is outstanding. */
static void queue_drain(struct vu_queue *q, uint32_t command)
{
	struct ring *ring = q->ring;

	if (!ring) {
		queue_stopped(q, command);
		return;
	}
	queue_finish_again(q);
	q->stop_command = command;
	queue_set_state(q, QUEUE_DRAINING);
	/* Not watched yet: the device may complete from within queue_stop. */
	queue_tell_stop(q);
	atomic_store(&q->draining, ring_outstanding(ring));
	ring_watch(ring);
	queue_ring_drained(q, ring);
}

/* For the log of the device thread. */
static void queue_count_stale(struct vu_queue *q)
{
	uint32_t n = 0;

	for (const struct ring *ring = q->dead; ring; ring = ring->next)
		n += ring_outstanding(ring);
	if (n && !atomic_load_explicit(&q->n_stale, memory_order_relaxed))
		atomic_store_explicit(&q->stale_since, patience_now(), memory_order_relaxed);
	atomic_store_explicit(&q->n_stale, n, memory_order_release);
}

void queue_ring_drained(struct vu_queue *q, struct ring *ring)
{
	if (ring->dead)
		queue_count_stale(q);
	else
		atomic_store_explicit(&q->draining, ring_outstanding(ring), memory_order_relaxed);
	if (ring_outstanding(ring))
		return;
	if (ring->dead) {
		struct ring **link = &q->dead;

		while (*link != ring)
			link = &(*link)->next;
		*link = ring->next;
		ring_free(ring);
		queue_note_outstanding(q);
		device_release_stale(q->dev);
	} else {
		queue_stopped(q, q->stop_command);
	}
}

/* The session is gone: let go of everything shared; outstanding requests end by themselves. */
static void queue_abandon(struct vu_queue *q, uint32_t command)
{
	struct ring *ring = q->ring;
	bool was_draining = q->state == QUEUE_DRAINING;

	for (int i = 0; i < QUEUE_FDS; i++)
		queue_close_fd(q, i);
	atomic_fetch_and(&q->news, ~(uint32_t)NEWS_TOLD);
	q->enabled = false;
	q->pending = false;
	queue_drop_translations(q);
	if (ring) {
		ring_kill(ring);
		queue_set_state(q, QUEUE_STOPPED);
		if (!was_draining)
			queue_tell_stop(q);
		q->ring = NULL;
		if (ring_outstanding(ring)) {
			ring_watch(ring);
			ring->next = q->dead;
			q->dead = ring;
			queue_count_stale(q);
			atomic_fetch_add(&q->dev->stale, 1);
		} else {
			ring_free(ring);
		}
	}
	queue_note_outstanding(q);
	q->result = 0;
	queue_update_hold(q);
	/* From the answer on the device thread may give it to another group. */
	group_deactivate(q);
	queue_answer(q, command);
}

static void queue_rescan(struct vu_queue *q)
{
	int state = RESCAN_ASKED;

	if (!atomic_compare_exchange_strong(&q->rescan, &state, RESCAN_UNDERWAY))
		return;
	queue_update_hold(q);
	if (q->ring) {
		q->pending = true;
		group_activate(q->group, q);
	}
	/* Unless it was asked for anew. */
	state = RESCAN_UNDERWAY;
	atomic_compare_exchange_strong(&q->rescan, &state, RESCAN_NONE);
}

static void queue_execute(struct vu_queue *q)
{
	/* Acquire pairs with queue_give(): want is ours until the answer. */
	uint32_t command =
		atomic_exchange_explicit(&q->command, QUEUE_NO_COMMAND, memory_order_acquire);

	if ((command & 0xff) == QUEUE_ABANDON) {
		queue_abandon(q, command);
		return;
	}
	/* After the command was taken: what belongs to it was handed over before. */
	queue_see_translations(q);
	if (command == QUEUE_NO_COMMAND)
		return;
	queue_configure(q);
	if ((command & 0xff) == QUEUE_CONFIGURE) {
		q->result = 0;
		queue_answer(q, command);
	} else {
		queue_drain(q, command);
	}
}

void queue_obey(struct vu_queue *q)
{
	queue_rescan(q);
	queue_execute(q);
}

/* It was told something: its own thread does it at once. */
static void queue_tell(struct vu_queue *q)
{
	if (q->group == &q->dev->own)
		queue_obey(q);
	else
		group_post_command(q->group, q);
}

bool queue_is_told(const struct vu_queue *q)
{
	return atomic_load(&q->command_mail.posted) || atomic_load(&q->rescan) != RESCAN_NONE;
}

void queue_rescan_soon(struct vu_queue *q)
{
	group_settle(q);
	atomic_store(&q->rescan, RESCAN_ASKED);
	queue_tell(q);
}

void queue_give(struct vu_queue *q, enum queue_command command, struct waiter *w)
{
	struct timespec now;

	group_settle(q);
	clock_gettime(CLOCK_MONOTONIC, &now);
	q->want.since = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	q->given = (q->given + 1) & 0xffffff;
	if (q->asked)
		waiter_overtaken(q->asked);
	else
		q->dev->waiting++;
	q->asked = w;
	w->left++;
	atomic_store_explicit(&q->command, q->given << 8 | command, memory_order_release);
	queue_tell(q);
}

void queue_ring_bell(struct vu_queue *q, enum queue_fd which)
{
	if (!notifier_signal(&q->fds[which], &q->dev->bell))
		return;
	atomic_store(&q->dev->would_block, true);
	device_wake(q->dev);
}

void queue_broke(struct vu_queue *q)
{
	if (q->state != QUEUE_RUNNING)
		return;
	log_peer_error(&q->dev->log,
		       "queue %u: broken: %s%s; nothing more is taken from it until it is reset",
		       q->index, q->ring->blameless ? "" : "the driver gave ", q->ring->why);
	queue_set_state(q, QUEUE_BROKEN);
	if (q->fds[QUEUE_ERR].kind != NOTIFIER_NONE) {
		queue_ring_bell(q, QUEUE_ERR);
	} else if (q->inband) {
		queue_post(q, NEWS_ERR);
	}
}
