/* SPDX-License-Identifier: MIT */
/*
 * Unix datagram sockets, as QEMU's -netdev dgram has them: each datagram is a frame and nothing
 * else.  Ours is bound to a path, and connected to the other one's: so nobody else's datagrams come
 * in, and the kernel tells when his queue has room again.
 *
 * Nothing tells that he has gone, or that somebody else is at his path: so it is connected to that
 * again, once a second.  While it is the same one that changes nothing.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/own_socket.h"
#include "net_outbox.h"

enum { FRAME = NET_MAX_FRAME, SLOTS = 32, MAX_READS = 8 };

const int net_dgram_calls[NET_DGRAM_CALLS] = {SYS_recvmmsg, SYS_sendmmsg};

static const uint64_t look_ns = 1000000000;

struct dgram {
	struct own_socket own;
	struct sockaddr_un remote;
	struct vu_source *clock;
	bool there;
	struct net_outbox out;
	struct mmsghdr put[OUTBOX_FRAMES];
	uint32_t slot, slots; /* the next one, and how many were received */
	struct mmsghdr got[SLOTS];
	struct iovec room[SLOTS];
	unsigned char in[SLOTS][FRAME];
};

/* --- who is there --- */

/* 0, or -errno: he is not there, or not for us. */
static int dgram_meet(struct net_end *end)
{
	struct dgram *d = end->own;
	int ret = connect(d->own.fd, (struct sockaddr *)&d->remote, sizeof(d->remote)) < 0 ? -errno
											   : 0;

	/* His file may be gone while he is not. */
	if (ret && d->there)
		return 0;
	if (ret)
		pair_complain(end->pair, d->remote.sun_path, ret);
	else if (!d->there)
		vu_device_log_peer(end->pair->net->dev, VU_LOG_INFO,
				   "the other end of the wire is there");
	d->there = !ret;
	return ret;
}

/* The kernel says that he is gone: perhaps another one is there by now. */
static int dgram_meet_again(struct net_end *end)
{
	struct dgram *d = end->own;

	if (d->there)
		vu_device_log_peer(end->pair->net->dev, VU_LOG_INFO,
				   "the other end of the wire is gone");
	d->there = false;
	return dgram_meet(end);
}

static void on_clock(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	(void)source;
	(void)fd;
	(void)events;
	dgram_meet(opaque);
}

/* --- to him --- */

static bool dgram_is_gone(int error)
{
	return error == ECONNREFUSED || error == ENOTCONN || error == ECONNRESET || error == EPIPE;
}

/* It is too long for his socket, or ours; there is no memory for it; he is not there. */
static void dgram_lose(struct net_end *end, const struct mmsghdr *frame, int error)
{
	size_t len = 0;

	for (size_t i = 0; i < frame->msg_hdr.msg_iovlen; i++)
		len += frame->msg_hdr.msg_iov[i].iov_len;
	pair_complain(end->pair, "packets are lost", error);
	pair_lost(end->pair, 1, len);
}

/*
 * Frames, n of them: how many are done with.  -EAGAIN or -EFAULT in *ret: the others are to be
 * tried again.
 */
static uint32_t dgram_write(struct net_end *end, struct mmsghdr *frames, uint32_t n, int *ret)
{
	const struct dgram *d = end->own;
	uint32_t done = 0;
	bool met = false;

	while (done < n) {
		int put = sendmmsg(d->own.fd, frames + done, n - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (put > 0) {
			done += (uint32_t)put;
			continue;
		}
		*ret = -errno;
		if (*ret == -EAGAIN || *ret == -EFAULT)
			return done;
		if (dgram_is_gone(-*ret) && !met) {
			met = true;
			dgram_meet_again(end);
		} else if (*ret != -EINTR) {
			dgram_lose(end, &frames[done++], *ret);
		}
	}
	*ret = 0;
	return done;
}

/* 0: nothing is left of the rest. */
static int dgram_flush(struct net_end *end)
{
	struct dgram *d = end->own;
	struct net_outbox *o = &d->out;
	int ret = 0;

	while (!ret && net_outbox_has_rest(o)) {
		unsigned char *frame = o->rest + o->rest_at;
		struct iovec iov;
		struct mmsghdr message = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
		uint32_t len;

		net_prefix_read(frame, &len); /* which is ours */
		iov = (struct iovec){frame + NET_PREFIX, len};
		if (dgram_write(end, &message, 1, &ret))
			net_outbox_advance(o, NET_PREFIX + len);
	}
	return ret;
}

/* The batch is out, or becomes the rest. */
static void dgram_push(struct net_end *end)
{
	struct dgram *d = end->own;
	struct net_outbox *o = &d->out;
	uint32_t done;
	int ret;

	if (!o->frames)
		return;
	for (uint32_t i = 0; i < o->frames; i++)
		d->put[i] = (struct mmsghdr){
			.msg_hdr = {.msg_iov = &o->piece[o->first[i] + 1],
				    .msg_iovlen = o->first[i + 1] - o->first[i] - 1}};
	done = dgram_write(end, d->put, o->frames, &ret);
	net_outbox_keep(o, net_outbox_bytes(o, done));
	/* What the kernel could not read is ours now. */
	if (ret == -EFAULT)
		dgram_flush(end);
}

static int dgram_send(struct net_end *end, const struct iovec *iov, int n)
{
	struct dgram *d = end->own;
	int ret;

	if (!d->there)
		return -ENOTCONN;
	ret = dgram_flush(end);
	if (ret || net_outbox_add(&d->out, iov, n))
		return ret;
	dgram_push(end);
	ret = dgram_flush(end);
	return ret || net_outbox_add(&d->out, iov, n) ? ret : -EMSGSIZE;
}

/* --- from him --- */

static int dgram_read(struct dgram *d)
{
	int n;

	d->slot = d->slots = 0;
	for (uint32_t i = 0; i < SLOTS; i++) {
		d->room[i] = (struct iovec){d->in[i], FRAME};
		d->got[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &d->room[i], .msg_iovlen = 1}};
	}
	n = recvmmsg(d->own.fd, d->got, SLOTS, MSG_DONTWAIT, NULL);
	if (n < 0)
		return -errno;
	d->slots = (uint32_t)n;
	return 0;
}

