/* SPDX-License-Identifier: MIT */
/*
 * A pair of queues: packets of the guest's go to the end, those of the end into the guest's
 * buffers.
 *
 * Nothing is copied where it can be avoided: the frames that a guest sends are the kernel's to
 * read, and one that arrives is put where the guest wants it, but for what does not fit into the
 * first buffer.  Headers are copied, and checked, before anything is done with them.
 *
 * Thread: the pair's.
 */
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

void net_count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

void pair_lost(struct net_pair *pair, uint32_t packets, size_t bytes)
{
	struct net_counts *c = &pair->counts;
	uint64_t sent = atomic_load_explicit(&c->sent, memory_order_relaxed);
	uint64_t sent_bytes = atomic_load_explicit(&c->sent_bytes, memory_order_relaxed);

	/* An announcement is the device's, and was not counted. */
	net_count(&c->sent, -(packets < sent ? packets : sent));
	net_count(&c->sent_bytes, -(bytes < sent_bytes ? bytes : sent_bytes));
	net_count(&c->lost, packets);
}

bool pair_is_down(const struct net_pair *pair)
{
	return atomic_load_explicit(&pair->net->down, memory_order_relaxed);
}

void pair_complain(struct net_pair *pair, const char *what, int error)
{
	if (error != pair->error)
		vu_device_log_peerf(pair->net->dev, VU_LOG_WARNING, "pair %u: %s: %s", pair->index,
				    what, strerror(-error));
	pair->error = error;
}

struct vu_group *pair_group(const struct net_pair *pair)
{
	return pair->own_group ? pair->own_group : vu_device_group(pair->net->dev);
}

/* While the link is down all that comes is read, and gone. */
static uint32_t pair_events(const struct net_pair *pair)
{
	bool reads = !pair->starved || pair_is_down(pair);

	return (reads ? EPOLLIN : 0) | (pair->stuck ? EPOLLOUT : 0);
}

static void pair_watch(struct net_pair *pair)
{
	uint32_t events = pair_events(pair);

	if (pair->source && events != pair->watched)
		vu_source_set_events(pair->source, events);
	pair->watched = events;
}

/* Nothing is read until the receive queue is ready. */
static void pair_starve(struct net_pair *pair)
{
	pair->starved = true;
	pair_watch(pair);
}

/* --- to the end --- */

const char *pair_check(const struct net_pair *pair, struct virtio_net_hdr_v1 *header, uint64_t len)
{
	return net_header_check(header, len, pair->features,
				atomic_load_explicit(&pair->net->mtu, memory_order_relaxed));
}

void pair_count_sent(struct net_pair *pair, uint64_t packets, uint64_t bytes)
{
	net_count(&pair->counts.sent, packets);
	net_count(&pair->counts.sent_bytes, bytes);
}

/* What the guest wants to send, in pair->iov: how many pieces, or -EBADMSG. */
static int pair_describe(struct net_pair *pair, const struct vu_req *req,
			 struct virtio_net_hdr_v1 *header)
{
	uint64_t len = req->readable_len - pair->header;
	const char *why = NULL;
	int n = 0;

	if (req->flags & VU_REQ_TOO_LONG)
		why = "it is in too many pieces";
	else if (vu_req_read(req, 0, header, pair->header) < pair->header)
		why = "it is shorter than a header";
	else
		why = pair_check(pair, header, len);
	if (!why) {
		pair->iov[0] = (struct iovec){header, pair->header};
		n = vu_iov_slice(req->readable, req->n_readable, pair->header, len, pair->iov + 1,
				 NET_MAX_SEGS);
		if (n >= 0)
			return n + 1;
		why = "it is in too many pieces";
	}
	vu_device_log_peerf(pair->net->dev, VU_LOG_WARNING, "pair %u: a packet is dropped: %s",
			    pair->index, why);
	net_count(&pair->counts.refused, 1);
	return -EBADMSG;
}

