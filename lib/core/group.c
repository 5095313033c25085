/* SPDX-License-Identifier: MIT */
/*
 * Groups: what a thread serves, and how it hears of it.  Queue thread, except where it says
 * otherwise.
 */
#include "core/group.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/device.h"

enum { EVENTS_PER_PASS = 32, PASSES_PER_LOOK = 32 };

static void group_woken(struct source *source, uint32_t events)
{
	struct vu_group *g =
		(struct vu_group *)(void *)((char *)source - offsetof(struct vu_group, wake));

	/* Edge-triggered: nothing need be read. */
	g->woken = true;
	(void)events;
}

static void group_again(struct source *source, uint32_t events)
{
	struct vu_group *g =
		(struct vu_group *)(void *)((char *)source - offsetof(struct vu_group, again));

	/* No news: it only brought the thread here. */
	g->announced = false;
	(void)events;
}

int group_watch(struct vu_group *g, int fd, struct source *source, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};

	return epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int group_rewatch(struct vu_group *g, int fd, struct source *source, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};

	return epoll_ctl(g->epoll_fd, EPOLL_CTL_MOD, fd, &ev) < 0 ? -errno : 0;
}

int group_unwatch(struct vu_group *g, int fd)
{
	return epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

void group_update_every_pass(struct vu_group *g)
{
	if (g->polls)
		atomic_fetch_or(&g->every_pass, EVERY_PASS_POLLS);
	else
		atomic_fetch_and(&g->every_pass, ~(unsigned int)EVERY_PASS_POLLS);
}

/* Edge-triggered: whoever writes it wakes, and nothing need be read. */
static int group_watch_eventfd(struct vu_group *g, int *fd, struct source *source)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : group_watch(g, *fd, source, EPOLLIN | EPOLLET);
}

int group_init(struct vu_group *g)
{
	int err;

	g->until_look = 1;
	/* Of a device with VU_DEVICE_DEBUG; those of members come and go. */
	if (g->own_of && g->own_of->info.flags & VU_DEVICE_DEBUG)
		atomic_store(&g->every_pass, EVERY_PASS_DEBUG);
	g->wake.ready = group_woken;
	g->again.ready = group_again;
	g->wake_fd = g->again_fd = -1;
	g->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (g->epoll_fd < 0)
		return -errno;
	err = group_watch_eventfd(g, &g->wake_fd, &g->wake);
	if (!err)
		err = group_watch_eventfd(g, &g->again_fd, &g->again);
	if (err)
		group_fini(g);
	return err;
}

void group_fini(struct vu_group *g)
{
	group_free_sources(g);
	if (g->wake_fd >= 0)
		close(g->wake_fd);
	if (g->again_fd >= 0)
		close(g->again_fd);
	if (g->epoll_fd >= 0)
		close(g->epoll_fd);
	g->wake_fd = g->again_fd = g->epoll_fd = -1;
}

/* Any thread; async-signal-safe. */
void vu_group_wake(struct vu_group *g)
{
	static const uint64_t one = 1;
	int saved = errno;

	if (write(g->wake_fd, &one, sizeof(one)) < 0)
		errno = saved; /* full: awake already */
}

/*
 * A loop that polls the fd may call once per wake, so the fd has to be readable as long as there
 * is more to do.  One write lasts until its event is fetched or withdrawn; it is no news for
 * vu_group_arm().
 */
void group_announce(struct vu_group *g)
{
	static const uint64_t one = 1;

	g->more = true;
	if (g->announced || g->waits)
		return;
	g->announced = write(g->again_fd, &one, sizeof(one)) == sizeof(one);
}

/* There is nothing more to do. */
static void group_withdraw(struct vu_group *g)
{
	uint64_t count;

	g->more = false;
	/* An eventfd without a count is not ready, whatever epoll remembers. */
	if (g->announced && read(g->again_fd, &count, sizeof(count)) == sizeof(count))
		g->announced = false;
}

