/* SPDX-License-Identifier: MIT */
/*
 * A worker: a thread that serves groups by the loop that group.h describes, with adaptive polling.
 *
 * Which groups, seats.c knows.  A worker without a thread is its caller's alone.  It is counted:
 * whoever made it has a reference, its thread the other.
 *
 * With one group the thread sleeps in vu_group_wait(), with several in an epoll set of their
 * descriptors and the worker's own.
 *
 * Polling: as long as work comes in, a worker looks at its rings again and again, and asks for no
 * notification.  Without work for `window` ns it sleeps.  A wake that came within poll_ns of the
 * last work would have been found by polling, so the window doubles, up to poll_ns; one that took
 * longer would not, so the window is halved, down to none.
 */
#include "run/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/first_size.h"
#include "run/runner.h"
#include "run/seats.h"
#include "run/thread.h"

enum { WINDOW_FLOOR = 4000 }; /* ns; below, a look at the clock costs more than it saves */

uint64_t worker_adapt(uint64_t window, uint64_t max, uint64_t idle)
{
	if (idle > max)
		return window / 2 < WINDOW_FLOOR ? 0 : window / 2;
	if (window > max / 2)
		return max;
	window *= 2;
	if (window < WINDOW_FLOOR)
		window = WINDOW_FLOOR;
	return window > max ? max : window;
}

bool worker_is_here(const struct vu_worker *w)
{
	pthread_t self = atomic_load_explicit(&w->self, memory_order_relaxed);

	return self && pthread_equal(self, pthread_self());
}

static void worker_unref(struct vu_worker *w)
{
	if (atomic_fetch_sub(&w->refs, 1) != 1)
		return;
	close(w->wake_fd);
	close(w->epoll_fd);
	pthread_cond_destroy(&w->left);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* --- the loop --- */

/* A pass of each group: has one more to do? */
static bool worker_pass(struct vu_worker *w)
{
	bool more = false;
	struct seat *next;

	/* A callback has any seat left but the one it is in. */
	for (struct seat *s = w->seats; s; s = next) {
		int ret;

		w->serving = s;
		ret = vu_group_process(s->group, 0);
		w->serving = NULL;
		next = s->next;
		if (ret == -ESHUTDOWN) {
			/* Its maker has freed it. */
			s->leaves = true;
			atomic_store(&w->changed, true);
		}
		more |= ret > 0;
	}
	return more;
}

static uint64_t worker_activity(const struct vu_worker *w)
{
	uint64_t sum = 0;

	for (const struct seat *s = w->seats; s; s = s->next)
		sum += vu_group_activity(s->group);
	return sum;
}

static bool worker_arm(struct vu_worker *w)
{
	bool more = false;

	for (struct seat *s = w->seats; s; s = s->next)
		more |= vu_group_arm(s->group) != 0;
	return more;
}

static void worker_sleep(struct vu_worker *w)
{
	struct epoll_event events[16];
	uint64_t count;

	if (w->seats && !w->seats->next) {
		vu_group_wait(w->seats->group, -1);
		return;
	}
	/* Which ones are ready does not matter: each has a pass. */
	if (epoll_wait(w->epoll_fd, events, 16, -1) > 0 &&
	    read(w->wake_fd, &count, sizeof(count)) < 0)
		return;
}

static bool worker_goes_on(const struct vu_worker *w)
{
	return !atomic_load_explicit(&w->stop, memory_order_acquire);
}

/* Nothing is to do: true if it slept. */
static bool worker_rest(struct vu_worker *w)
{
	/* A wake that comes after these looks has worker_arm() or the sleep return. */
	if (!worker_goes_on(w) || atomic_load(&w->changed) || worker_arm(w))
		return false;
	worker_sleep(w);
	return true;
}

/* Without polling: no need to know the time. */
static void worker_serve(struct vu_worker *w)
{
	while (worker_goes_on(w)) {
		if (atomic_load_explicit(&w->changed, memory_order_relaxed))
			worker_look(w);
		if (!worker_pass(w))
			worker_rest(w);
	}
}

static void worker_serve_polling(struct vu_worker *w)
{
	uint64_t worked = loop_now(); /* when there was work last */
	uint64_t seen = 0, activity;

	while (worker_goes_on(w)) {
		bool more;
		uint64_t now;

		if (atomic_load_explicit(&w->changed, memory_order_relaxed))
			worker_look(w);
		more = worker_pass(w);
		now = loop_now();
		activity = worker_activity(w);
		if (more || activity != seen) {
			seen = activity;
			worked = now;
			continue;
		}
		if (now - worked < w->window) {
			thread_relax();
			continue;
		}
		if (worker_rest(w)) {
			now = loop_now();
			w->window = worker_adapt(w->window, w->info.poll_ns, now - worked);
		}
		worked = now;
	}
}

static void *worker_main(void *opaque)
{
	struct vu_worker *w = opaque;

	atomic_store_explicit(&w->self, pthread_self(), memory_order_relaxed);
	pthread_setname_np(pthread_self(), w->name);
	if (w->info.poll_ns)
		worker_serve_polling(w);
	else
		worker_serve(w);
	if (w->is_freed)
		worker_leave_all(w);
	worker_unref(w);
	return NULL;
}

/* --- its life --- */

int worker_make(const struct vu_runner_info *settings, const struct vu_worker_info *info,
		unsigned int number, struct vu_worker **out)
{
	struct vu_worker *w = calloc(1, sizeof(*w));
	struct epoll_event ev = {.events = EPOLLIN};
	int ret = 0;

	if (!w)
		return -ENOMEM;
	if (info)
		ret = runner_take(settings, &w->info, sizeof(w->info), info, FIRST_WORKER_INFO,
				  "struct vu_worker_info");
	if (ret) {
		free(w);
		return ret;
	}
	snprintf(w->name, sizeof(w->name), "vu-worker%u", number % 10000);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->left, NULL);
	atomic_store(&w->refs, 1);
	if (w->epoll_fd < 0 || w->wake_fd < 0 ||
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &ev) < 0) {
		ret = -errno;
		worker_unref(w);
		return ret;
	}
	*out = w;
	return 0;
}

