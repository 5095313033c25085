/* SPDX-License-Identifier: MIT */
/*
 * How long a device waits before it says so, or gives up: for its own queues, for requests of an
 * earlier session, for translations, for a front-end that falls silent.  One timer, kept by the
 * device.  Device thread.
 */
#include "core/patience.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/device.h"
#include "core/transport.h"

static const int64_t second = 1000000000;

enum { FIRST_LINE = 1, MORE_LINES = 10 }; /* seconds */

int64_t patience_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * second + now.tv_nsec;
}

static void earlier(int64_t *first, int64_t deadline)
{
	if (deadline && (!*first || deadline < *first))
		*first = deadline;
}

/* Set the timer for the first of what is waited for. */
static void patience_arm(struct vu_device *dev)
{
	struct patience *p = &dev->patience;
	struct itimerspec when = {0};
	int64_t first = 0;

	earlier(&first, p->stop_line);
	earlier(&first, p->stale_line);
	earlier(&first, p->miss_line);
	earlier(&first, p->asked_line);
	earlier(&first, p->silence_end);
	if (p->fd < 0) {
		if (!first)
			return;
		p->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (p->fd < 0 || group_watch(&dev->own, p->fd, &p->source, EPOLLIN)) {
			log_peer_warn(&dev->log,
				      "no timer: nothing is said of what waits for long");
			patience_fini(p);
			return;
		}
	}
	when.it_value.tv_sec = (time_t)(first / second);
	when.it_value.tv_nsec = (long)(first % second);
	timerfd_settime(p->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void patience_stops(struct vu_device *dev, bool on)
{
	dev->patience.stop_line = on ? patience_now() + FIRST_LINE * second : 0;
	patience_arm(dev);
}

void patience_awaits(struct vu_device *dev, const char *what)
{
	struct patience *p = &dev->patience;

	if (!what && !p->awaited)
		return;
	p->awaited = what;
	p->awaited_since = patience_now();
	patience_stops(dev, what != NULL);
}

void patience_stale(struct vu_device *dev)
{
	if (dev->patience.stale_line || !atomic_load(&dev->stale))
		return;
	dev->patience.stale_line = patience_now() + FIRST_LINE * second;
	patience_arm(dev);
}

void patience_asks(struct vu_device *dev, const char *what)
{
	struct patience *p = &dev->patience;

	p->asked = what;
	if (!what)
		return;
	p->asked_since = patience_now();
	/* As with misses. */
	if (p->asked_line)
		return;
	p->asked_line = p->asked_since + FIRST_LINE * second;
	patience_arm(dev);
}

void patience_misses(struct vu_device *dev)
{
	/* Mostly there is one already: misses come and go, and its expiry finds what is left. */
	if (dev->patience.miss_line)
		return;
	dev->patience.miss_line = patience_now() + FIRST_LINE * second;
	patience_arm(dev);
}

/* As far away as there is time, if it is further. */
static int64_t patience_after(uint64_t ns)
{
	int64_t now = patience_now();

	return ns > (uint64_t)(INT64_MAX - now) ? INT64_MAX : now + (int64_t)ns;
}

void patience_silence(struct vu_device *dev, bool silent)
{
	struct patience *p = &dev->patience;

	if (!silent) {
		/* The timer is left alone: mostly the next message has come before it expires. */
		p->silence_end = 0;
	} else if (!p->silence_end && dev->message_timeout_ns) {
		p->silence_end = patience_after(dev->message_timeout_ns);
		patience_arm(dev);
	}
}

/* Nothing is outstanding, as far as is known: then the queue's thread has not come to its command.
 */
static void tell_stop(struct vu_device *dev, const struct vu_queue *q, double age)
{
	uint32_t n = atomic_load(&q->draining);

	if (n)
		log_peer_warn(&dev->log,
			      "queue %u: stopping for %.1f s, %u requests outstanding: complete "
			      "them or put them back in queue_stop",
			      q->index, age, n);
	else
		log_peer_warn(&dev->log,
			      "queue %u: stopping for %.1f s, its thread does not come: it is in a "
			      "callback, or its group has none (vu_program_add_worker(), "
			      "vu_worker_add_group())",
			      q->index, age);
}

static void tell_stops(struct vu_device *dev, int64_t now)
{
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		const struct vu_queue *q = &dev->queues[i];

		if (q->asked)
			tell_stop(dev, q, (double)(now - q->want.since) / 1e9);
	}
}

static void tell_awaited(struct vu_device *dev, int64_t now)
{
	const struct patience *p = &dev->patience;

	log_peer_warn(&dev->log, "waiting for %s for %.1f s: no other message is served meanwhile",
		      p->awaited, (double)(now - p->awaited_since) / 1e9);
}

static void tell_stale(struct vu_device *dev, int64_t now)
{
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		const struct vu_queue *q = &dev->queues[i];
		uint32_t n = atomic_load(&q->n_stale);

		if (n)
			log_peer_warn(
				&dev->log,
				"queue %u: %u requests of an earlier session outstanding, for %.1f "
				"s: no ring of this session is served until they are completed",
				i, n, (double)(now - atomic_load(&q->stale_since)) / 1e9);
	}
}

