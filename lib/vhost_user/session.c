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

#include "base/probe.h"
#include "core/control.h"
#include "core/device.h"
#include "core/patience.h"
#include "vhost_user/class_ops.h"
#include "vhost_user/messages.h"
#include "vhost_user/on_iotlb.h"

enum { MESSAGES_PER_PASS = 64 };
enum { MAX_OPEN_FDS = 16 };

#define BIT(n) (UINT64_C(1) << (n))

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
	return s->dev->acked >> VU_F_ACCESS_PLATFORM & 1;
}

bool session_has_gpu(const struct session *s)
{
	return s->dev->class.gpu.size;
}

uint32_t session_awaited(const struct session *s)
{
	return s->postcopy.awaited;
}

bool session_is_awaited(const struct session *s, const struct wire_msg *msg)
{
	return postcopy_is_ack(&s->postcopy, msg);
}

uint64_t session_offered_protocol(const struct session *s)
{
	const struct vu_device *dev = s->dev;
	uint64_t bits = BIT(WIRE_PF_MQ) | BIT(WIRE_PF_REPLY_ACK) | BIT(WIRE_PF_BACKEND_REQ) |
			BIT(WIRE_PF_RESET_DEVICE) | BIT(WIRE_PF_CONFIGURE_MEM_SLOTS) |
			BIT(WIRE_PF_STATUS) | BIT(WIRE_PF_INFLIGHT_SHMFD) |
			BIT(WIRE_PF_GET_VRING_BASE_INFLIGHT) | BIT(WIRE_PF_GPA_ADDRESSES);

	if (dev->offered & BIT(VU_F_LOG_ALL))
		bits |= BIT(WIRE_PF_LOG_SHMFD);
	if (dev->info.config_size || dev->ops.config_read)
		bits |= BIT(WIRE_PF_CONFIG);
	if (dev->info.flags & VU_DEVICE_INBAND)
		bits |= BIT(WIRE_PF_INBAND_NOTIFICATIONS);
	if (dev->host_notifiers)
		bits |= BIT(WIRE_PF_HOST_NOTIFIER) | BIT(WIRE_PF_BACKEND_SEND_FD);
	if (dev->postcopy)
		bits |= BIT(WIRE_PF_PAGEFAULT);
	if (dev->shmem)
		bits |= BIT(WIRE_PF_SHMEM_MAP) | BIT(WIRE_PF_BACKEND_SEND_FD);
	return bits | class_ops_protocol(dev);
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
	else if (!s->wait.msg && !s->dev->running.closing)
		events |= EPOLLIN;
	if (events == s->events)
		return;
	s->events = events;
	err = vu_source_set_events(s->socket, events);
	if (!err)
		return;
	/* Unwatched it would wait for ever. */
	log_peer_error(&s->dev->log, "the front-end's socket cannot be watched: %s",
		       strerror(-err));
	running_doom(s->dev, err);
}

/* The front-end is gone, or sent what cannot be. */
static void session_fail(struct session *s, int err)
{
	control_end(s->dev, err == -ECONNRESET || err == -EPIPE ? 0 : err);
}

/* The verb is done: what the message's handler would have returned. */
static int session_result(struct session *s, struct wire_msg *msg, session_resume_fn *resume)
{
	return resume ? resume(s, msg) : s->wait.waiter.result;
}

int session_wait(struct session *s, struct wire_msg *msg, int rc, session_resume_fn *resume)
{
	if (rc < 0)
		return rc;
	if (rc == VERB_DONE)
		return session_result(s, msg, resume);
	s->wait.msg = msg;
	s->wait.resume = resume;
	return MESSAGE_LATER;
}

int session_answer(struct session *s, struct wire_msg *msg, struct vu_answer *answer, int64_t said,
		   session_resume_fn *resume)
{
	int rc = answer_wait(answer, said, &s->wait.waiter, &s->wait.answer);

	return session_wait(s, msg, rc, resume);
}

int session_said(const struct session *s)
{
	int64_t said = s->wait.answer;

	if (said >= 0)
		return 0;
	/* Which would end the session: that is not for the device to say. */
	return said == -EPROTO || said < -4095 ? -EIO : (int)said;
}

int session_refuse(struct session *s, const struct wire_msg *msg, int err)
{
	const char *name = message_find(msg->hdr.request)->name;

	log_peer_warn(&s->dev->log, "the device refused %s: %s", name, strerror(-err));
	return msg->hdr.flags & WIRE_NEED_REPLY && session_has(s, WIRE_PF_REPLY_ACK) ? err
										     : MESSAGE_DONE;
}

int session_ack(struct session *s, struct wire_msg *msg)
{
	int said = session_said(s);

	return said ? session_refuse(s, msg, said) : MESSAGE_DONE;
}

