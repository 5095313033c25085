/* SPDX-License-Identifier: MIT */
/*
 * From a socket of the host's to the guest.
 *
 * Bytes go into the guest's buffers directly; what it has no room for stays in the socket, so that
 * its peer is slowed down.  Of seqpacket one message is held (c->in) while it is on its way.
 */
#include "vsock_socket.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool far_socket_has_data(const struct conn *c)
{
	if (held_can_go(&c->in))
		return true;
	return c->readable && c->fd >= 0 && !(c->far_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) &&
	       !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
}

/*
 * The end of what the host sends.  Whether it also hears no more is asked for here: the end may be
 * met before the event that tells of both.
 */
static void socket_ended(struct conn *c)
{
	struct pollfd pfd = {.fd = c->fd};

	c->readable = false;
	c->hung_up |= poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR);
	c->far_shut |= c->hung_up ? VSOCK_SHUTDOWN_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND;
}

/* Space in a buffer for len bytes, or for fewer where it is in too many pieces. */
static int socket_slice(const struct vu_req *req, uint32_t *len, struct iovec *iov)
{
	int n;

	do
		n = vu_iov_slice(req->writable, req->n_writable, PACKET_HEAD, *len, iov,
				 SOCKET_SEGS);
	while (n == -ENOSPC && (*len /= 2));
	return n;
}

/* Space for payload in up to n buffers, room bytes in all. */
static int socket_slices(struct vu_req *const *reqs, uint32_t n, uint32_t room, struct iovec *iov,
			 uint32_t *bytes, uint32_t *n_bytes)
{
	int used = 0;

	for (*n_bytes = 0; *n_bytes < n && room; (*n_bytes)++) {
		const struct vu_req *req = reqs[*n_bytes];
		uint32_t len = packet_room(req, room);
		int m = used ? vu_iov_slice(req->writable, req->n_writable, PACKET_HEAD, len,
					    iov + used, (uint32_t)(SOCKET_SEGS - used))
			     : socket_slice(req, &len, iov);

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
	uint32_t limit = c->guest->buffer, most = c->credit.peer_buf_alloc;
	struct iovec iov[2];
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t len;
	int ret;

	do
		len = recv(c->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	while (len < 0 && errno == EINTR);
	if (len < 0) {
		c->readable = errno != EAGAIN;
		return c->readable ? -errno : 0;
	}
	if (len == 0 && socket_is_at_end(c)) {
		socket_ended(c);
		return 0;
	}
	if (len > (most < limit ? most : limit))
		return -EMSGSIZE;
	ret = held_room(&c->in, (uint32_t)len, limit, iov);
	if (ret)
		return ret;
	len = recvmsg(c->fd, &message, MSG_DONTWAIT);
	if (len < 0)
		return -errno;
	held_added(&c->in, (uint32_t)len);
	return held_add_message(&c->in, (uint32_t)len,
				VIRTIO_VSOCK_SEQ_EOM |
					(message.msg_flags & MSG_EOR ? VIRTIO_VSOCK_SEQ_EOR : 0),
				limit);
}

int far_socket_fill(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint32_t room,
		    uint32_t *bytes, uint32_t *flags)
{
	int ret;

	if (!conn_is_seqpacket(c))
		return socket_fill_stream(c, reqs, n, room, bytes);
	ret = c->in.n_messages ? 0 : socket_read_message(c);
	return ret ? ret : (int)held_fill_message(&c->in, reqs, n, room, bytes, flags);
}