int worker_start(struct vu_worker *w)
{
	int ret;

	if (w->running)
		return 0;
	atomic_store(&w->stop, false);
	atomic_store(&w->changed, true);
	atomic_fetch_add(&w->refs, 1);
	w->running = true;
	ret = thread_create(&w->thread, &w->info, worker_main, w);
	if (ret) {
		w->running = false;
		atomic_fetch_sub(&w->refs, 1);
	}
	return ret;
}

static void *worker_try(void *opaque)
{
	return opaque;
}

int worker_probe(struct vu_worker *w)
{
	pthread_t thread;
	int ret = w->info.pin ? thread_create(&thread, &w->info, worker_try, NULL) : 0;

	if (!ret && w->info.pin)
		pthread_join(thread, NULL);
	return ret;
}

void worker_tell(struct vu_worker *w)
{
	if (!w->running)
		return;
	atomic_store_explicit(&w->stop, true, memory_order_release);
	pthread_mutex_lock(&w->lock);
	worker_wake(w);
	pthread_mutex_unlock(&w->lock);
}

void worker_join(struct vu_worker *w)
{
	if (w->running)
		pthread_join(w->thread, NULL);
	w->running = false;
	atomic_store(&w->self, 0);
}

void worker_stand_in(struct vu_worker *w)
{
	if (w->running)
		return;
	worker_look(w);
	worker_pass(w);
	worker_look(w);
}

int vu_worker_new(const struct vu_worker_info *info, struct vu_worker **out)
{
	struct vu_worker *w;
	int ret = worker_make(NULL, info, 0, &w);

	if (ret)
		return ret;
	ret = worker_start(w);
	if (ret)
		worker_unref(w);
	else
		*out = w;
	return ret;
}

void vu_worker_free(struct vu_worker *w)
{
	if (!w)
		return;
	worker_tell(w);
	if (worker_is_here(w)) {
		w->is_freed = true;
		pthread_detach(pthread_self());
	} else {
		worker_join(w);
		worker_leave_all(w);
	}
	worker_unref(w);
}
