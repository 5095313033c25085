/* SPDX-License-Identifier: MIT */
/*
 * One direction of one connection: see relay.h.  Owns what it holds: bytes and descriptors; not the
 * sockets.
 */
#include "relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trace.h"

/* What the kernel takes with one message at most. */
enum { SCM_MOST_FDS = 253, HEADER = sizeof(struct wire_header) };

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(SCM_MOST_FDS * sizeof(int))];
};

void relay_init(struct relay *r, int from, int to)
{
	memset(r, 0, offsetof(struct relay, bytes));
	r->from = from;
	r->to = to;
}

static void relay_close_fds(struct relay *r)
{
	for (uint32_t i = 0; i < r->n_fds; i++)
		close(r->fds[i]);
	r->n_fds = r->fd = 0;
	r->n_marks = r->mark = 0;
}

void relay_fini(struct relay *r)
{
	relay_close_fds(r);
}

const struct wire_header *relay_header(const struct relay *r)
{
	return (const struct wire_header *)(const void *)r->bytes;
}

const unsigned char *relay_payload(const struct relay *r)
{
	return r->bytes + HEADER;
}

bool relay_has_late_fds(const struct relay *r)
{
	return r->n_marks && r->marks[r->n_marks - 1].at;
}

static int relay_take_fds(struct relay *r, struct msghdr *mh)
{
	uint32_t before = r->n_fds;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(r->fds + r->n_fds, CMSG_DATA(cm), n * sizeof(int));
		r->n_fds += (uint32_t)n;
	}
	if (r->n_fds != before)
		r->marks[r->n_marks++] = (struct relay_mark){r->got, r->n_fds - before};
	/* Some did not get in here: what would go on is not what came. */
	return mh->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
}

/* Is there room for whatever one recvmsg(2) may bring? */
static bool relay_has_fd_room(const struct relay *r)
{
	return r->n_marks < RELAY_MARKS && r->n_fds + SCM_MOST_FDS <= RELAY_FDS;
}

/* At most want bytes: how many, 0 for none yet, -ENODATA at the end, -errno. */
static int relay_receive(struct relay *r, size_t want)
{
	union control control;
	struct iovec iov = {r->bytes + r->got, want};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	ssize_t n;
	int ret;

	if (!relay_has_fd_room(r))
		return -E2BIG;
	do {
		n = recvmsg(r->from, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	if (n == 0)
		return -ENODATA;
	ret = relay_take_fds(r, &mh);
	if (ret < 0)
		return ret;
	if (r->got == 0)
		r->since = trace_now();
	r->got += (size_t)n;
	return (int)n;
}

/* How much may be read without going beyond the message; 0: it is whole. */
static size_t relay_missing(const struct relay *r)
{
	/* The first byte by itself: to see which descriptors come with it. */
	if (r->got < HEADER)
		return r->got ? HEADER - r->got : 1;
	return HEADER + relay_header(r)->size - r->got;
}

static bool relay_is_large(const struct relay *r)
{
	return r->got >= HEADER && relay_header(r)->size > RELAY_BYTES - HEADER;
}

static int relay_read_piece(struct relay *r)
{
	size_t want = r->skip < RELAY_BYTES ? (size_t)r->skip : RELAY_BYTES;
	int ret = relay_receive(r, want);

	if (ret == -ENODATA) {
		r->ended = true;
		return RELAY_END;
	}
	if (ret <= 0)
		return ret;
	r->skip -= (uint64_t)ret;
	r->whole = true;
	return RELAY_PIECE;
}

/* From here on the message passes in pieces. */
static int relay_read_large(struct relay *r)
{
	r->skip = HEADER + (uint64_t)relay_header(r)->size - r->got;
	r->whole = true;
	return RELAY_LARGE;
}

int relay_read(struct relay *r)
{
	size_t want;
	int ret;

	if (r->skip)
		return relay_read_piece(r);
	while ((want = relay_missing(r))) {
		if (relay_is_large(r) || (r->got >= HEADER && !relay_has_fd_room(r)))
			return relay_read_large(r);
		ret = relay_receive(r, want);
		if (ret == -ENODATA) {
			r->ended = true;
			r->whole = r->got > 0;
			return r->got ? RELAY_CUT : RELAY_END;
		}
		if (ret <= 0)
			return ret;
	}
	r->whole = true;
	return RELAY_MESSAGE;
}

/* Up to the next place with descriptors, and those of this place with it. */
static int relay_send_part(struct relay *r)
{
	union control control;
	uint32_t n_fds = 0, next = r->mark;
	size_t end = r->got;
	struct iovec iov;
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (next < r->n_marks && r->marks[next].at == r->sent)
		n_fds = r->marks[next++].n;
	if (next < r->n_marks)
		end = r->marks[next].at;
	iov = (struct iovec){r->bytes + r->sent, end - r->sent};
	if (n_fds) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), r->fds + r->fd, n_fds * sizeof(int));
	}
	do {
		n = sendmsg(r->to, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	/* Too many descriptors are in flight: their receiver has to take some. */
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ETOOMANYREFS))
		return 1;
	if (n < 0)
		return -errno;
	r->sent += (size_t)n;
	r->fd += n_fds;
	r->mark = next;
	return 0;
}

int relay_send(struct relay *r)
{
	while (r->sent < r->got) {
		int ret = relay_send_part(r);

		if (ret)
			return ret;
	}
	if (r->whole) {
		relay_close_fds(r);
		r->got = r->sent = 0;
		r->whole = false;
	}
	return 0;
}

bool relay_wants_read(const struct relay *r)
{
	return !r->ended && !r->whole;
}

bool relay_wants_write(const struct relay *r)
{
	return r->whole && r->sent < r->got;
}

bool relay_may_stick(const struct relay *r)
{
	return !r->whole && r->sent < r->got && !r->n_fds;
}

int relay_stuck(struct relay *r, uint64_t now)
{
	if (!relay_may_stick(r) || now - r->since < RELAY_STUCK_MS * UINT64_C(1000000))
		return 0;
	return relay_send(r);
}
