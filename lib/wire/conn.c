/* SPDX-License-Identifier: MIT */
/*
 * One end of a vhost-user socket.  Owns the socket, the fds of the message that is being received
 * or was handed out last, and copies of the fds of messages that wait to be sent.
 *
 * Invariants: no read goes beyond the current message, since fds belong to the message whose bytes
 * they come with; messages leave in the order of wire_conn_send(); after an error in one direction
 * every later call for that direction returns the same error.
 * Thread: one at a time.
 */
#include "wire/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/closer.h"
#include "base/descriptor.h"
#include "wire/other_end.h"

enum { TX_BOUND = 256 * 1024 };
/* What the kernel takes with one message at most; those that it has no room for it closes in our
 * name, and we wait. */
enum { SCM_MOST_FDS = 253 };

/* A message, or the rest of one, that the socket did not take yet. */
struct tx_msg {
	struct tx_msg *next;
	size_t len;
	size_t sent;
	uint32_t n_fds; /* 0 once they went out with the first byte */
	int fds[WIRE_MAX_FDS];
	unsigned char bytes[];
};

struct wire_conn {
	int fd;
	int rx_error;
	int tx_error;
	pid_t owner;		/* a forked child leaves the stream alone */
	bool any_files;		/* wire_conn_allow_files() */
	bool rx_delivered;	/* rx was handed out by the last call */
	const char *rx_why;	/* goes with rx_error */
	size_t rx_got;		/* bytes of rx, header included */
	size_t tx_bytes;	/* memory of the waiting messages */
	struct tx_msg *tx_head; /* NULL: nothing waits */
	struct tx_msg *tx_tail;
	struct wire_msg rx;
};

/* Room for the fds of one message; alignment is cmsghdr's. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
};

union rx_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(SCM_MOST_FDS * sizeof(int))];
};

int wire_conn_new(int fd, struct closer *closer, struct wire_conn **conn)
{
	socklen_t len = sizeof(int);
	struct wire_conn *c;
	int type, flags;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != SOCK_STREAM)
		return -EPROTOTYPE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = fd;
	c->owner = getpid();
	c->rx.closer = closer;
	*conn = c;
	return 0;
}

int wire_conn_fd(const struct wire_conn *conn)
{
	return conn->fd;
}

void wire_conn_allow_files(struct wire_conn *conn)
{
	conn->any_files = true;
}

int wire_msg_take_fd(struct wire_msg *msg)
{
	for (uint32_t i = 0; i < msg->n_fds; i++) {
		int fd = msg->fds[i];

		if (fd >= 0) {
			msg->fds[i] = -1;
			return fd;
		}
	}
	return -1;
}

void wire_msg_close_fds(struct wire_msg *msg)
{
	int fd;

	while ((fd = wire_msg_take_fd(msg)) >= 0)
		closer_close(msg->closer, fd);
	msg->n_fds = 0;
}

/* Receiving ends here, now and in every later call. */
static int conn_rx_fail(struct wire_conn *c, int error, const char *why)
{
	wire_msg_close_fds(&c->rx);
	c->rx_error = error;
	c->rx_why = why;
	return error;
}

static const char slow_file[] =
	"has a file that may block whoever uses it, even who closes it: FUSE, a network or an "
	"unknown file system; memory belongs into a memfd, "
	"tmpfs, hugetlbfs or a local disk, or see --allow-any-memory";
static const char slow_socket[] = "has a network socket, which nothing here is for";

static const char too_many[] = "has more than 8 file descriptors";
static const char own_end[] =
	"has the front-end's own end of this connection: who holds that would "
	"never see the front-end go";

/* NULL, or why fd is not taken; *keep: it must not even be closed. */
static const char *conn_rx_refuse(const struct wire_conn *c, int fd, bool *keep)
{
	enum descriptor_kind kind = descriptor_kind(fd);

	*keep = kind == DESCRIPTOR_SLOW_SOCKET || (kind == DESCRIPTOR_SLOW_FILE && !c->any_files);
	if (*keep)
		return kind == DESCRIPTOR_SLOW_FILE ? slow_file : slow_socket;
	return kind == DESCRIPTOR_SOCKET && other_end_is(fd, c->fd) ? own_end : NULL;
}

