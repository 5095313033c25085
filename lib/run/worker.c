/* SPDX-License-Identifier: MIT */
/*
 * A worker: a thread that serves groups by the loop that group.h describes, with adaptive polling.
 *
 * Each group has a seat.  The list of seats is the thread's, which changes it under the lock;
 * others put new ones beside it, mark some as to be left, and wake the thread.  A worker without a
 * thread is its caller's alone.  It is counted: whoever made it has a reference, its thread the
 * other.
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
#include "run/thread.h"

enum { WINDOW_FLOOR = 4000 }; /* ns; below, a look at the clock costs more than it saves */

struct seat {
	struct seat *next;
	uint64_t number;	/* no other seat of the worker ever has it */
	struct vu_group *group; /* held */
	bool leaves;		/* to be served no more */
	bool is_watched;	/* thread: in the epoll set with events */
};

struct vu_worker {
	struct vu_worker_info info;
	char name[16];
	pthread_t thread;
	_Atomic(pthread_t) self; /* the same, once it runs */
	bool running;		 /* there is a thread to be joined */
	atomic_uint refs;
	atomic_bool stop;
	atomic_bool changed; /* the seats are to be looked at */
	int epoll_fd;
	int wake_fd;

	pthread_mutex_t lock; /* of the seats; no callback runs under it */
	pthread_cond_t left;  /* a seat was left */
	struct seat *seats;   /* read by its thread without it */
	struct seat *new_seats;
	uint64_t last_number;

	/* Its thread. */
	bool is_freed;	      /* in a callback of its own */
	struct seat *serving; /* its group is in a pass */
	uint64_t window;
};

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

/* Its lock is held, so no seat's group goes meanwhile. */
static void worker_wake(struct vu_worker *w)
{
	static const uint64_t one = 1;

	atomic_store(&w->changed, true);
	for (struct seat *s = w->seats; s; s = s->next)
		vu_group_wake(s->group);
	/* Fails only when it is full: it is awake. */
	if (write(w->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* --- seats --- */

static int seat_watch(const struct vu_worker *w, struct seat *s, int op, bool on)
{
	struct epoll_event ev = {.events = on ? EPOLLIN : 0, .data.ptr = s};

	s->is_watched = on;
	return epoll_ctl(w->epoll_fd, op, vu_group_fd(s->group), &ev) < 0 ? -errno : 0;
}

/* The thread, or nobody else uses the worker; the lock is held, but not all the time. */
static void seat_leave(struct vu_worker *w, struct seat **link)
{
	struct seat *s = *link;

	*link = s->next;
	epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, vu_group_fd(s->group), NULL);
	/* It may go, with a device's thread that has to do with that: not under the lock. */
	pthread_mutex_unlock(&w->lock);
	vu_group_release(s->group);
	free(s);
	pthread_mutex_lock(&w->lock);
	pthread_cond_broadcast(&w->left);
}

/* Those that are to be left, or all. */
static void worker_leave(struct vu_worker *w, bool all)
{
	struct seat **link = &w->seats;

	while (*link) {
		if (all || (*link)->leaves) {
			seat_leave(w, link);
			/* Others may have left meanwhile, by a callback. */
			link = &w->seats;
		} else {
			link = &(*link)->next;
		}
	}
}

/* New ones take part. */
static void worker_seat(struct vu_worker *w)
{
	struct seat *s;

	while ((s = w->new_seats)) {
		w->new_seats = s->next;
		s->next = w->seats;
		w->seats = s;
	}
}

/* Thread, or in its place: others have seats for it, or want some left. */
static void worker_look(struct vu_worker *w)
{
	bool several;

	if (!atomic_exchange(&w->changed, false))
		return;
	pthread_mutex_lock(&w->lock);
	worker_seat(w);
	worker_leave(w, false);
	several = w->seats && w->seats->next;
	for (struct seat *s = w->seats; s; s = s->next)
		if (s->is_watched != several)
			seat_watch(w, s, EPOLL_CTL_MOD, several);
	pthread_mutex_unlock(&w->lock);
}

static struct seat **worker_find_in(struct seat **link, const struct vu_group *g)
{
	while (*link && ((*link)->group != g || (*link)->leaves))
		link = &(*link)->next;
	return link;
}

/* Where it is; or where nothing is. */
static struct seat **worker_find(struct vu_worker *w, const struct vu_group *g)
{
	struct seat **link = worker_find_in(&w->seats, g);

	return *link ? link : worker_find_in(&w->new_seats, g);
}

static bool worker_has_number(const struct vu_worker *w, uint64_t number)
{
	for (const struct seat *s = w->seats; s; s = s->next)
		if (s->number == number)
			return true;
	for (const struct seat *s = w->new_seats; s; s = s->next)
		if (s->number == number)
			return true;
	return false;
}

bool worker_has(struct vu_worker *w, const struct vu_group *g)
{
	bool has;

	pthread_mutex_lock(&w->lock);
	has = *worker_find(w, g);
	pthread_mutex_unlock(&w->lock);
	return has;
}

int vu_worker_add_group(struct vu_worker *w, struct vu_group *g)
{
	struct seat *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	ret = vu_group_hold(g);
	if (ret)
		goto err_free;
	s->group = g;
	/* Without events: with one group nobody waits for this set. */
	ret = seat_watch(w, s, EPOLL_CTL_ADD, false);
	if (ret)
		goto err_release;
	pthread_mutex_lock(&w->lock);
	s->number = ++w->last_number;
	s->next = w->new_seats;
	w->new_seats = s;
	worker_wake(w);
	pthread_mutex_unlock(&w->lock);
	return 0;

err_release:
	vu_group_release(g);
err_free:
	free(s);
	return ret;
}

int vu_worker_remove_group(struct vu_worker *w, struct vu_group *g)
{
	struct seat **link;
	int ret = 0;

	pthread_mutex_lock(&w->lock);
	link = worker_find(w, g);
	if (!*link) {
		ret = -ENOENT;
	} else if (worker_is_here(w) && *link == w->serving) {
		ret = -EDEADLK;
	} else if (!w->running || worker_is_here(w)) {
		seat_leave(w, link);
		atomic_store(&w->changed, true);
	} else {
		uint64_t number = (*link)->number;

		(*link)->leaves = true;
		worker_wake(w);
		while (worker_has_number(w, number))
			pthread_cond_wait(&w->left, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return ret;
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

static void worker_leave_all(struct vu_worker *w)
{
	pthread_mutex_lock(&w->lock);
	worker_seat(w);
	worker_leave(w, true);
	pthread_mutex_unlock(&w->lock);
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
