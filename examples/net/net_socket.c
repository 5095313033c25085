/* SPDX-License-Identifier: MIT */
/*
 * A Unix stream socket in the format of QEMU's -netdev stream, and of passt's: each frame behind
 * its length, 4 bytes, the first of which is the highest.  One peer at a time; while there is none,
 * what the guest sends is lost.
 *
 * A frame that is half out is kept, and so is one that is half in: a peer that does not read, or
 * says half a word, holds up nobody but itself.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/door.h"
#include "../common/own_socket.h"
#include "net_outbox.h"

enum { FRAME = NET_PREFIX + NET_MAX_FRAME, MAX_IN = 4 * FRAME, MAX_READS = 8 };

static const uint64_t retry = 1000000000; /* nanoseconds between attempts to connect */

struct stream {
	int fd; /* -1: nobody is there */
	struct own_socket own;
	struct door door;
	struct vu_source *clock;
	struct sockaddr_un address;
	struct net_outbox out;
	size_t in_at, in_len; /* of what was read and not taken */
	unsigned char in[MAX_IN];
};

static void stream_drop(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->in_at = s->in_len = 0;
	net_outbox_clear(&s->out);
}

/* Bytes that the socket took, or -errno. */
static ssize_t stream_write(const struct stream *s, struct iovec *iov, size_t n)
{
	const struct msghdr message = {.msg_iov = iov, .msg_iovlen = n};
	ssize_t put = sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	return put < 0 ? -errno : put;
}

/* 0: nothing is left of what was half out. */
static int stream_flush(struct net_end *end)
{
	struct stream *s = end->own;
	struct net_outbox *o = &s->out;

	while (net_outbox_has_rest(o)) {
		struct iovec rest = {o->rest + o->rest_at, o->rest_len - o->rest_at};
		ssize_t put = stream_write(s, &rest, 1);

		if (put < 0)
			return (int)put;
		net_outbox_advance(o, (size_t)put);
	}
	return 0;
}

/* The batch is out, or becomes the rest. */
static void stream_push(struct net_end *end)
{
	struct stream *s = end->own;
	struct net_outbox *o = &s->out;
	ssize_t put;

	if (!o->frames)
		return;
	put = stream_write(s, o->piece, o->pieces);
	if (put < 0 && put != -EAGAIN && put != -EFAULT) {
		pair_complain(end->pair, "packets are lost", (int)put);
		pair_lost(end->pair, o->frames, o->bytes - (size_t)o->frames * NET_PREFIX);
		put = (ssize_t)o->bytes;
	}
	net_outbox_keep(o, put > 0 ? (size_t)put : 0);
}

static int stream_send(struct net_end *end, const struct iovec *iov, int n)
{
	struct stream *s = end->own;
	int ret;

	if (s->fd < 0)
		return -ENOTCONN;
	ret = stream_flush(end);
	if (ret || net_outbox_add(&s->out, iov, n))
		return ret;
	stream_push(end);
	ret = stream_flush(end);
	return ret || net_outbox_add(&s->out, iov, n) ? ret : -EMSGSIZE;
}

/* The next whole frame, from what is there: its length, 0 for none, or -EPROTO. */
static int stream_next(const struct stream *s, uint32_t *len)
{
	size_t held = s->in_len - s->in_at;
	int ret;

	*len = 0;
	if (held < NET_PREFIX)
		return 0;
	ret = net_prefix_read(s->in + s->in_at, len);
	if (!ret && held - NET_PREFIX < *len)
		*len = 0;
	return ret;
}

static ssize_t stream_read(struct stream *s)
{
	ssize_t got;

	memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
	s->in_len -= s->in_at;
	s->in_at = 0;
	got = recv(s->fd, s->in + s->in_len, sizeof(s->in) - s->in_len, MSG_DONTWAIT);
	if (got <= 0)
		return got ? -errno : -ECONNRESET;
	s->in_len += (size_t)got;
	return got;
}

