/* SPDX-License-Identifier: MIT */
/* Fds and timers of the device's own, watched by a group.  Queue thread of the group. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/group.h"

struct vu_source {
	struct source source; /* first: events come with its address */
	struct vu_group *group;
	struct vu_source *next;
	vu_fd_fn fn;
	vu_poll_fn poll;
	void *opaque;
	int fd; /* -1: none, it is polled */
	bool is_timer;
	bool removed;
	bool lingers; /* it could not be unwatched: freed with the group */
};

static void source_fd_ready(struct source *source, uint32_t events)
{
	struct vu_source *s = (struct vu_source *)source;

	if (!s->removed)
		s->fn(s, s->fd, events, s->opaque);
}

static void source_timer_ready(struct source *source, uint32_t events)
{
	struct vu_source *s = (struct vu_source *)source;
	uint64_t expirations;

	(void)events;
	if (s->removed || read(s->fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	s->fn(s, -1, expirations > UINT32_MAX ? UINT32_MAX : (uint32_t)expirations, s->opaque);
}

static int source_add(struct vu_group *g, int fd, uint32_t events, bool is_timer, vu_fd_fn fn,
		      void *opaque, struct vu_source **out)
{
	struct vu_source *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->source.ready = is_timer ? source_timer_ready : source_fd_ready;
	s->group = g;
	s->fn = fn;
	s->opaque = opaque;
	s->fd = fd;
	s->is_timer = is_timer;
	err = group_watch(g, fd, &s->source, events);
	if (err) {
		free(s);
		return err;
	}
	s->next = g->sources;
	g->sources = s;
	*out = s;
	return 0;
}

int vu_group_add_fd(struct vu_group *g, int fd, uint32_t events, vu_fd_fn fn, void *opaque,
		    struct vu_source **source)
{
	return fn ? source_add(g, fd, events, false, fn, opaque, source) : -EINVAL;
}

int vu_group_add_poll(struct vu_group *g, vu_poll_fn fn, void *opaque, struct vu_source **source)
{
	struct vu_source *s;

	if (!fn)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->group = g;
	s->poll = fn;
	s->opaque = opaque;
	s->fd = -1;
	s->next = g->polls;
	g->polls = s;
	group_update_every_pass(g);
	*source = s;
	return 0;
}

bool group_poll_sources(struct vu_group *g)
{
	struct vu_source *next;
	bool any = false;

	for (struct vu_source *s = g->polls; s; s = next) {
		/* Removed ones are freed after the pass. */
		next = s->next;
		any |= !s->removed && s->poll(s->opaque) > 0;
	}
	return any;
}

int vu_group_add_timer(struct vu_group *g, vu_fd_fn fn, void *opaque, struct vu_source **source)
{
	int fd, err;

	if (!fn)
		return -EINVAL;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = source_add(g, fd, EPOLLIN, true, fn, opaque, source);
	if (err)
		close(fd);
	return err;
}

static struct timespec source_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
				 .tv_nsec = (long)(ns % 1000000000)};
}

int vu_source_set_timer(struct vu_source *s, uint64_t first, uint64_t period)
{
	struct itimerspec when = {.it_value = source_timespec(first),
				  .it_interval = source_timespec(period)};

	if (!s->is_timer)
		return -EINVAL;
	return timerfd_settime(s->fd, 0, &when, NULL) < 0 ? -errno : 0;
}

int vu_source_set_events(struct vu_source *s, uint32_t events)
{
	if (s->is_timer || s->fd < 0)
		return -EINVAL;
	return group_rewatch(s->group, s->fd, &s->source, events);
}

void vu_source_remove(struct vu_source *s)
{
	struct vu_source **link;

	if (!s || s->removed)
		return;
	if (s->fd >= 0)
		s->lingers = group_unwatch(s->group, s->fd) < 0;
	if (s->is_timer)
		close(s->fd);
	s->removed = true;
	link = s->poll ? &s->group->polls : &s->group->sources;
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	group_update_every_pass(s->group);
	/* An event already fetched in this pass may still name it. */
	s->next = s->group->removed;
	s->group->removed = s;
	if (group_is_inside(s->group))
		s->group->until_look = 1;
	else
		group_reap_sources(s->group);
}

void group_reap_sources(struct vu_group *g)
{
	struct vu_source **link = &g->removed, *s;

	while ((s = *link)) {
		if (s->lingers) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		free(s);
	}
}

void group_free_sources(struct vu_group *g)
{
	while (g->sources)
		vu_source_remove(g->sources);
	while (g->polls)
		vu_source_remove(g->polls);
	for (struct vu_source *s = g->removed; s; s = s->next)
		s->lingers = false;
	group_reap_sources(g);
}
