/* SPDX-License-Identifier: MIT */
/*
 * A socket of the host's as the far end.
 *
 * Bytes go between the guest's buffers and the socket directly.  What the socket does not take at
 * once is held (c->out), up to what the guest was given credit for; what the guest has no room for
 * stays in the socket, so that its peer is slowed down.  Sockets are watched edge-triggered, so one
 * that nobody serves for a while costs nothing.
 */
#include "vsock_far_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	SOCKET_SEGS = 128, /* of one read or write */
	SOCKET_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
};

static bool is_sequence(const struct conn *c)
{
	return c->tuple.type == VIRTIO_VSOCK_TYPE_SEQPACKET;
}

static void socket_forward(struct conn *c, uint32_t len)
{
	c->credit.fwd_cnt += len;
	if (c->state == CONN_OPEN && credit_is_due(&c->credit))
		conn_owe(c, OWE_UPDATE);
}

/* --- to the host --- */

static ssize_t socket_send(struct conn *c, const struct iovec *iov, int n, int flags)
{
	const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
				       .msg_iovlen = (size_t)n};
	ssize_t put;

	do
		put = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
	while (put < 0 && errno == EINTR);
	if (put < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
		c->writable = false;
		return -EAGAIN;
	}
	return put < 0 ? -errno : put;
}

/* Nobody reads any more; what was sent may still be on its way here. */
static void socket_deaf(struct conn *c)
{
	socket_forward(c, c->credit.rx_cnt - c->credit.fwd_cnt);
	held_free(&c->out);
	c->far_shut |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	conn_wake(c);
}

static bool is_over(const struct conn *c)
{
	return c->state == CONN_DRAINING && !c->out.len && !c->out.n_messages;
}

/* The guest sends no more, and all that it sent is out. */
static void socket_finish(struct conn *c)
{
	if (is_over(c))
		conn_free(c);
	else if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND && !c->out.len && !c->out.n_messages)
		shutdown(c->fd, SHUT_WR);
}

/* What is held: 0, or -errno when that will never be taken. */
static int socket_flush_stream(struct conn *c)
{
	struct iovec iov[2];

	while (c->out.len && c->writable) {
		int n = held_iov(&c->out, UINT32_MAX, iov);
		ssize_t put = socket_send(c, iov, n, 0);

		if (put == -EAGAIN)
			break;
		if (put < 0)
			return (int)put;
		held_drop(&c->out, (uint32_t)put);
		socket_forward(c, (uint32_t)put);
	}
	return 0;
}

static int socket_flush_messages(struct conn *c)
{
	struct held_message *m;
	struct iovec iov[2];

	while (c->writable && (m = held_message(&c->out)) && m->flags & VIRTIO_VSOCK_SEQ_EOM) {
		int n = held_iov(&c->out, m->len, iov);
		ssize_t put = socket_send(c, iov, n, m->flags & VIRTIO_VSOCK_SEQ_EOR ? MSG_EOR : 0);

		if (put == -EAGAIN)
			break;
		if (put < 0)
			return (int)put;
		socket_forward(c, m->len);
		if (m->len)
			held_drop(&c->out, m->len);
		held_drop_message(&c->out);
	}
	return 0;
}

/* false: the connection is gone, or will be. */
static bool socket_flush(struct conn *c)
{
	bool had = c->out.len || c->out.n_messages;
	int ret = is_sequence(c) ? socket_flush_messages(c) : socket_flush_stream(c);

	if (ret == -EPIPE || (ret && c->state == CONN_DRAINING))
		socket_deaf(c);
	else if (ret) {
		conn_reset(c, strerror(-ret));
		return false;
	}
	if (had || c->state == CONN_DRAINING) {
		bool over = is_over(c);

		socket_finish(c);
		return !over;
	}
	return true;
}

/* Straight from the guest's buffers: bytes taken; -EAGAIN: none. */
static ssize_t socket_send_now(struct conn *c, const struct vu_req *req, uint64_t offset,
			       uint32_t len, int flags)
{
	struct iovec iov[SOCKET_SEGS];
	int n;

	if (!c->writable)
		return -EAGAIN;
	n = vu_iov_slice(req->readable, req->n_readable, offset, len, iov, SOCKET_SEGS);
	return n < 0 ? -EAGAIN : socket_send(c, iov, n, flags);
}

