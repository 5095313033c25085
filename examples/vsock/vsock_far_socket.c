/* SPDX-License-Identifier: MIT */
/*
 * A socket of the host's as the far end: its events, and what becomes of the guest's end.
 *
 * Sockets are watched edge-triggered, so one that nobody serves for a while costs nothing.  Each
 * time a program reads there is room again: who does not wait for that is not told of it.
 */
#include "vsock_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SOCKET_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET };

/* --- the guest's side changes --- */

static void socket_accepted(struct conn *c)
{
	char line[24];

	if (c->hybrid) {
		int len = snprintf(line, sizeof(line), "OK %u\n", c->tuple.peer_port);

		if (send(c->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len) {
			conn_reset(c, NULL);
			return;
		}
	}
	c->readable = c->writable = true;
	conn_wake(c);
}

static void socket_guest_shut(struct conn *c)
{
	if (c->guest_shut == VSOCK_SHUTDOWN_BOTH) {
		/* It waits for this, so that its ports can be used again (§5.10.6.6). */
		if (held_can_go(&c->out))
			far_socket_flush(c);
		else
			shutdown(c->fd, SHUT_WR);
		conn_owe(c, OWE_RST);
		return;
	}
	if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		shutdown(c->fd, SHUT_RD);
	far_socket_finish(c);
	conn_wake(c);
}

static bool socket_drop(struct conn *c, bool finish)
{
	if (c->guest->gather.conn == c)
		far_socket_settle(c->guest); /* what comes of it matters no more */
	if (finish && c->fd >= 0 && held_can_go(&c->out) &&
	    !(c->far_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		return true;
	vu_source_remove(c->source);
	if (c->fd >= 0)
		close(c->fd);
	free(c->address);
	c->source = NULL;
	c->address = NULL;
	c->fd = -1;
	return false;
}

static void socket_learned(struct conn *c, uint16_t op)
{
	(void)op;
	/* Its buffer may have become a smaller one. */
	if (c->state == CONN_OPEN && credit_is_due(&c->credit))
		conn_owe(c, OWE_UPDATE);
}

/* --- events --- */

void far_socket_watch_room(struct conn *c, bool on)
{
	if (c->watches_room == on)
		return;
	c->watches_room = on;
	vu_source_set_events(c->source, on ? SOCKET_EVENTS | EPOLLOUT : SOCKET_EVENTS);
}

static void socket_look(struct conn *c, uint32_t events)
{
	bool gone = events & (EPOLLHUP | EPOLLERR);

	if (c->writable && !c->out.len)
		far_socket_watch_room(c, false);

	if (events & (EPOLLIN | EPOLLRDHUP) || gone)
		c->readable = true;
	if (gone &&
	    (c->far_shut & VIRTIO_VSOCK_SHUTDOWN_SEND || c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		c->far_shut = VSOCK_SHUTDOWN_BOTH;
	if (events & EPOLLOUT || gone)
		c->writable = true;
	if ((events & EPOLLOUT || gone) && !far_socket_flush(c))
		return;
	conn_wake(c);
}

static void socket_on_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct conn *c = opaque;
	struct guest *g = c->guest;
	bool gone = events & (EPOLLHUP | EPOLLERR);

	(void)source;
	(void)fd;
	/* Told once, perhaps before it is open.  One that could not begin to connect is no news. */
	c->hung_up |= gone && !c->address;
	c->ending |= (gone && !c->address) || events & EPOLLRDHUP;
	if (c->state == CONN_GREETING)
		far_socket_hear(c);
	else if (c->state == CONN_CONNECTING && (events & EPOLLOUT || gone))
		far_socket_look(c);
	else if (c->state == CONN_ASKING && gone)
		conn_reset(c, NULL);
	else if (c->state == CONN_OPEN || c->state == CONN_DRAINING)
		socket_look(c, events);
	vsock_pump(g->vsock, g);
}

/*
 * All that the guest may send is to have room in a Unix socket: a message that has not is refused,
 * and a stream waits for its reader.  TCP sees to its own room, if it is left to.
 */
static void socket_make_room(const struct conn *c)
{
	int size = (int)c->guest->buffer, domain = AF_UNSPEC;
	socklen_t len = sizeof(domain);

	if (!getsockopt(c->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_UNIX)
		setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int far_socket_watch(struct conn *c)
{
	socket_make_room(c);
	c->watches_room = true; /* and that it is connected */
	return vu_group_add_fd(vu_device_group(c->guest->dev), c->fd, SOCKET_EVENTS | EPOLLOUT,
			       socket_on_event, c, &c->source);
}

const struct far far_socket = {
	.take = far_socket_take,
	.has_data = far_socket_has_data,
	.fill = far_socket_fill,
	.accepted = socket_accepted,
	.guest_shut = socket_guest_shut,
	.drop = socket_drop,
	.learned = socket_learned,
	.tick = far_socket_tick,
};
