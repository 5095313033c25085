/* SPDX-License-Identifier: MIT */
/* See gpu_virgl.h: messages to a renderer and replies from it, without waiting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gpu_virgl.h"

enum { SEND_MAX = 1 << 20 }; /* bytes at once */

struct virgl_message {
	struct virgl_message *next;
	struct wire_request request;
	unsigned char *bytes;
};

bool virgl_send(struct virgl *v, const struct wire_request *request, void *bytes)
{
	struct virgl_message *m = calloc(1, sizeof(*m));

	if (!m) {
		free(bytes);
		return false;
	}
	m->request = *request;
	m->bytes = bytes;
	if (v->out_last)
		v->out_last->next = m;
	else
		v->out = m;
	v->out_last = m;
	v->waiting += sizeof(m->request) + request->len;
	return true;
}

void virgl_fence_last(struct virgl *v, uint32_t fence, uint32_t context, uint32_t ring)
{
	struct wire_request *request = &v->out_last->request;

	request->fence = fence;
	request->ring = ring;
	request->fence_context = context;
}

static void drop_first(struct virgl *v)
{
	struct virgl_message *m = v->out;

	v->out = m->next;
	if (!v->out)
		v->out_last = NULL;
	v->waiting -= sizeof(m->request) + m->request.len;
	v->out_sent = 0;
	free(m->bytes);
	free(m);
}

void virgl_forget_messages(struct virgl *v)
{
	while (v->out)
		drop_first(v);
	virgl_next(v);
}

static ssize_t write_some(const struct virgl *v, const struct virgl_message *m)
{
	const unsigned char *head = (const unsigned char *)&m->request;
	uint64_t size = sizeof(m->request), sent = v->out_sent, left;

	if (sent < size)
		return send(v->fd, head + sent, size - sent,
			    MSG_NOSIGNAL | MSG_DONTWAIT | (m->request.len ? MSG_MORE : 0));
	left = m->request.len - (sent - size);
	return send(v->fd, m->bytes + (sent - size), left < SEND_MAX ? left : SEND_MAX,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

int virgl_write(struct virgl *v)
{
	uint64_t sent = 0;

	while (v->out && sent < VIRGL_TURN) {
		ssize_t n = write_some(v, v->out);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		v->out_sent += (uint64_t)n;
		sent += (uint64_t)n;
		if (v->out_sent == sizeof(v->out->request) + v->out->request.len)
			drop_first(v);
	}
	return 0;
}

void virgl_next(struct virgl *v)
{
	free(v->in);
	v->in = NULL;
	v->in_len = 0;
	if (v->in_fd >= 0)
		close(v->in_fd);
	v->in_fd = -1;
}

/* One descriptor may come with a reply.  -EPROTO: there are more, none of which stays open. */
static int take_descriptor(struct virgl *v, struct msghdr *message)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(message);
	size_t n;
	int fd;

	if (!head)
		return message->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
	if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	/* Where there is room for one, alignment may leave some for another. */
	n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
	for (size_t i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
		if (n == 1 && v->in_fd < 0)
			v->in_fd = fd;
		else
			close(fd);
	}
	return n == 1 && v->in_fd == fd && !(message->msg_flags & MSG_CTRUNC) ? 0 : -EPROTO;
}

static ssize_t read_head(struct virgl *v, uint64_t left)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {(unsigned char *)&v->head + v->in_len, left};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(v->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int ret = n > 0 ? take_descriptor(v, &message) : 0;

	if (!ret)
		return n;
	errno = -ret;
	return -1;
}

/* Into the header first, then into memory for as many bytes as that says. */
static ssize_t read_some(struct virgl *v)
{
	uint64_t size = sizeof(v->head), left = size - v->in_len;

	if (v->in_len < size)
		return read_head(v, left < v->turn ? left : v->turn);
	left = v->head.len - (v->in_len - size);
	return recv(v->fd, v->in + (v->in_len - size), left < v->turn ? left : v->turn,
		    MSG_DONTWAIT);
}

int virgl_read(struct virgl *v)
{
	while (v->in_len < sizeof(v->head) || v->in_len < sizeof(v->head) + v->head.len) {
		ssize_t n;

		if (!v->turn)
			return 0;
		n = read_some(v);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (!n)
			return -ECONNRESET;
		v->in_len += (uint64_t)n;
		v->turn -= (uint64_t)n;
		if (v->in_len != sizeof(v->head))
			continue;
		if (!virgl_is_asked_for(v))
			return -EPROTO;
		if (!v->head.len)
			continue;
		v->in = malloc(v->head.len);
		if (!v->in)
			return -ENOMEM;
	}
	return 1;
}