static int socket_take_message(struct conn *c, const struct vu_req *req, uint64_t offset,
			       uint32_t len, uint32_t flags)
{
	ssize_t put = -EAGAIN;
	int ret;

	if (!c->out.n_messages && flags & VIRTIO_VSOCK_SEQ_EOM)
		put = socket_send_now(c, req, offset, len,
				      flags & VIRTIO_VSOCK_SEQ_EOR ? MSG_EOR : 0);
	if (put >= 0)
		socket_forward(c, len);
	if (put != -EAGAIN)
		return put < 0 ? (int)put : 0;
	ret = held_add(&c->out, req, offset, len, c->guest->buffer);
	if (!ret)
		ret = held_add_message(&c->out, len,
				       flags & (VIRTIO_VSOCK_SEQ_EOM | VIRTIO_VSOCK_SEQ_EOR),
				       c->guest->buffer);
	return ret ? ret : socket_flush_messages(c);
}

static int socket_take_bytes(struct conn *c, const struct vu_req *req, uint64_t offset,
			     uint32_t len)
{
	ssize_t put = c->out.len ? -EAGAIN : socket_send_now(c, req, offset, len, 0);
	int ret;

	if (put == -EAGAIN)
		put = 0;
	if (put < 0)
		return (int)put;
	socket_forward(c, (uint32_t)put);
	if ((uint32_t)put == len)
		return 0;
	ret = held_add(&c->out, req, offset + (uint64_t)put, len - (uint32_t)put, c->guest->buffer);
	/* It may be here only for its many segments, and no event would come. */
	return ret ? ret : socket_flush_stream(c);
}

static int socket_take(struct conn *c, const struct vu_req *req, uint64_t offset, uint32_t len,
		       uint32_t flags)
{
	int ret;

	if (!credit_received(&c->credit, len))
		return -ENOBUFS;
	if (c->far_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) { /* it was told, or will be */
		socket_forward(c, len);
		return 0;
	}
	ret = is_sequence(c) ? socket_take_message(c, req, offset, len, flags)
			     : socket_take_bytes(c, req, offset, len);
	if (ret == -EPIPE) {
		socket_deaf(c);
		return 0;
	}
	if (!ret && credit_is_due(&c->credit))
		conn_owe(c, OWE_UPDATE);
	return ret;
}

/* --- from the host --- */

static bool socket_has_data(const struct conn *c)
{
	if (c->in.len || c->in.n_messages)
		return true;
	return c->readable && c->fd >= 0 && !(c->far_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) &&
	       !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
}

/* The end of what the host sends. */
static void socket_ended(struct conn *c)
{
	c->readable = false;
	c->far_shut |= c->hung_up ? VSOCK_SHUTDOWN_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND;
}

/* Space for payload in up to n buffers, room bytes in all. */
static int socket_slices(struct vu_req *const *reqs, uint32_t n, uint32_t room, struct iovec *iov,
			 uint32_t *bytes, uint32_t *n_bytes)
{
	int used = 0;

	for (*n_bytes = 0; *n_bytes < n && room; (*n_bytes)++) {
		const struct vu_req *req = reqs[*n_bytes];
		uint64_t space = req->writable_len - PACKET_HEAD;
		uint32_t len = space < room ? (uint32_t)space : room;
		int m = vu_iov_slice(req->writable, req->n_writable, PACKET_HEAD, len, iov + used,
				     (uint32_t)(SOCKET_SEGS - used));

		if (m < 0)
			break;
		bytes[*n_bytes] = len;
		used += m;
		room -= len;
	}
	return used;
}

static int socket_fill_stream(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint32_t room,
			      uint32_t *bytes)
{
	struct iovec iov[SOCKET_SEGS];
	uint32_t n_bytes, used = 0;
	uint64_t asked = 0;
	int segs = socket_slices(reqs, n, room, iov, bytes, &n_bytes);
	ssize_t got;

	if (!segs)
		return -EINVAL;
	do
		got = readv(c->fd, iov, segs);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		c->readable = false;
		return errno == EAGAIN ? 0 : -errno;
	}
	if (got == 0)
		socket_ended(c);
	for (int i = 0; i < segs; i++)
		asked += iov[i].iov_len;
	if ((uint64_t)got < asked && !c->ending)
		c->readable = false; /* until there is more */
	for (; got > 0; used++) {
		if (bytes[used] > got)
			bytes[used] = (uint32_t)got;
		got -= bytes[used];
	}
	return (int)used;
}

/*
 * The end looks like an empty message; which there may be, before others.  That the end has come is
 * asked for here: it may be met before the event that tells of it.
 */