int group_refuse(struct vu_group *g, const char *function)
{
	struct log *log;

	if (!(atomic_load(&g->every_pass) & EVERY_PASS_DEBUG))
		return -EDEADLK;
	if (!g->own_of)
		pthread_mutex_lock(&g->lock);
	log = group_log(g);
	if (log)
		log_peer_error(log, "%s() was called inside a callback that it called itself",
			       function);
	if (!g->own_of)
		pthread_mutex_unlock(&g->lock);
	return -EDEADLK;
}

void group_activate(struct vu_group *g, struct vu_queue *q)
{
	if (queue_is_active(q))
		return;
	queue_set_active(q, true);
	q->next_active = g->active;
	g->active = q;
	/* Used outside of a pass: make sure that there is one. */
	if (!group_is_inside(g))
		vu_group_wake(g);
}

void group_deactivate(struct vu_queue *q)
{
	struct vu_queue **link = &q->group->active;

	if (!queue_is_active(q))
		return;
	while (*link != q)
		link = &(*link)->next_active;
	*link = q->next_active;
	queue_set_active(q, false);
}

static int group_take_events(struct vu_group *g, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_PASS];
	bool announced = g->announced;
	int n = epoll_wait(g->epoll_fd, events, EVENTS_PER_PASS, timeout_ms);

	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;

		source->ready(source, events[i].events);
	}
	/* Our own word to ourselves is no activity. */
	g->activity += n > (announced && !g->announced);
	return n;
}

void group_note_owner(struct vu_group *g)
{
	atomic_store_explicit(&g->owner, pthread_self(), memory_order_relaxed);
}

bool group_look(struct vu_group *g)
{
	int n = 0;

	/* Of the last pass; no event that was fetched names them any more. */
	group_reap_sources(g);
	group_note_owner(g);
	if (!g->until_look) {
		g->until_look = PASSES_PER_LOOK;
		n = group_take_events(g, 0);
	}
	if (g->polls)
		g->activity += group_poll_sources(g);
	if (atomic_load_explicit(&g->attention, memory_order_relaxed))
		group_take_mail(g);
	return n == EVENTS_PER_PASS || atomic_load_explicit(&g->closing, memory_order_relaxed);
}

/* What epoll_wait(2) takes; not a moment too early. */
static int group_milliseconds(int64_t ns)
{
	int64_t ms = ns / 1000000 + (ns % 1000000 > 0);

	return ns < 0 ? -1 : ms > INT_MAX ? INT_MAX : (int)ms;
}

int vu_group_wait(struct vu_group *g, int64_t timeout_ns)
{
	int n;

	if (timeout_ns < -1)
		return -EINVAL;
	if (group_is_inside(g))
		return group_refuse(g, "vu_group_wait");
	group_note_owner(g);
	group_set_inside(g, true);
	g->waits = true;
	if (g->more)
		timeout_ns = 0;
	n = group_take_events(g, group_milliseconds(timeout_ns));
	group_set_inside(g, false);
	/* The next pass need not ask again, unless there may be more. */
	if (n < EVENTS_PER_PASS && !g->removed)
		g->until_look = PASSES_PER_LOOK;
	return n > 0 || g->more;
}

int vu_group_arm(struct vu_group *g)
{
	struct vu_queue **link = &g->active, *q;
	/* The caller may have something to look at before it sleeps: see vu_group_wake(). */
	bool more = g->woken;

	g->woken = false;
	while ((q = *link)) {
		if (queue_arm(q)) {
			more = true;
			link = &q->next_active;
		} else {
			queue_note(q);
			*link = q->next_active;
			queue_set_active(q, false);
		}
	}
	g->until_look = 1;
	if (more)
		group_announce(g);
	else if (g->more)
		group_withdraw(g);
	return more;
}

uint64_t vu_group_activity(const struct vu_group *g)
{
	return g->activity;
}

int vu_group_fd(const struct vu_group *g)
{
	return g->epoll_fd;
}