/* False: the end takes nothing now. */
static bool pair_send(struct net_pair *pair, const struct vu_req *req)
{
	struct virtio_net_hdr_v1 header = {0};
	int ret, n = pair_describe(pair, req, &header);

	if (n < 0)
		return true;
	ret = pair_is_down(pair) ? -ENETDOWN : pair->end.ops->send(&pair->end, pair->iov, n);
	if (ret == -EAGAIN)
		return false;
	if (ret) {
		if (ret != -ENETDOWN)
			pair_complain(pair, "packets are lost", ret);
		net_count(&pair->counts.lost, 1);
		return true;
	}
	pair_count_sent(pair, 1, req->readable_len - pair->header);
	return true;
}

/* How many of these are seen to; fewer than n: the end takes nothing now. */
static uint32_t pair_send_each(struct net_pair *pair, uint32_t n)
{
	const struct net_end_ops *ops = pair->end.ops;
	uint32_t done = 0;

	for (;;) {
		if (ops->send_plain && !pair_is_down(pair))
			done += ops->send_plain(&pair->end, pair->sends + done, n - done);
		if (done == n || (ops->takes && !ops->takes(&pair->end)) ||
		    !pair_send(pair, pair->sends[done]))
			return done;
		done++;
	}
}

/* The end has something that the kernel does not take now. */
static bool pair_is_stuck(struct net_pair *pair)
{
	return pair->end.ops->flush && pair->end.ops->flush(&pair->end) == -EAGAIN;
}

static void pair_transmit(struct net_pair *pair)
{
	static const uint64_t nothing[NET_BATCH];
	int n;

	while (!pair->stuck) {
		uint32_t done;

		n = vu_queue_next_batch(pair->tx, pair->sends, NET_BATCH);
		if (n <= 0)
			return;
		done = pair_send_each(pair, (uint32_t)n);
		if (done && pair->end.ops->sent)
			pair->end.ops->sent(&pair->end);
		if (done)
			vu_queue_complete_batch(pair->tx, pair->sends, nothing, done);
		pair->stuck = done < (uint32_t)n || pair_is_stuck(pair);
		while ((uint32_t)n > done)
			if (vu_req_put_back(pair->sends[--n])) /* cannot be: it is the newest */
				vu_req_complete(pair->sends[n], 0);
	}
	pair_watch(pair);
}

void pair_go_on(struct net_pair *pair)
{
	pair->stuck = pair_is_stuck(pair);
	pair_transmit(pair);
	pair_watch(pair);
}

/* --- from the end --- */

void pair_give_back(struct net_pair *pair, uint32_t n)
{
	while (n--)
		if (vu_req_put_back(pair->buffers[n]))
			vu_req_complete(pair->buffers[n], 0);
}

static void pair_set_rests(struct net_pair *pair, bool rests)
{
	if (rests != pair->rests && pair->end.ops->rest)
		pair->end.ops->rest(&pair->end, rests);
	pair->rests = rests;
}

/*
 * vu_queue_next() of rx, which says 0 when the queue's turn is over, too: then turn_over is set,
 * and queue_ready comes once more.
 */
static int pair_take(struct net_pair *pair, struct vu_req **req)
{
	int ret = vu_queue_next(pair->rx, req);

	pair->turn_over = false;
	/* What has come since is to be taken by who has seen it. */
	if (ret || !vu_queue_available(pair->rx))
		return ret;
	ret = vu_queue_next(pair->rx, req);
	pair->turn_over = !ret;
	return ret;
}

bool pair_next_buffer(struct net_pair *pair, struct vu_req **req)
{
	int ret;

	while ((ret = pair_take(pair, req)) == 1) {
		if ((*req)->writable_len > pair->header && !((*req)->flags & VU_REQ_TOO_LONG))
			return true;
		vu_device_log_peerf(pair->net->dev, VU_LOG_WARNING,
				    "pair %u: a receive buffer of %llu bytes is of no use",
				    pair->index, (unsigned long long)(*req)->writable_len);
		vu_req_complete(*req, 0);
	}
	pair_starve(pair);
	if (ret < 0)
		pair_set_rests(pair, true);
	return false;
}

