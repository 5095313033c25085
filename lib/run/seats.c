/* SPDX-License-Identifier: MIT */
/*
 * Which groups a worker serves: each has a seat.  The list of seats is the worker's thread's, which
 * changes it under the lock; others put new ones beside it, mark some as to be left, and wake the
 * thread.  Any thread, except where it says otherwise.
 */
#include "run/seats.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "run/worker.h"

/* Its lock is held, so no seat's group goes meanwhile. */
void worker_wake(struct vu_worker *w)
{
	static const uint64_t one = 1;

	atomic_store(&w->changed, true);
	for (struct seat *s = w->seats; s; s = s->next)
		vu_group_wake(s->group);
	/* Fails only when it is full: it is awake. */
	if (write(w->wake_fd, &one, sizeof(one)) < 0)
		return;
}

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
void worker_look(struct vu_worker *w)
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

void worker_leave_all(struct vu_worker *w)
{
	pthread_mutex_lock(&w->lock);
	worker_seat(w);
	worker_leave(w, true);
	pthread_mutex_unlock(&w->lock);
}
