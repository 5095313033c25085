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
	g->every_pass = g->polls || (g->dev && g->dev->info.flags & VU_DEVICE_DEBUG);
}

/* Edge-triggered: whoever writes it wakes, and nothing need be read. */
static int group_watch_eventfd(struct vu_group *g, int *fd, struct source *source)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : group_watch(g, *fd, source, EPOLLIN | EPOLLET);
}

int group_init(struct vu_group *g, struct vu_device *dev)
{
	int err;

	g->dev = dev;
	g->until_look = 1;
	group_update_every_pass(g);
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

int group_refuse(const struct vu_group *g, const char *function)
{
	if (g->dev && g->dev->info.flags & VU_DEVICE_DEBUG)
		log_peer_error(&g->dev->log,
			       "%s() was called inside a callback that it called itself", function);
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
	if (!g->in_process)
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

/* Any thread. */
void group_post_remote(struct vu_group *g, struct req *req)
{
	struct req *head = atomic_load_explicit(&g->remote, memory_order_relaxed);

	do {
		req->remote_next = head;
		/* Release pairs with the acquire in group_take_remote(). */
	} while (!atomic_compare_exchange_weak_explicit(
		&g->remote, &head, req, memory_order_release, memory_order_relaxed));
	if (!head)
		group_attend(g);
}

/* Any thread. */
void group_attend(struct vu_group *g)
{
	atomic_store(&g->attention, true);
	vu_group_wake(g);
}

static void group_take_remote(struct vu_group *g)
{
	struct req *req, *oldest = NULL;

	req = atomic_exchange_explicit(&g->remote, NULL, memory_order_acquire);
	while (req) {
		struct req *next = req->remote_next;

		req->remote_next = oldest;
		oldest = req;
		req = next;
	}
	while (oldest) {
		req = oldest;
		oldest = req->remote_next;
		__atomic_store_n(&req->is_remote, false, __ATOMIC_RELAXED);
		/* Its length was checked by vu_req_complete_remote(). */
		vu_req_complete(&req->pub, req->written);
	}
}

static void group_take_commands(struct vu_group *g)
{
	struct mail *mail = mailbox_take(&g->commands);

	while (mail) {
		struct vu_queue *q =
			(struct vu_queue *)(void *)((char *)mail -
						    offsetof(struct vu_queue, command_mail));

		mail = mail->next;
		mail_open(&q->command_mail);
		queue_execute(q);
	}
}

void group_rescan_soon(struct vu_group *g)
{
	atomic_store(&g->rescan, RESCAN_ASKED);
	group_attend(g);
}

/* What held queues back may be gone. */
static void group_rescan(struct vu_group *g)
{
	int state = RESCAN_ASKED;

	if (!atomic_compare_exchange_strong(&g->rescan, &state, RESCAN_UNDERWAY))
		return;
	for (uint32_t i = 0; i < g->dev->info.n_queues; i++) {
		struct vu_queue *q = &g->dev->queues[i];

		/* Others' may be moved meanwhile. */
		if (__atomic_load_n(&q->group, __ATOMIC_ACQUIRE) != g)
			continue;
		queue_update_hold(q);
		if (q->ring) {
			q->pending = true;
			group_activate(g, q);
		}
	}
	/* Unless it was asked for anew. */
	state = RESCAN_UNDERWAY;
	atomic_compare_exchange_strong(&g->rescan, &state, RESCAN_NONE);
}

static void group_take_mail(struct vu_group *g)
{
	/* Before looking: what is posted meanwhile gets a pass of its own. */
	atomic_exchange(&g->attention, false);
	group_take_commands(g);
	group_take_remote(g);
	group_rescan(g);
	group_run_posts(g);
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

/* VU_DEVICE_DEBUG: this is the queues' thread. */
static void group_note_owner(struct vu_group *g)
{
	if (g->dev && g->dev->info.flags & VU_DEVICE_DEBUG) {
		g->owner = pthread_self();
		g->has_owner = true;
	}
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
	return n == EVENTS_PER_PASS;
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
	if (g->in_process)
		return group_refuse(g, "vu_group_wait");
	group_note_owner(g);
	g->in_process = g->waits = true;
	if (g->more)
		timeout_ns = 0;
	n = group_take_events(g, group_milliseconds(timeout_ns));
	g->in_process = false;
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

int vu_group_new(struct vu_device *dev, struct vu_group **out)
{
	struct vu_group *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	err = group_init(g, dev);
	if (err) {
		free(g);
		return err;
	}
	g->next = dev->groups;
	dev->groups = g;
	*out = g;
	return 0;
}

/* For a thread of its that has ended: what calls the device is a callback here, too. */
void group_stand_in(struct vu_group *g)
{
	bool inside = device_enter(g->dev);

	group_note_owner(g);
	g->in_process = true;
	group_take_commands(g);
	group_take_remote(g);
	g->in_process = false;
	device_leave(g->dev, inside);
}

/* It is active only if its group is freed in a session: see queue_abandon(). */
static void group_move_queue(struct vu_queue *q, struct vu_group *to)
{
	group_deactivate(q);
	/* Pairs with vu_req_complete_remote(): it sees the new group, or is waited for. */
	__atomic_store_n(&q->group, to, __ATOMIC_SEQ_CST);
	while (atomic_load(&q->posting))
		sched_yield();
}

void group_orphan(struct vu_group *g)
{
	struct vu_device *dev = g->dev;

	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		if (dev->queues[i].group == g)
			group_move_queue(&dev->queues[i], &dev->own);
	/* What was posted until just now. */
	group_stand_in(g);
	/* It was to look at queues that it has no more. */
	atomic_store(&g->rescan, RESCAN_NONE);
	g->dev = NULL;
	group_update_every_pass(g);
}

void vu_group_free(struct vu_group *g)
{
	struct vu_group **link;

	if (!g)
		return;
	if (g->in_process || (g->dev && g == &g->dev->own)) {
		if (g->dev)
			log_peer_error(
				&g->dev->log,
				"vu_group_free() of the device's own group, or inside a callback "
				"of the group, is ignored");
		return;
	}
	group_run_last_posts(g);
	if (g->dev) {
		/* Its thread may have ended before it saw that the session did. */
		group_stand_in(g);
		link = &g->dev->groups;
		while (*link != g)
			link = &(*link)->next;
		*link = g->next;
		group_orphan(g);
	}
	group_fini(g);
	free(g);
}

struct vu_group *vu_device_group(struct vu_device *dev)
{
	return &dev->own;
}

int vu_queue_set_group(struct vu_queue *q, struct vu_group *g)
{
	struct vu_device *dev = q ? q->dev : NULL;

	if (!q || (g && g->dev != dev))
		return -EINVAL;
	/* stale counts the rings of earlier sessions that have requests outstanding. */
	if (vu_device_is_attached(dev) || dev->waiting || atomic_load(&dev->stale))
		return -EBUSY;
	/* Its group's thread may come to it once more, for what was told before the session ended.
	 */
	if (q->group != &dev->own &&
	    (atomic_load(&q->command_mail.posted) || atomic_load(&q->group->rescan) != RESCAN_NONE))
		return -EBUSY;
	group_move_queue(q, g ? g : &dev->own);
	return 0;
}
