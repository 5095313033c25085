/* SPDX-License-Identifier: MIT */
/*
 * The life of a session: attach, messages, waiting, end.  Device thread.
 */
#include "vhost_user/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_user/backend.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "core/patience.h"
#include "mem/table.h"

enum { MESSAGES_PER_PASS = 64 };
enum { MAX_OPEN_FDS = 16 };

struct log *session_log(struct session *s)
{
	return &s->dev->log;
}

bool session_has(const struct session *s, unsigned int protocol_feature)
{
	return s->protocol >> protocol_feature & 1;
}

bool session_has_protocol_features(const struct session *s)
{
	/* vhost-user GET_PROTOCOL_FEATURES: does not wait for SET_FEATURES. */
	return s->dev->offered >> VU_F_PROTOCOL_FEATURES & 1;
}

bool session_has_access_platform(const struct session *s)
{
	return s->features >> VU_F_ACCESS_PLATFORM & 1;
}

int session_reply(struct session *s, const struct wire_msg *msg, const void *payload, uint32_t size,
		  const int *fds, unsigned int n_fds)
{
	const struct wire_header hdr = {
		.request = msg->hdr.request,
		.flags = WIRE_VERSION | WIRE_REPLY,
		.size = size,
	};

	int err = wire_conn_send(s->conn, &hdr, payload, fds, n_fds);

	if (err < 0 && err != -EPIPE && err != -ECONNRESET)
		log_peer_error(&s->dev->log, "the reply to %s cannot be sent: %s",
			       message_find(hdr.request)->name, strerror(-err));
	return err;
}

int session_reply_u64(struct session *s, const struct wire_msg *msg, uint64_t value)
{
	log_debug(session_log(s), "reply %#llx", (unsigned long long)value);
	return session_reply(s, msg, &value, sizeof(value), NULL, 0);
}

/* Watch the socket for what we can do something about now. */
static void session_watch(struct session *s)
{
	uint32_t events = EPOLLRDHUP;
	int err;

	if (wire_conn_is_sending(s->conn))
		events |= EPOLLOUT;
	else if (!s->resume && !s->closing)
		events |= EPOLLIN;
	if (events == s->events)
		return;
	s->events = events;
	err = group_rewatch(&s->dev->own, wire_conn_fd(s->conn), &s->dev->socket, events);
	if (!err)
		return;
	/* Unwatched it would wait for ever. */
	log_peer_error(&s->dev->log, "the front-end's socket cannot be watched: %s",
		       strerror(-err));
	s->dead = true;
	device_wake(s->dev);
}

int session_wait(struct session *s, struct wire_msg *msg, session_resume_fn *resume)
{
	/* It is being ended: nothing more is done, and nobody is answered. */
	if (s->dead)
		return -EPROTO;
	if (!s->dev->waiting)
		return resume(s, msg);
	s->resume = resume;
	s->msg = msg;
	patience_stops(s->dev, true);
	return MESSAGE_LATER;
}

/* The front-end is gone, or has to go. */
static void session_end(struct session *s)
{
	struct vu_device *dev = s->dev;

	log_peer_info(&dev->log, "disconnected");
	log_tell_left_out(&dev->log);
	group_unwatch(&dev->own, wire_conn_fd(s->conn));
	backend_close(s);
	wire_conn_free(s->conn);
	s->conn = NULL;
	s->resume = NULL;
	dev->session = NULL;
	dev->ending = s;
	dev->n_started = 0;
	patience_silence(dev, false);
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		queue_give(&dev->queues[i], QUEUE_ABANDON);
	session_finish_ending(dev);
}

/* Once every queue let go: free what they might have been looking at. */
void session_finish_ending(struct vu_device *dev)
{
	struct session *s = dev->ending;

	if (!s || dev->waiting)
		return;
	patience_stops(dev, false);
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		queue_forget(&dev->queues[i]);
	if (!dev->suspended) {
		dev->suspended = true;
		if (dev->ops.stopped)
			dev->ops.stopped(dev, dev->opaque);
	}
	atomic_store(&dev->features, 0);
	table_unref(s->table);
	region_unref(s->inflight);
	free(s);
	dev->ending = NULL;
	dev->ended = true;
	if (dev->ops.session_end)
		dev->ops.session_end(dev, dev->opaque);
}

/* After a resume function: as message_dispatch() does it. */
static int session_resume(struct session *s)
{
	session_resume_fn *resume = s->resume;
	struct wire_msg *msg = s->msg;
	int rc;

	s->resume = NULL;
	patience_stops(s->dev, false);
	rc = message_finish(s, msg, resume(s, msg));
	return rc;
}

/* Read and handle messages until there are none, or one has to wait. */
static int session_read(struct session *s)
{
	for (int i = 0; i < MESSAGES_PER_PASS; i++) {
		const char *why = NULL;
		struct wire_msg *msg;
		int n;

		if (s->resume || wire_conn_is_sending(s->conn) || s->dead || s->closing)
			return 0;
		n = wire_conn_recv(s->conn, &msg, &why);
		if (n >= 0) {
			s->heard |= n > 0;
			patience_silence(s->dev, !s->heard || wire_conn_is_partial(s->conn));
		}
		if (n == 0)
			return 0;
		if (n < 0) {
			if (why)
				log_peer_error(&s->dev->log, "the front-end's message %s", why);
			else if (n != -ECONNRESET)
				log_peer_error(&s->dev->log, "the front-end's socket: %s",
					       strerror(-n));
			return n;
		}
		n = message_dispatch(s, msg);
		if (n < 0)
			return n;
	}
	return 0;
}