static const char *why_missing(const struct missing *m)
{
	if (m->state == MISSING_NEW)
		return "the front-end cannot be asked";
	return m->is_answered ? "the front-end answered without one"
			      : "the front-end does not answer";
}

/* When to look again; 0: no queue waits. */
static int64_t tell_misses(struct vu_device *dev, int64_t now)
{
	int64_t next = 0;

	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		const struct vu_queue *q = &dev->queues[i];
		const struct missing *m = &q->missing;
		int64_t due = m->since + FIRST_LINE * second;

		if (m->state == MISSING_NOTHING || !q->want.started)
			continue;
		if (due <= now) {
			due = now + MORE_LINES * second;
			log_peer_warn(&dev->log,
				      "queue %u: waiting for a translation of %#llx for %.1f s: %s",
				      i, (unsigned long long)m->addr,
				      (double)(now - m->since) / 1e9, why_missing(m));
		}
		earlier(&next, due);
	}
	return next;
}

/* When to look again; 0: nothing is asked. */
static int64_t tell_asked(struct vu_device *dev, int64_t now)
{
	const struct patience *p = &dev->patience;

	if (!p->asked)
		return 0;
	if (now < p->asked_since + FIRST_LINE * second)
		return p->asked_since + FIRST_LINE * second;
	log_peer_warn(&dev->log, "the front-end has not answered %s for %.1f s", p->asked,
		      (double)(now - p->asked_since) / 1e9);
	return now + MORE_LINES * second;
}

static void patience_expired(struct source *source, uint32_t events)
{
	struct vu_device *dev =
		(struct vu_device *)(void *)((char *)source - offsetof(struct vu_device, patience) -
					     offsetof(struct patience, source));
	struct patience *p = &dev->patience;
	uint64_t expired;
	int64_t now;

	(void)events;
	if (read(p->fd, &expired, sizeof(expired)) < 0)
		return;
	now = patience_now();
	if (p->stop_line && now >= p->stop_line) {
		if (dev->waiting)
			tell_stops(dev, now);
		if (p->awaited)
			tell_awaited(dev, now);
		p->stop_line = now + MORE_LINES * second;
	}
	if (p->stale_line && now >= p->stale_line) {
		if (running_is_on(dev))
			tell_stale(dev, now);
		p->stale_line = atomic_load(&dev->stale) ? now + MORE_LINES * second : 0;
	}
	if (p->miss_line && now >= p->miss_line)
		p->miss_line = tell_misses(dev, now);
	if (p->asked_line && now >= p->asked_line)
		p->asked_line = tell_asked(dev, now);
	if (p->silence_end && now >= p->silence_end) {
		p->silence_end = 0;
		if (running_has_session(dev))
			dev->transport->ops->silent(dev->transport);
	}
	patience_arm(dev);
}

void patience_init(struct patience *p)
{
	p->fd = -1;
	p->source.ready = patience_expired;
}

void patience_fini(struct patience *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}