/* A packet that fills the first buffer, which is given back, and has this many bytes more. */
static void pair_keep(struct net_pair *pair, size_t rest)
{
	const struct vu_req *first = pair->buffers[0];
	size_t room = first->writable_len;

	if (room + rest > NET_HEADER + NET_MAX_FRAME)
		return;
	memmove(pair->overflow + room, pair->overflow, rest);
	net_gather(first->writable, (int)first->n_writable, 0, pair->overflow, room);
	pair->kept = room + rest;
}

/* Into the first n of pair->iov and, as far as these do not reach, in overflow: how many bytes. */
static size_t pair_read_kept(struct net_pair *pair, int n)
{
	size_t len = pair->kept, done = net_scatter(pair->iov, n, 0, pair->overflow, len);

	pair->kept = 0;
	memmove(pair->overflow, pair->overflow + done, len - done);
	return len;
}

/*
 * What did not fit into the first buffer: how many buffers it takes, or 0 where there are not
 * enough.  Where there are, but no more in this turn of the queue's, the packet is kept.
 */
static uint32_t pair_fill_more(struct net_pair *pair, size_t rest)
{
	size_t done = 0;
	uint32_t n = 1;

	while (done < rest) {
		struct vu_req *req;
		size_t part;

		part = n < NET_MAX_SEGS && pair_take(pair, &req) == 1 ? rest - done : 0;
		if (!part) {
			if (pair->turn_over)
				pair_keep(pair, rest);
			pair_give_back(pair, n);
			return 0;
		}
		pair->buffers[n] = req;
		pair->written[n] = vu_req_write(req, 0, pair->overflow + done, part);
		done += pair->written[n++];
	}
	return n;
}

/* A packet of len bytes lies in the first buffer and, as far as that does not reach, in overflow.
 */
static void pair_fill(struct net_pair *pair, size_t len)
{
	struct vu_req *first = pair->buffers[0];
	uint64_t room = first->writable_len;
	uint16_t count;
	uint32_t n = 1;

	pair->written[0] = len < room ? len : room;
	if (len > room && !(pair->features & NET_BIT(VIRTIO_NET_F_MRG_RXBUF))) {
		pair_give_back(pair, 1);
		n = 0;
	} else if (len > room) {
		n = pair_fill_more(pair, len - room);
	}
	if (!n && !pair->kept)
		net_count(&pair->counts.missed, 1);
	if (!n)
		return;
	if (pair->header == NET_HEADER) {
		count = htole16((uint16_t)n);
		vu_req_write(first, offsetof(struct virtio_net_hdr_v1, num_buffers), &count,
			     sizeof(count));
	}
	vu_queue_complete_batch(pair->rx, pair->buffers, pair->written, n);
	net_count(&pair->counts.received, 1);
	net_count(&pair->counts.received_bytes, len - pair->header);
}

/* Nothing more comes from there, unless the end finds something else. */
static void pair_hung_up(struct net_pair *pair)
{
	pair_set_fd(pair, -1);
	if (pair->end.ops->hung_up)
		pair->end.ops->hung_up(&pair->end);
}

/* Into the first n of pair->iov; false: there is nothing more now. */
static bool pair_read(struct net_pair *pair, int n, ssize_t *got)
{
	if (pair->kept)
		*got = (ssize_t)pair_read_kept(pair, n - 1);
	else
		*got = pair->end.ops->receive(&pair->end, pair->iov, n);
	if (*got >= 0)
		return true;
	if (*got == -EMSGSIZE)
		net_count(&pair->counts.missed, 1);
	else if (*got != -EAGAIN)
		pair_hung_up(pair);
	return *got == -EMSGSIZE;
}

bool pair_may_read(struct net_pair *pair, uint32_t most)
{
	if (pair->reads >= most)
		return false;
	pair->reads++;
	return true;
}