static ssize_t dgram_receive(struct net_end *end, const struct iovec *iov, int n)
{
	static const struct virtio_net_hdr_v1 plain;
	struct dgram *d = end->own;
	size_t header = end->pair->header;
	const struct mmsghdr *got;
	const unsigned char *frame;
	int ret;

	while (d->slot == d->slots) {
		/* What is still in the socket has the loop come again. */
		ret = pair_may_read(end->pair, MAX_READS) ? dgram_read(d) : -EAGAIN;
		if (ret)
			return ret == -EINTR ? -EAGAIN : ret;
	}
	frame = d->in[d->slot];
	got = &d->got[d->slot++];
	if (got->msg_hdr.msg_flags & MSG_TRUNC || got->msg_len < NET_ETHERNET) {
		pair_complain(end->pair, "a datagram that is no frame came", -EPROTO);
		return -EMSGSIZE;
	}
	net_scatter(iov, n, 0, &plain, header);
	net_scatter(iov, n, header, frame, got->msg_len);
	return (ssize_t)(header + got->msg_len);
}

/* An error that he left behind, not the end of ours. */
static void dgram_hung_up(struct net_end *end)
{
	const struct dgram *d = end->own;
	socklen_t len = sizeof(int);
	int ret, error;

	getsockopt(d->own.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	dgram_meet_again(end);
	ret = pair_set_fd(end->pair, d->own.fd);
	if (ret)
		pair_complain(end->pair, "the socket", ret);
	pair_go_on(end->pair);
}

/* --- life --- */

static int dgram_begin(struct net_end *end)
{
	struct dgram *d = end->own;
	int ret = vu_group_add_timer(pair_group(end->pair), on_clock, end, &d->clock);

	if (!ret)
		vu_source_set_timer(d->clock, 1, look_ns);
	return ret ? ret : pair_set_fd(end->pair, d->own.fd);
}

static void dgram_free(struct net_end *end)
{
	struct dgram *d = end->own;

	vu_source_remove(d->clock);
	own_socket_close(&d->own);
	free(d);
}

static const struct net_end_ops dgram_ops = {
	.announces = true,
	.begin = dgram_begin,
	.send = dgram_send,
	.sent = dgram_push,
	.receive = dgram_receive,
	.flush = dgram_flush,
	.hung_up = dgram_hung_up,
	.free = dgram_free,
};

/* "LOCAL,REMOTE": the first one is made, whoever has the second one comes when he likes. */
int net_dgram_open(struct net *net, const char *spec)
{
	struct net_end *end = &net->pairs[0].end;
	struct dgram *d = calloc(1, sizeof(*d));
	char path[sizeof(d->remote.sun_path)], local[sizeof(path)];
	const char *remote = strchr(spec, ',');
	int ret;

	if (!d)
		return -ENOMEM;
	d->own.fd = -1;
	d->remote.sun_family = AF_UNIX;
	end->own = d;
	end->ops = &dgram_ops;
	if (!remote || remote == spec || !remote[1]) {
		fprintf(stderr, "vu-net: %s: two paths, please: dgram:LOCAL,REMOTE\n", spec);
		return -EINVAL;
	}
	ret = snprintf(path, sizeof(path), "%.*s", (int)(remote - spec), spec) >= (int)sizeof(path)
		      ? -ENAMETOOLONG
		      : vu_program_path(path, net->index, local, sizeof(local));
	if (!ret)
		ret = vu_program_path(remote + 1, net->index, d->remote.sun_path,
				      sizeof(d->remote.sun_path));
	if (!ret)
		ret = own_socket_bind(&d->own, local, SOCK_DGRAM);
	if (ret)
		fprintf(stderr, "vu-net: %s: %s%s\n", spec, strerror(-ret),
			ret == -ENAMETOOLONG ? "; each path of a socket has up to 107 bytes" : "");
	return ret;
}