/* One descriptor that came: into rx, or closed, or kept.  NULL, or why it is not taken. */
static const char *conn_rx_fd(struct wire_conn *c, int fd)
{
	bool keep;
	const char *why = conn_rx_refuse(c, fd, &keep);

	if (!why && c->rx.n_fds == WIRE_MAX_FDS)
		why = too_many;
	if (keep)
		closer_put_aside(c->rx.closer, fd);
	else if (why)
		closer_close(c->rx.closer, fd);
	else
		c->rx.fds[c->rx.n_fds++] = fd;
	return why;
}

/* Put the fds of one recvmsg into rx.  -EPROTO if they cannot belong there; all are closed then. */
static int conn_rx_fds(struct wire_conn *c, struct msghdr *mh)
{
	bool is_start = c->rx_got == 0;
	const char *why = NULL;
	uint32_t before = c->rx.n_fds;
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			const char *wrong;
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(fd), sizeof(fd));
			wrong = conn_rx_fd(c, fd);
			why = wrong ? wrong : why;
		}
	}
	if (why && why != too_many)
		return conn_rx_fail(c, -EPROTO, why);
	if (!is_start && c->rx.n_fds != before)
		return conn_rx_fail(c, -EPROTO, "has file descriptors after its start");
	if (!(mh->msg_flags & MSG_CTRUNC) && !why)
		return 0;
	/* The kernel cuts the list at our buffer's end, or where our fd table is full. */
	if (c->rx.n_fds == WIRE_MAX_FDS)
		return conn_rx_fail(c, -EPROTO, too_many);
	return conn_rx_fail(c, -EPROTO, "lost file descriptors: too many are open here");
}

/*
 * Fill to[0..len), which starts at byte start of the message.  1: it is full; 0: the rest did not
 * arrive yet; -errno.
 */
static int conn_rx_fill(struct wire_conn *c, void *to, size_t start, size_t len)
{
	while (c->rx_got < start + len) {
		union rx_control control;
		struct iovec iov = {
			.iov_base = (unsigned char *)to + (c->rx_got - start),
			.iov_len = start + len - c->rx_got,
		};
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.buf,
			.msg_controllen = sizeof(control.buf),
		};
		ssize_t n = recvmsg(c->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n < 0)
			return conn_rx_fail(c, -errno, NULL);
		if (n == 0 && c->rx_got == 0)
			return conn_rx_fail(c, -ECONNRESET, NULL);
		if (n == 0)
			return conn_rx_fail(c, -EPROTO, "ends in the middle of a message");
		rc = conn_rx_fds(c, &mh);
		if (rc < 0)
			return rc;
		c->rx_got += (size_t)n;
	}
	return 1;
}

static int conn_rx_message(struct wire_conn *c)
{
	struct wire_msg *rx = &c->rx;
	int rc;

	rc = conn_rx_fill(c, &rx->hdr, 0, sizeof(rx->hdr));
	if (rc <= 0)
		return rc;
	if ((rx->hdr.flags & WIRE_VERSION_MASK) != WIRE_VERSION)
		return conn_rx_fail(c, -EPROTO, "has a version other than 1");
	if (rx->hdr.size > WIRE_MAX_PAYLOAD)
		return conn_rx_fail(c, -EPROTO, "has a larger payload than any message");
	return conn_rx_fill(c, rx->payload, sizeof(rx->hdr), rx->hdr.size);
}

int wire_conn_recv(struct wire_conn *conn, struct wire_msg **msg, const char **why)
{
	int rc;

	*why = NULL;
	if (conn->rx_delivered) {
		wire_msg_close_fds(&conn->rx);
		conn->rx_delivered = false;
		conn->rx_got = 0;
	}
	rc = conn->rx_error ? conn->rx_error : conn_rx_message(conn);
	if (rc < 0)
		*why = conn->rx_why;
	if (rc <= 0)
		return rc;
	conn->rx_delivered = true;
	*msg = &conn->rx;
	return 1;
}

bool wire_conn_is_partial(const struct wire_conn *conn)
{
	return conn->rx_got && !conn->rx_delivered;
}