/* While the link is down: what there is is gone. */
static void pair_discard(struct net_pair *pair)
{
	ssize_t got;

	pair->kept = 0;
	pair->iov[0] = (struct iovec){pair->overflow, NET_HEADER + NET_MAX_FRAME};
	/* An end with a descriptor knows how much is enough, and has nothing left then. */
	for (int i = 0; (i < NET_BATCH || pair->source) && pair_read(pair, 1, &got); i++)
		if (got > 0)
			net_count(&pair->counts.missed, 1);
}

void pair_receive(struct net_pair *pair)
{
	struct vu_req *req;
	ssize_t got;
	bool more = true;

	pair->reads = 0;
	if (pair_is_down(pair)) {
		pair_discard(pair);
		return;
	}
	while (more && pair_next_buffer(pair, &req)) {
		uint32_t n = req->n_writable;

		memcpy(pair->iov, req->writable, n * sizeof(pair->iov[0]));
		pair->iov[n] = (struct iovec){pair->overflow, NET_HEADER + NET_MAX_FRAME};
		pair->buffers[0] = req;
		more = pair_read(pair, (int)n + 1, &got);
		if (got > (ssize_t)pair->header)
			pair_fill(pair, (size_t)got);
		else
			pair_give_back(pair, 1);
		if (pair->kept)
			pair_starve(pair);
		more &= !pair->kept;
	}
}

/* --- events --- */

static void on_end(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct net_pair *pair = opaque;

	(void)source;
	(void)fd;
	if (events & EPOLLOUT)
		pair_go_on(pair);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		pair_receive(pair);
	if (events & (EPOLLHUP | EPOLLERR) && pair->source)
		pair_hung_up(pair);
}

int pair_set_fd(struct net_pair *pair, int fd)
{
	vu_source_remove(pair->source);
	pair->source = NULL;
	if (fd < 0)
		return 0;
	pair->watched = pair_events(pair);
	return vu_group_add_fd(pair_group(pair), fd, pair->watched, on_end, pair, &pair->source);
}

void pair_queue_ready(struct net_pair *pair, struct vu_queue *queue)
{
	if (queue == pair->rx) {
		pair_set_rests(pair, false);
		pair->starved = false;
		if (pair->end.ops->room)
			pair->end.ops->room(&pair->end);
		else
			pair_receive(pair);
		pair_watch(pair);
	}
	/* Who has no descriptor is asked whenever the guest does something. */
	if (pair->stuck && !pair->source)
		pair_go_on(pair);
	else if (queue == pair->tx)
		pair_transmit(pair);
}

static void on_link(void *opaque)
{
	pair_watch(opaque);
}

int pair_tell_link(struct net_pair *pair)
{
	if (pair->own_group)
		return vu_group_post(pair->own_group, on_link, pair);
	pair_watch(pair);
	return 0;
}

/* --- life --- */

int pair_configure(struct net_pair *pair, uint64_t features)
{
	bool long_header =
		features & (NET_BIT(VIRTIO_F_VERSION_1) | NET_BIT(VIRTIO_NET_F_MRG_RXBUF));

	pair->features = features;
	pair->kept = 0;
	pair->header = long_header ? NET_HEADER : NET_LEGACY_HEADER;
	return pair->end.ops->configure ? pair->end.ops->configure(&pair->end, features) : 0;
}

int pair_init(struct net_pair *pair, struct net *net, uint32_t index)
{
	pair->net = net;
	pair->index = index;
	pair->end.pair = pair;
	pair->starved = pair->rests = true;
	pair->header = NET_HEADER;
	pair->overflow = malloc(NET_HEADER + NET_MAX_FRAME);
	return pair->overflow ? 0 : -ENOMEM;
}

void pair_fini(struct net_pair *pair)
{
	pair_set_fd(pair, -1);
	if (pair->end.ops)
		pair->end.ops->free(&pair->end);
	vu_group_free(pair->own_group);
	free(pair->overflow);
}
