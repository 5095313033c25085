/* SPDX-License-Identifier: MIT */
/* See gpu_display.h: the socket.  Device thread. */
#include "gpu_display.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_FDS = 253 }; /* of a message, as the kernel has it */

void display_init(struct display *d)
{
	d->fd = d->out_fd = -1;
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		pixman_region32_init(&d->telling[i]);
}

void display_fini(struct display *d)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		pixman_region32_fini(&d->telling[i]);
}

static void drop_out_fd(struct display *d)
{
	if (d->out_fd >= 0)
		close(d->out_fd);
	d->out_fd = -1;
}

void display_close(struct display *d, const char *why)
{
	if (d->fd < 0)
		return;
	if (why)
		vu_device_log_peerf(d->dev, VU_LOG_WARNING,
				    "the display is no more (%s): the guest goes on without", why);
	vu_source_remove(d->source);
	vu_source_remove(d->pause);
	vu_source_remove(d->hold);
	vu_device_close_fd(d->dev, d->fd);
	free(d->out);
	drop_out_fd(d);
	d->fd = -1;
	d->source = d->pause = d->hold = NULL;
	d->out = NULL;
	share_all(d->card, false);
	display_hold_end(d);
	display_answer_all(d, true);
}

/* --- what it says --- */

/* The first whole message of those that came; its length, 0: there is none, -1: it cannot be. */
static int take_message(struct display *d)
{
	struct display_header header;

	if (d->in_len < sizeof(header))
		return 0;
	memcpy(&header, d->in, sizeof(header));
	if (header.size > sizeof(d->in) - sizeof(header) || !(header.flags & DISPLAY_REPLY))
		return -1;
	if (d->in_len < sizeof(header) + header.size)
		return 0;
	if (header.request == DISPLAY_DMABUF_UPDATE
		    ? header.size || !display_acked(d)
		    : !display_answered(d, &header, d->in + sizeof(header)))
		return -1;
	return (int)(sizeof(header) + header.size);
}

/*
 * Descriptors are for none of its replies.  recv() would close them, which may take as long as
 * whoever made them likes.
 */
static bool close_received(struct display *d, struct msghdr *mh)
{
	bool any = false;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			vu_device_close_fd(d->dev, fd);
			any = true;
		}
	}
	return any;
}

/* As recv(); *strange: descriptors came along. */
static ssize_t receive(struct display *d, bool *strange)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MOST_FDS * sizeof(int))];
	} control;
	struct iovec iov = {d->in + d->in_len, sizeof(d->in) - d->in_len};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(d->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*strange = n >= 0 && close_received(d, &mh);
	return n;
}

/* What it sends is read until there is no more; false: it was closed. */
static bool read_all(struct display *d)
{
	for (;;) {
		bool strange;
		ssize_t n = receive(d, &strange);
		int len;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (strange) {
			display_close(d, "it sent file descriptors");
			return false;
		}
		if (n <= 0) {
			display_close(d, n ? strerror(errno) : "it was closed");
			return false;
		}
		d->in_len += (uint32_t)n;
		while ((len = take_message(d)) > 0) {
			d->in_len -= (uint32_t)len;
			memmove(d->in, d->in + len, d->in_len);
		}
		if (len < 0) {
			display_close(d, "it sent what is no reply to a question");
			return false;
		}
	}
}

/* --- what it is told --- */

static void watch(struct display *d, uint32_t events)
{
	if (events != d->events && !vu_source_set_events(d->source, events))
		d->events = events;
}

/* With its descriptor: QEMU looks for one with the first byte. */
static ssize_t send_some(const struct display *d)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {.buf = ""};
	struct iovec iov = {d->out + d->out_sent, d->out_len - d->out_sent};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (d->out_fd >= 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &d->out_fd, sizeof(int));
	}
	return sendmsg(d->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What is in out; true: all of it has gone. */
static bool write_out(struct display *d)
{
	while (d->out_sent < d->out_len) {
		ssize_t n = send_some(d);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch(d, EPOLLIN | EPOLLOUT);
			return false;
		}
		if (n < 0) {
			display_close(d, strerror(errno));
			return false;
		}
		drop_out_fd(d);
		d->out_sent += (uint32_t)n;
		d->n_bytes += (uint64_t)n;
	}
	return true;
}

void display_flush(struct display *d)
{
	if (d->fd < 0)
		return;
	while (write_out(d))
		if (!display_next(d)) {
			watch(d, EPOLLIN);
			return;
		}
}

static void on_socket(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct display *d = opaque;

	(void)source;
	(void)fd;
	if ((events & ~(uint32_t)EPOLLOUT) && !read_all(d))
		return;
	display_flush(d);
}

static void on_pause(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	struct display *d = opaque;

	(void)source;
	(void)fd;
	(void)expirations;
	d->pausing = false;
	display_flush(d);
}

static int display_make(struct display *d, int fd)
{
	struct vu_group *group = vu_device_group(d->dev);
	int ret;

	d->out = malloc(DISPLAY_OUT);
	if (!d->out)
		return -ENOMEM;
	ret = vu_group_add_timer(group, on_pause, d, &d->pause);
	if (!ret)
		ret = vu_group_add_timer(group, display_hold_over, d, &d->hold);
	return ret ? ret : vu_group_add_fd(group, fd, EPOLLIN, on_socket, d, &d->source);
}

int display_open(struct display *d, int fd)
{
	int ret;

	display_close(d, NULL);
	ret = display_make(d, fd);
	if (ret) {
		vu_source_remove(d->pause);
		vu_source_remove(d->hold);
		d->pause = d->hold = NULL;
		free(d->out);
		d->out = NULL;
		vu_device_close_fd(d->dev, fd);
		return ret;
	}
	d->fd = fd;
	d->events = EPOLLIN;
	d->ready = d->owes_features = d->pausing = d->owes_ack = d->tired = false;
	memset(d->has, 0, sizeof(d->has));
	d->features = 0;
	d->in_len = d->out_len = d->out_sent = d->n_told = 0;
	share_all(d->card, d->takes);
	display_tell_all(d);
	ret = display_ask_own(d, DISPLAY_GET_PROTOCOL_FEATURES);
	if (ret)
		display_close(d, strerror(-ret));
	display_flush(d);
	return ret;
}
