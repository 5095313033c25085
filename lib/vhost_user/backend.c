/* SPDX-License-Identifier: MIT */
/* The back-end channel (vhost-user "Back-end communication").  Device thread. */
#include "vhost_user/backend.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

enum { REPLIES_PER_PASS = 64 };

int backend_open(struct session *s, int fd)
{
	struct wire_conn *conn;
	int err = wire_conn_new(fd, &s->dev->closer, &conn);

	if (err) {
		closer_close(&s->dev->closer, fd);
		return err;
	}
	backend_close(s);
	err = group_watch(&s->dev->own, fd, &s->dev->backend, EPOLLIN);
	if (err) {
		wire_conn_free(conn);
		return err;
	}
	s->backend = conn;
	/* A change of the configuration may wait for a channel. */
	device_wake(s->dev);
	return 0;
}

void backend_close(struct session *s)
{
	if (!s->backend)
		return;
	group_unwatch(&s->dev->own, wire_conn_fd(s->backend));
	wire_conn_free(s->backend);
	s->backend = NULL;
}

static void backend_lost(struct session *s, const char *why)
{
	log_peer_warn(&s->dev->log, "the back-end channel %s; no more requests to the front-end",
		      why);
	backend_close(s);
}

/* An ordinary end: front-ends close the channel first, and then the session. */
static void backend_closed(struct session *s)
{
	log_peer_info(&s->dev->log, "the back-end channel was closed");
	backend_close(s);
}

static void backend_watch(struct session *s)
{
	int err = group_rewatch(&s->dev->own, wire_conn_fd(s->backend), &s->dev->backend,
				EPOLLIN | (wire_conn_is_sending(s->backend) ? EPOLLOUT : 0));

	if (err)
		backend_lost(s, "cannot be watched");
}

static void backend_send(struct session *s, uint32_t request, uint32_t flags, const void *payload,
			 uint32_t size)
{
	const struct wire_header hdr = {request, WIRE_VERSION | flags, size};
	int err = wire_conn_send(s->backend, &hdr, payload, NULL, 0);

	log_debug(&s->dev->log, "to the front-end: %s", message_find_backend(request)->name);
	if (err == -ENOBUFS)
		backend_lost(s, "is not read by the front-end and full");
	else if (err < 0)
		backend_closed(s);
	else
		backend_watch(s);
}

/* Replies to in-band notifications: that they came is all there is to know. */
void backend_ready(struct source *source, uint32_t events)
{
	struct vu_device *dev =
		(struct vu_device *)(void *)((char *)source - offsetof(struct vu_device, backend));
	struct session *s = dev->session;
	struct wire_msg *msg;
	const char *why = NULL;
	int n = 0;

	if (!s || !s->backend)
		return;
	if (events & EPOLLOUT) {
		n = wire_conn_flush(s->backend);
		device_wake(dev); /* for backend_send_pending() */
	}
	for (int i = 0; i < REPLIES_PER_PASS && n >= 0; i++) {
		n = wire_conn_recv(s->backend, &msg, &why);
		if (n <= 0)
			break;
		wire_msg_close_fds(msg);
	}
	if (n == -ECONNRESET || n == -EPIPE)
		backend_closed(s);
	else if (n < 0)
		backend_lost(s, why ? why : strerror(-n));
	else
		backend_watch(s);
}

static void backend_send_inband(struct session *s)
{
	struct vu_device *dev = s->dev;

	for (uint32_t i = 0; i < dev->info.n_queues && s->backend; i++) {
		struct vu_queue *q = &dev->queues[i];
		const struct wire_vring_state state = {.index = i};

		/* vhost-user "In-band notifications": the front-end is to tell when it has
		 * processed them. */
		if (atomic_exchange(&q->call_inband, false))
			backend_send(s, WIRE_BACKEND_VRING_CALL, WIRE_NEED_REPLY, &state,
				     sizeof(state));
		if (s->backend && atomic_exchange(&q->err_inband, false))
			backend_send(s, WIRE_BACKEND_VRING_ERR, WIRE_NEED_REPLY, &state,
				     sizeof(state));
	}
}

void backend_send_pending(struct vu_device *dev)
{
	struct session *s = dev->session;

	/* vhost-user "Suspended device state": nothing is sent; a change is told at the start. */
	if (!s || !s->backend || dev->suspended)
		return;
	/* One that is not read gets no more: what is asked for meanwhile is remembered, once. */
	if (wire_conn_is_sending(s->backend))
		return;
	if (atomic_exchange(&dev->call_inband, false))
		backend_send_inband(s);
	if (s->backend && session_has(s, WIRE_PF_CONFIG) &&
	    atomic_exchange(&dev->config.changed, false))
		backend_send(s, WIRE_BACKEND_CONFIG_CHANGE_MSG, 0, NULL, 0);
}