/* Bytes sent (fds go with the first one), 0 when the socket is full, or -errno. */
static ssize_t conn_sendmsg(int fd, struct iovec *iov, size_t n_iov, const int *fds,
			    unsigned int n_fds)
{
	union control control;
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = n_iov};
	ssize_t n;

	if (n_fds) {
		struct cmsghdr *cm;

		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
	}
	do {
		n = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

static void tx_close_fds(struct tx_msg *tx)
{
	for (uint32_t i = 0; i < tx->n_fds; i++)
		close(tx->fds[i]);
	tx->n_fds = 0;
}

static void conn_tx_pop(struct wire_conn *c)
{
	struct tx_msg *tx = c->tx_head;

	c->tx_head = tx->next;
	c->tx_bytes -= sizeof(*tx) + tx->len;
	tx_close_fds(tx);
	free(tx);
}

/* The stream has a hole now or has no reader: nothing more is sent. */
static int conn_tx_fail(struct wire_conn *c, int error)
{
	while (c->tx_head)
		conn_tx_pop(c);
	c->tx_error = error;
	return error;
}

/* Let a message wait, of which `sent` bytes went out already, and the fds with them. */
static int conn_tx_queue(struct wire_conn *c, const struct wire_header *hdr, const void *payload,
			 size_t sent, const int *fds, unsigned int n_fds)
{
	size_t len = sizeof(*hdr) + hdr->size;
	struct tx_msg *tx;

	if (sizeof(*tx) + len > TX_BOUND - c->tx_bytes)
		return -ENOBUFS;
	tx = malloc(sizeof(*tx) + len);
	if (!tx)
		return -ENOMEM;
	tx->next = NULL;
	tx->len = len;
	tx->sent = sent;
	memcpy(tx->bytes, hdr, sizeof(*hdr));
	if (hdr->size)
		memcpy(tx->bytes + sizeof(*hdr), payload, hdr->size);
	for (tx->n_fds = 0; tx->n_fds < n_fds && !sent; tx->n_fds++) {
		int copy = fcntl(fds[tx->n_fds], F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			int error = -errno;

			tx_close_fds(tx);
			free(tx);
			return error;
		}
		tx->fds[tx->n_fds] = copy;
	}
	if (c->tx_head)
		c->tx_tail->next = tx;
	else
		c->tx_head = tx;
	c->tx_tail = tx;
	c->tx_bytes += sizeof(*tx) + len;
	return 0;
}

int wire_conn_send(struct wire_conn *conn, const struct wire_header *hdr, const void *payload,
		   const int *fds, unsigned int n_fds)
{
	struct wire_header copy = *hdr; /* iovecs are not const */
	struct iovec iov[2] = {
		{.iov_base = &copy, .iov_len = sizeof(copy)},
		{.iov_base = (void *)(uintptr_t)payload, .iov_len = hdr->size},
	};
	ssize_t n = 0;
	int rc;

	if (n_fds > WIRE_MAX_FDS || hdr->size > WIRE_MAX_PAYLOAD)
		return -EINVAL;
	if (conn->tx_error)
		return conn->tx_error;
	if (!conn->tx_head) {
		n = conn_sendmsg(conn->fd, iov, hdr->size ? 2 : 1, fds, n_fds);
		if (n < 0)
			return conn_tx_fail(conn, (int)n);
		if ((size_t)n == sizeof(copy) + hdr->size)
			return 0;
	}
	rc = conn_tx_queue(conn, hdr, payload, (size_t)n, fds, n_fds);
	/* Half a message is out and the rest is lost. */
	if (rc < 0 && n > 0)
		return conn_tx_fail(conn, rc);
	return rc;
}

int wire_conn_flush(struct wire_conn *conn)
{
	struct tx_msg *tx;

	if (conn->tx_error)
		return conn->tx_error;
	while ((tx = conn->tx_head)) {
		struct iovec iov = {
			.iov_base = tx->bytes + tx->sent,
			.iov_len = tx->len - tx->sent,
		};
		ssize_t n = conn_sendmsg(conn->fd, &iov, 1, tx->fds, tx->n_fds);

		if (n < 0)
			return conn_tx_fail(conn, (int)n);
		if (n == 0)
			return 1;
		tx_close_fds(tx);
		tx->sent += (size_t)n;
		if (tx->sent == tx->len)
			conn_tx_pop(conn);
	}
	return 0;
}

bool wire_conn_is_sending(const struct wire_conn *conn)
{
	return conn->tx_head != NULL;
}

void wire_conn_release(struct wire_conn *conn)
{
	free(conn);
}

void wire_conn_free(struct wire_conn *conn)
{
	if (!conn)
		return;
	wire_msg_close_fds(&conn->rx);
	while (conn->tx_head)
		conn_tx_pop(conn);
	/* A child of fork() may have a copy: close() alone would leave the peer waiting. */
	if (conn->owner == getpid()) {
		shutdown(conn->fd, SHUT_RDWR);
		closer_close_any(conn->rx.closer, conn->fd);
	} else {
		close(conn->fd);
	}
	free(conn);
}
