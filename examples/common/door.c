/* SPDX-License-Identifier: MIT */
/* See door.h. */
#include "door.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static const uint64_t pause_ns = 100 * 1000000;

static void door_on_client(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	const struct door *d = opaque;

	(void)source;
	(void)fd;
	(void)events;
	d->knocked(d->opaque);
}

/* Whoever waits knocks again, also on an edge. */
static void door_go_on(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	struct door *d = opaque;

	(void)source;
	(void)fd;
	(void)expirations;
	vu_source_set_events(d->source, d->events);
}

int door_open(struct door *d, struct vu_device *dev, struct vu_group *group, int fd, bool edge,
	      void (*knocked)(void *opaque), void *opaque)
{
	int ret;

	*d = (struct door){.fd = fd,
			   .dev = dev,
			   .knocked = knocked,
			   .opaque = opaque,
			   .events = EPOLLIN | (edge ? EPOLLET : 0)};
	ret = vu_group_add_timer(group, door_go_on, d, &d->pause);
	if (!ret)
		ret = vu_group_add_fd(group, fd, d->events, door_on_client, d, &d->source);
	if (ret)
		door_close(d);
	return ret;
}

static bool door_is_short(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

int door_accept(struct door *d)
{
	int client = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client >= 0) {
		d->said = false;
		return client;
	}
	if (door_is_short(errno)) {
		if (!d->said)
			vu_device_log_peerf(d->dev, VU_LOG_WARNING, "a client waits: %s",
					    strerror(errno));
		d->said = true;
		vu_source_set_events(d->source, 0);
		vu_source_set_timer(d->pause, pause_ns, 0);
	}
	return -EAGAIN;
}

void door_close(struct door *d)
{
	vu_source_remove(d->source);
	vu_source_remove(d->pause);
	d->source = d->pause = NULL;
}
