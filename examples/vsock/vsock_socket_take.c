/* SPDX-License-Identifier: MIT */
/*
 * From the guest to a socket of the host's.
 *
 * Bytes go from the guest's buffers directly; those of packets that follow each other, together
 * (guest->gather): a guest that writes little at a time costs one system call for a batch of
 * packets.  What the socket does not take at once is held (c->out), up to what the guest was given
 * credit for, and goes on when the socket has room.
 */
#include "vsock_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void socket_forward(struct conn *c, uint32_t len)
{
	c->credit.fwd_cnt += len;
	if (c->state == CONN_DRAINING)
		conn_wait(c, c->guest->linger);
	if (c->state == CONN_OPEN && credit_is_due(&c->credit))
		conn_owe(c, OWE_UPDATE);
}

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
		c->guest->coalesce.full = true;
		far_socket_watch_room(c, true);
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
	return c->state == CONN_DRAINING && !held_can_go(&c->out);
}

void far_socket_finish(struct conn *c)
{
	if (is_over(c))
		conn_free(c);
	else if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND && !held_can_go(&c->out))
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
		held_drop(&c->out, m->len);
		held_drop_message(&c->out);
	}
	return 0;
}

bool far_socket_flush(struct conn *c)
{
	bool had = held_can_go(&c->out);
	int ret = conn_is_seqpacket(c) ? socket_flush_messages(c) : socket_flush_stream(c);

	if (ret == -EPIPE || (ret && c->state == CONN_DRAINING))
		socket_deaf(c);
	else if (ret) {
		conn_reset(c, strerror(-ret));
		return false;
	}
	if (had || c->state == CONN_DRAINING) {
		bool over = is_over(c);

		far_socket_finish(c);
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
	ret = held_add_part(&c->out, req, offset, len, flags, c->guest->buffer);
	return ret ? ret : socket_flush_messages(c);
}

/* The bytes stay in the guest's memory, whose requests are completed after guest_settle(). */
static bool socket_gather(struct conn *c, const struct vu_req *req, uint64_t offset, uint32_t len)
{
	struct gather *ga = &c->guest->gather;
	int n;

	if (!c->writable || c->out.len)
		return false;
	n = vu_iov_slice(req->readable, req->n_readable, offset, len, ga->iov + ga->n,
			 GATHER_SEGS - ga->n);
	if (n < 0)
		return false;
	ga->conn = c;
	ga->n += (uint32_t)n;
	ga->len += len;
	return true;
}

static int socket_take_bytes(struct conn *c, const struct vu_req *req, uint64_t offset,
			     uint32_t len)
{
	int ret;

	if (!len || socket_gather(c, req, offset, len))
		return 0;
	ret = far_socket_settle(c->guest);
	if (ret || socket_gather(c, req, offset, len))
		return ret;
	ret = held_add(&c->out, req, offset, len, c->guest->buffer);
	/* It may be here only for its many segments, and no event would come. */
	return ret ? ret : socket_flush_stream(c);
}

int far_socket_settle(struct guest *g)
{
	struct gather *ga = &g->gather;
	struct conn *c = ga->conn;
	const struct vu_req all = {
		.readable = ga->iov, .n_readable = ga->n, .readable_len = ga->len};
	ssize_t put;
	int ret;

	if (!c)
		return 0;
	ga->conn = NULL;
	put = socket_send(c, ga->iov, (int)ga->n, 0);
	ga->n = ga->len = 0;
	if (put == -EPIPE)
		socket_deaf(c);
	if (put < 0 && put != -EAGAIN)
		return put == -EPIPE ? 0 : (int)put;
	if (put < 0)
		put = 0;
	socket_forward(c, (uint32_t)put);
	if ((uint64_t)put == all.readable_len)
		return 0;
	ret = held_add(&c->out, &all, (uint64_t)put, (uint32_t)(all.readable_len - (uint64_t)put),
		       g->buffer);
	return ret ? ret : socket_flush_stream(c);
}

int far_socket_take(struct conn *c, const struct vu_req *req, uint64_t offset, uint32_t len,
		    uint32_t flags)
{
	int ret;

	if (!credit_received(&c->credit, len))
		return -ENOBUFS;
	if (c->far_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) { /* it was told, or will be */
		socket_forward(c, len);
		return 0;
	}
	ret = conn_is_seqpacket(c) ? socket_take_message(c, req, offset, len, flags)
				   : socket_take_bytes(c, req, offset, len);
	if (ret == -EPIPE) {
		socket_deaf(c);
		return 0;
	}
	if (!ret && credit_is_due(&c->credit))
		conn_owe(c, OWE_UPDATE);
	return ret;
}