static ssize_t stream_receive(struct net_end *end, const struct iovec *iov, int n)
{
	static const struct virtio_net_hdr_v1 plain;
	struct stream *s = end->own;
	uint32_t len, header = end->pair->header;
	ssize_t got;
	int ret;

	if (s->fd < 0)
		return -EAGAIN;
	while (!(ret = stream_next(s, &len)) && !len) {
		/* What is still in the socket has the loop come again. */
		got = pair_may_read(end->pair, MAX_READS) ? stream_read(s) : -EAGAIN;
		if (got < 0)
			return got == -EINTR ? -EAGAIN : got;
	}
	if (ret) {
		pair_complain(end->pair, "a frame that cannot be came by the socket", ret);
		return ret;
	}
	net_scatter(iov, n, 0, &plain, header);
	net_scatter(iov, n, header, s->in + s->in_at + NET_PREFIX, len);
	s->in_at += NET_PREFIX + len;
	return (ssize_t)header + len;
}

/* --- who is there --- */

static void stream_meet(struct net_end *end, int fd)
{
	struct stream *s = end->own;
	int ret;

	s->fd = fd;
	ret = pair_set_fd(end->pair, fd);
	if (ret) {
		pair_complain(end->pair, "the socket", ret);
		stream_drop(s);
		return;
	}
	vu_device_log_peer(end->pair->net->dev, VU_LOG_INFO, "the other end of the wire is there");
	pair_go_on(end->pair);
}

static void stream_connect(struct net_end *end)
{
	struct stream *s = end->own;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && !connect(fd, (struct sockaddr *)&s->address, sizeof(s->address))) {
		vu_source_set_timer(s->clock, 0, 0);
		stream_meet(end, fd);
		return;
	}
	pair_complain(end->pair, s->address.sun_path, -errno);
	if (fd >= 0)
		close(fd);
	vu_source_set_timer(s->clock, retry, 0);
}

static void on_clock(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	(void)source;
	(void)fd;
	(void)events;
	stream_connect(opaque);
}

static void on_client(void *opaque)
{
	struct net_end *end = opaque;
	struct stream *s = end->own;
	int client = door_accept(&s->door);

	if (client < 0)
		return;
	if (s->fd >= 0) /* a wire has two ends */
		close(client);
	else
		stream_meet(end, client);
}

static int stream_begin(struct net_end *end)
{
	struct stream *s = end->own;
	int ret;

	if (s->own.fd >= 0)
		return door_open(&s->door, end->pair->net->dev, pair_group(end->pair), s->own.fd,
				 false, on_client, end);
	ret = vu_group_add_timer(pair_group(end->pair), on_clock, end, &s->clock);
	if (!ret)
		vu_source_set_timer(s->clock, 1, 0);
	return ret;
}

static void stream_hung_up(struct net_end *end)
{
	struct stream *s = end->own;

	stream_drop(s);
	vu_device_log_peer(end->pair->net->dev, VU_LOG_INFO, "the other end of the wire is gone");
	if (s->clock)
		vu_source_set_timer(s->clock, retry, 0);
	/* What waited for it is lost. */
	pair_go_on(end->pair);
}

static void stream_free(struct net_end *end)
{
	struct stream *s = end->own;

	door_close(&s->door);
	vu_source_remove(s->clock);
	stream_drop(s);
	own_socket_close(&s->own);
	free(s);
}

static const struct net_end_ops stream_ops = {
	.announces = true,
	.begin = stream_begin,
	.send = stream_send,
	.sent = stream_push,
	.receive = stream_receive,
	.flush = stream_flush,
	.hung_up = stream_hung_up,
	.free = stream_free,
};

static struct stream *stream_new(struct net_end *end)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fd = s->own.fd = -1;
	s->address.sun_family = AF_UNIX;
	end->own = s;
	end->ops = &stream_ops;
	return s;
}

static int stream_failed(const char *path, int ret)
{
	if (ret)
		fprintf(stderr, "vu-net: %s: %s\n", path, strerror(-ret));
	return ret;
}

int net_socket_listen(struct net *net, const char *path)
{
	struct net_end *end = &net->pairs[0].end;
	struct stream *s = stream_new(end);
	char own[sizeof(s->address.sun_path)];
	int ret = s ? vu_program_path(path, net->index, own, sizeof(own)) : -ENOMEM;

	if (!ret)
		ret = own_socket_listen(&s->own, own, SOCK_STREAM);
	return stream_failed(path, ret);
}

/* Where nobody listens yet, it is tried again. */
int net_socket_connect(struct net *net, const char *path)
{
	struct net_end *end = &net->pairs[0].end;
	struct stream *s = stream_new(end);
	int ret = s ? vu_program_path(path, net->index, s->address.sun_path,
				      sizeof(s->address.sun_path))
		    : -ENOMEM;

	return stream_failed(path, ret);
}