static bool socket_is_at_end(const struct conn *c)
{
	struct pollfd pfd = {.fd = c->fd, .events = POLLRDHUP};
	int behind = 0;

	return poll(&pfd, 1, 0) == 1 && (ioctl(c->fd, FIONREAD, &behind) < 0 || !behind);
}

/*
 * A message is read as a whole, for it is one on both sides; what does not fit the first buffer is
 * held meanwhile.
 */
static int socket_read_message(struct conn *c)
{
	uint32_t most = c->credit.peer_buf_alloc;
	unsigned char *bytes;
	struct iovec iov;
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t len = recv(c->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	uint32_t flags;
	int ret = 0;

	if (most > c->guest->buffer)
		most = c->guest->buffer;
	if (len < 0) {
		c->readable = errno != EAGAIN && errno != EINTR;
		return c->readable ? -errno : 0;
	}
	if (len == 0 && socket_is_at_end(c)) {
		socket_ended(c);
		return 0;
	}
	if (len > most)
		return -EMSGSIZE;
	bytes = malloc(len ? (size_t)len : 1);
	if (!bytes)
		return -ENOMEM;
	iov = (struct iovec){bytes, len ? (size_t)len : 1};
	len = recvmsg(c->fd, &message, MSG_DONTWAIT);
	if (len < 0)
		ret = -errno;
	flags = VIRTIO_VSOCK_SEQ_EOM | (message.msg_flags & MSG_EOR ? VIRTIO_VSOCK_SEQ_EOR : 0);
	if (!ret)
		ret = held_add_bytes(&c->in, bytes, (uint32_t)len, c->guest->buffer);
	if (!ret)
		ret = held_add_message(&c->in, (uint32_t)len, flags, c->guest->buffer);
	free(bytes);
	return ret;
}

static int socket_fill_message(struct conn *c, struct vu_req *const *reqs, uint32_t n,
			       uint32_t room, uint32_t *bytes, uint32_t *flags)
{
	struct held_message *m;
	uint32_t used = 0;
	int ret = c->in.n_messages ? 0 : socket_read_message(c);

	m = held_message(&c->in);
	if (ret || !m)
		return ret;
	for (; used < n; used++) {
		uint64_t space = reqs[used]->writable_len - PACKET_HEAD;
		uint32_t len = space < m->len ? (uint32_t)space : m->len;

		if (len > room)
			len = room;
		held_copy(&c->in, reqs[used], PACKET_HEAD, len);
		if (len)
			held_drop(&c->in, len);
		m->len -= len;
		room -= len;
		bytes[used] = len;
		if (!m->len) {
			flags[used++] = m->flags;
			held_drop_message(&c->in);
			break;
		}
		if (!room) {
			used += len > 0;
			break;
		}
	}
	return (int)used;
}

static int socket_fill(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint32_t room,
		       uint32_t *bytes, uint32_t *flags)
{
	return is_sequence(c) ? socket_fill_message(c, reqs, n, room, bytes, flags)
			      : socket_fill_stream(c, reqs, n, room, bytes);
}

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
		if (c->out.len || c->out.n_messages)
			socket_flush(c);
		else
			shutdown(c->fd, SHUT_WR);
		conn_owe(c, OWE_RST);
		return;
	}
	if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		shutdown(c->fd, SHUT_RD);
	socket_finish(c);
	conn_wake(c);
}

static bool socket_drop(struct conn *c, bool finish)
{
	if (finish && c->fd >= 0 && (c->out.len || c->out.n_messages) &&
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
	(void)c;
	(void)op;
}

/* --- events --- */

static void socket_look(struct conn *c, uint32_t events)
{
	bool gone = events & (EPOLLHUP | EPOLLERR);

	if (events & (EPOLLIN | EPOLLRDHUP) || gone)
		c->readable = true;
	if (gone &&
	    (c->far_shut & VIRTIO_VSOCK_SHUTDOWN_SEND || c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		c->far_shut = VSOCK_SHUTDOWN_BOTH;
	if (events & EPOLLOUT || gone)
		c->writable = true;
	if ((events & EPOLLOUT || gone) && !socket_flush(c))
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

int far_socket_watch(struct conn *c)
{
	return vu_group_add_fd(vu_device_group(c->guest->dev), c->fd, SOCKET_EVENTS,
			       socket_on_event, c, &c->source);
}

const struct far far_socket = {
	.take = socket_take,
	.has_data = socket_has_data,
	.fill = socket_fill,
	.accepted = socket_accepted,
	.guest_shut = socket_guest_shut,
	.drop = socket_drop,
	.learned = socket_learned,
	.tick = far_socket_tick,
};