static void session_ready(struct source *source, uint32_t events)
{
	struct vu_device *dev =
		(struct vu_device *)(void *)((char *)source - offsetof(struct vu_device, socket));
	struct session *s = dev->session;
	int err = 0;

	if (!s)
		return;
	if (events & EPOLLOUT)
		err = wire_conn_flush(s->conn);
	if (err >= 0 && (events & EPOLLIN))
		err = session_read(s);
	else if (err >= 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		err = -ECONNRESET; /* while a message waits: nothing is left to wait for */
	if (err < 0)
		session_end(s);
	else
		session_watch(s);
}

/* Stop what is started, as GET_VRING_BASE would.  False if nothing is. */
static bool session_stop_rings(struct session *s)
{
	struct vu_device *dev = s->dev;
	bool any = false;

	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];

		if (!q->want.started)
			continue;
		any = true;
		q->want.started = false;
		queue_give(q, QUEUE_STOP);
	}
	dev->n_started = 0;
	if (any)
		patience_stops(dev, true);
	return any;
}

void session_continue(struct vu_device *dev)
{
	struct session *s;
	int err = 0;

	session_finish_ending(dev);
	s = dev->session;
	if (!s)
		return;
	if (atomic_exchange(&dev->faulted, false)) {
		log_peer_error(&dev->log, "the front-end truncated guest memory that was in use");
		s->dead = true;
	}
	if (atomic_exchange(&dev->would_block, false)) {
		log_peer_error(
			&dev->log,
			"the front-end made a call descriptor one that blocks; without Linux "
			"AIO here (io_setup, fs.aio-max-nr) it cannot be signalled safely");
		s->dead = true;
	}
	if (s->resume && !s->dead && !dev->waiting)
		err = session_resume(s);
	if (s->closing && !s->dead && !dev->waiting && !session_stop_rings(s))
		s->dead = true;
	if (err < 0 || s->dead) {
		session_end(s);
		return;
	}
	session_watch(s);
}

void session_silent(struct vu_device *dev)
{
	struct session *s = dev->session;

	if (!s)
		return;
	log_peer_error(&dev->log,
		       s->heard ? "the front-end's message is not whole after %.3g s: disconnecting"
				: "the front-end sends no whole message for %.3g s: disconnecting",
		       (double)dev->message_timeout_ns / 1e9);
	s->dead = true;
	device_wake(dev);
}

void session_setup(struct vu_device *dev)
{
	dev->socket.ready = session_ready;
	dev->backend.ready = backend_ready;
	patience_init(&dev->patience);
	closer_init(&dev->closer);
}

/* A connected AF_UNIX stream socket, or -errno. */
static int session_check_fd(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(int);
	int value;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) < 0)
		return -errno;
	if (value != SOCK_STREAM)
		return -EINVAL;
	len = sizeof(value);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) < 0 || value)
		return -EINVAL;
	len = sizeof(addr);
	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	return addr.ss_family == AF_UNIX ? 0 : -EINVAL;
}

static int session_begin(struct vu_device *dev)
{
	bool inside;
	int err;

	if (!dev->ops.session_begin)
		return 0;
	inside = device_enter(dev);
	dev->no_attach = true;
	err = dev->ops.session_begin(dev, dev->opaque);
	dev->no_attach = false;
	device_leave(dev, inside);
	return err;
}

int vu_device_attach(struct vu_device *dev, int fd)
{
	struct session *s;
	int err;

	if (dev->session || dev->ending || dev->no_attach)
		return -EBUSY;
	err = session_check_fd(fd);
	if (err)
		return err;
	if (closer_open_ones(&dev->closer) >= MAX_OPEN_FDS) {
		log_peer_error(
			&dev->log,
			"%u descriptors came that may block who closes them (FUSE, a network "
			"file system, network sockets) and are open still: no front-end is taken "
			"until they are closed; if nobody can (no io_uring here), until this "
			"process is started anew",
			closer_open_ones(&dev->closer));
		return -EPERM;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->dev = dev;
	err = wire_conn_new(fd, &dev->closer, &s->conn);
	if (err)
		goto fail;
	s->events = EPOLLIN | EPOLLRDHUP;
	if (dev->info.flags & VU_DEVICE_ANY_MEMORY)
		wire_conn_allow_files(s->conn);
	err = group_watch(&dev->own, fd, &dev->socket, s->events);
	if (err)
		goto fail_conn;
	/* Last, so that nothing fails after it: to each session_begin belongs a session_end. */
	err = session_begin(dev);
	if (err)
		goto fail_watch;
	dev->session = s;
	patience_silence(dev, true);
	dev->ended = false;
	atomic_store(&dev->faulted, false);
	atomic_store(&dev->would_block, false);
	log_peer_info(&dev->log, "connected");
	return 0;
fail_watch:
	group_unwatch(&dev->own, fd);
fail_conn:
	wire_conn_release(s->conn);
fail:
	free(s);
	return err;
}

void vu_device_detach(struct vu_device *dev)
{
	if (!dev->session)
		return;
	/* From a callback, a message may be half handled: end after it. */
	if (dev->own.in_process) {
		dev->session->dead = true;
	} else {
		device_enter(dev);
		session_end(dev->session);
		device_leave(dev, false);
	}
	/* The next pass ends it, or tells of its end. */
	device_wake(dev);
}

void vu_device_drain(struct vu_device *dev)
{
	if (!dev->session)
		return;
	dev->session->closing = true;
	/* The next pass does the rest. */
	device_wake(dev);
}

int vu_device_is_attached(const struct vu_device *dev)
{
	return dev->session || dev->ending;
}
