/* SPDX-License-Identifier: MIT */
/*
 * Bytes and fds in and out of a socket, waiting until a deadline and pumping meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "frontend/frontend.h"

static uint64_t io_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t frontend_deadline(unsigned int timeout_ms)
{
	return io_now_ms() + timeout_ms;
}

void frontend_pump(struct frontend *f)
{
	if (f->pump)
		f->pump(f->pump_opaque);
}

int frontend_io_wait(struct frontend *f, int fd, short events, uint64_t deadline)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now;
		int timeout, ret;

		frontend_pump(f);
		now = io_now_ms();
		timeout = now >= deadline ? 0 : (int)(deadline - now);
		/* The pump has to run again soon even if nothing arrives. */
		if (f->pump && timeout > 1)
			timeout = 1;
		ret = poll(&pfd, 1, timeout);
		if (ret > 0)
			return 0;
		if (ret < 0 && errno != EINTR)
			return -errno;
		if (now >= deadline)
			return -ETIMEDOUT;
	}
}

int frontend_wait_fd(struct frontend *f, int fd, short events)
{
	return frontend_io_wait(f, fd, events, frontend_deadline(f->timeout_ms));
}

int frontend_wait_until(struct frontend *f, bool (*done)(void *opaque), void *opaque)
{
	uint64_t deadline = frontend_deadline(f->timeout_ms);

	while (!done(opaque)) {
		if (io_now_ms() >= deadline)
			return frontend_fail(f, -ETIMEDOUT, "the awaited condition did not come");
		frontend_pump(f);
		if (!f->pump)
			poll(NULL, 0, 1);
	}
	return 0;
}

static ssize_t io_send_once(int fd, const void *bytes, size_t n, const int *fds, unsigned int n_fds)
{
	union {
		char buf[CMSG_SPACE(FRONTEND_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > FRONTEND_MAX_FDS) {
		errno = EINVAL;
		return -1;
	}
	if (n_fds) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int frontend_io_send(struct frontend *f, int fd, const void *bytes, size_t n, const int *fds,
		     unsigned int n_fds)
{
	uint64_t deadline = frontend_deadline(f->timeout_ms);
	const char *p = bytes;

	while (n) {
		ssize_t done = io_send_once(fd, p, n, fds, n_fds);
		int ret;

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno != EAGAIN)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
			n_fds = 0;
			continue;
		}
		ret = frontend_io_wait(f, fd, POLLOUT, deadline);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void io_take_fds(struct msghdr *mh, struct frontend_msg *msg)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		size_t i, n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[FRONTEND_MAX_FDS];

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));
		for (i = 0; i < n; i++) {
			if (msg->n_fds < FRONTEND_MAX_FDS)
				msg->fds[msg->n_fds++] = fds[i];
			else
				close(fds[i]);
		}
	}
}

/* Exactly n bytes; *started becomes true with the first of them. */
static int io_recv_bytes(struct frontend *f, int fd, void *buf, size_t n, struct frontend_msg *msg,
			 uint64_t deadline)
{
	union {
		char buf[CMSG_SPACE(FRONTEND_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	char *p = buf;

	while (n) {
		struct iovec iov = {.iov_base = p, .iov_len = n};
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.buf,
			.msg_controllen = sizeof(control.buf),
		};
		ssize_t done = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int ret;

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno != EAGAIN)
			return -errno;
		if (done == 0)
			return -ECONNRESET;
		if (done > 0) {
			io_take_fds(&mh, msg);
			p += done;
			n -= (size_t)done;
			continue;
		}
		ret = frontend_io_wait(f, fd, POLLIN, deadline);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int frontend_io_recv(struct frontend *f, int fd, struct frontend_msg *msg, unsigned int timeout_ms)
{
	uint64_t deadline = frontend_deadline(timeout_ms);
	int ret;

	msg->n_fds = 0;
	ret = io_recv_bytes(f, fd, &msg->hdr, sizeof(msg->hdr), msg, deadline);
	if (ret < 0)
		return ret;
	if (msg->hdr.size > sizeof(msg->payload)) {
		frontend_msg_close_fds(msg);
		return -EMSGSIZE;
	}
	/* Whoever began a message gets the full time to end it. */
	deadline = frontend_deadline(f->timeout_ms);
	ret = io_recv_bytes(f, fd, msg->payload, msg->hdr.size, msg, deadline);
	if (ret < 0)
		frontend_msg_close_fds(msg);
	return ret;
}

void frontend_msg_close_fds(struct frontend_msg *msg)
{
	uint32_t i;

	for (i = 0; i < msg->n_fds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->n_fds = 0;
}

int frontend_msg_take_fd(struct frontend_msg *msg)
{
	uint32_t i;

	for (i = 0; i < msg->n_fds; i++) {
		int fd = msg->fds[i];

		if (fd >= 0) {
			msg->fds[i] = -1;
			return fd;
		}
	}
	return -1;
}