/* As message_dispatch() does it after a handler. */
static void session_go_on(struct waiter *w)
{
	struct session *s =
		(struct session *)(void *)((char *)w - offsetof(struct session, wait.waiter));
	struct wire_msg *msg = s->wait.msg;
	int err;

	s->wait.msg = NULL;
	err = session_result(s, msg, s->wait.resume);
	if (err == MESSAGE_LATER)
		return;
	err = message_finish(s, msg, err);
	if (err < 0)
		session_fail(s, err);
}

/* Read and handle messages until there are none, or one has to wait. */
static int session_read(struct session *s)
{
	for (int i = 0; i < MESSAGES_PER_PASS; i++) {
		const char *why = NULL;
		struct wire_msg *msg;
		int n;

		if (s->wait.msg || wire_conn_is_sending(s->conn) || !control_is_open(s->dev))
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
		PROBE(message, s->dev->log.name, msg->hdr.request, msg->hdr.size, msg->n_fds);
		n = message_dispatch(s, msg);
		if (n < 0)
			return n;
	}
	return 0;
}

static void session_ready(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct session *s = opaque;
	int err = 0;

	(void)source;
	(void)fd;
	if (events & EPOLLOUT)
		err = wire_conn_flush(s->conn);
	if (err >= 0 && (events & EPOLLIN))
		err = session_read(s);
	else if (err >= 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		err = -ECONNRESET; /* while a message waits: nothing is left to wait for */
	if (err < 0)
		session_fail(s, err);
	else
		session_watch(s);
}

static struct session *session_of(struct transport *t)
{
	return (struct session *)(void *)((char *)t - offsetof(struct session, transport));
}

static void session_proceed(struct transport *t)
{
	session_watch(session_of(t));
}

static void session_tell(struct transport *t)
{
	channel_tell(session_of(t));
	iotlb_tell(session_of(t));
}

static void session_silent(struct transport *t)
{
	struct session *s = session_of(t);

	log_peer_error(&s->dev->log,
		       s->heard ? "the front-end's message is not whole after %.3g s: disconnecting"
				: "the front-end sends no whole message for %.3g s: disconnecting",
		       (double)s->dev->message_timeout_ns / 1e9);
	running_doom(s->dev, -ETIMEDOUT);
}

static void session_disconnect(struct transport *t)
{
	struct session *s = session_of(t);

	vu_source_remove(s->socket);
	device_state_end(s);
	channel_close(s);
	postcopy_fini(&s->postcopy);
	wire_conn_free(s->conn);
	s->conn = NULL;
}

static void session_release(struct transport *t)
{
	free(session_of(t));
}

static const struct transport_ops session_ops = {
	.proceed = session_proceed,
	.tell = session_tell,
	.silent = session_silent,
	.disconnect = session_disconnect,
	.release = session_release,
};

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

struct session *session_of_device(struct vu_device *dev)
{
	if (!running_has_session(dev) || dev->transport->ops != &session_ops)
		return NULL;
	return session_of(dev->transport);
}

/* Whoever closes them might be kept waiting. */
static int session_check_closer(struct vu_device *dev)
{
	if (closer_open_ones(&dev->closer) < MAX_OPEN_FDS)
		return 0;
	log_peer_error(&dev->log,
		       "%u descriptors came that may block who closes them (FUSE, a network "
		       "file system, network sockets) and are open still: no front-end is taken "
		       "until they are closed; if nobody can (no io_uring here), until this "
		       "process is started anew",
		       closer_open_ones(&dev->closer));
	return -EPERM;
}

int vu_device_attach(struct vu_device *dev, int fd)
{
	struct session *s;
	int err;

	if (vu_device_is_attached(dev) || dev->running.beginning)
		return -EBUSY;
	err = session_check_fd(fd);
	if (!err)
		err = session_check_closer(dev);
	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	postcopy_init(&s->postcopy);
	s->transport.ops = &session_ops;
	s->dev = dev;
	s->wait.waiter.done = session_go_on;
	err = wire_conn_new(fd, &dev->closer, &s->conn);
	if (err)
		goto fail;
	if (dev->info.flags & VU_DEVICE_ANY_MEMORY)
		wire_conn_allow_files(s->conn);
	s->events = EPOLLIN | EPOLLRDHUP;
	err = vu_group_add_fd(&dev->own, fd, s->events, session_ready, s, &s->socket);
	if (err)
		goto fail_conn;
	/* Last, so that nothing fails after it: to each session_begin belongs a session_end. */
	err = control_begin(dev, &s->transport);
	if (err)
		goto fail_watch;
	return 0;
fail_watch:
	vu_source_remove(s->socket);
fail_conn:
	wire_conn_release(s->conn);
fail:
	free(s);
	return err;
}
