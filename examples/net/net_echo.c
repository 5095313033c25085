/* SPDX-License-Identifier: MIT */
/*
 * echo: what the guest sends comes back, from where it was sent to.
 *
 * A frame in one piece for which there is a buffer in one piece goes from the one ring to the other
 * with one copy, and many of these in one go; others by way of a frame here.  Without a buffer of
 * the guest's at hand they are lost, as on a wire.
 *
 * Thread: the pair's.
 */
#include "net.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESSES = 2 * NET_ADDRESS };

struct echo {
	bool to_signal; /* something was received since the last signal */
	size_t len;	/* of the frame; 0: none */
	struct vu_req *buffers[NET_BATCH];
	uint64_t written[NET_BATCH];
	unsigned char frame[NET_MAX_FRAME];
};

static void exchange(unsigned char *to, const unsigned char *from)
{
	unsigned char was[ADDRESSES];

	memcpy(was, from, ADDRESSES);
	memcpy(to, was + NET_ADDRESS, NET_ADDRESS);
	memcpy(to + NET_ADDRESS, was, NET_ADDRESS);
}

/* --- one by one --- */

static int echo_send(struct net_end *end, const struct iovec *iov, int n)
{
	struct net_pair *pair = end->pair;
	struct echo *echo = end->own;

	echo->len = net_gather(iov, n, iov[0].iov_len, echo->frame, sizeof(echo->frame));
	exchange(echo->frame, echo->frame);
	pair_receive(pair);
	if (!echo->len) {
		echo->to_signal = true;
		return 0;
	}
	echo->len = 0;
	if (pair->turn_over)
		return -EAGAIN;
	net_count(&pair->counts.missed, 1);
	return 0;
}

static ssize_t echo_receive(struct net_end *end, const struct iovec *iov, int n)
{
	static const struct virtio_net_hdr_v1 plain;
	struct echo *echo = end->own;
	size_t header = end->pair->header, len = echo->len;

	if (!len)
		return -EAGAIN;
	echo->len = 0;
	net_scatter(iov, n, 0, &plain, header);
	net_scatter(iov, n, header, echo->frame, len);
	return (ssize_t)(header + len);
}

/* --- many at a time --- */

/*
 * The bytes that are in the buffer now, with the header; 0: nothing was done, something is out of
 * the ordinary.  Both are guest memory, and may overlap.
 */
static uint64_t echo_move(const struct net_pair *pair, const struct vu_req *req,
			  const struct vu_req *buffer)
{
	const uint64_t len = req->readable_len;
	const unsigned char *from = req->readable[0].iov_base;
	struct {
		struct virtio_net_hdr_v1 header;
		unsigned char addresses[ADDRESSES];
	} first = {0};
	unsigned char *to;

	if (req->n_readable != 1 || len < pair->header || buffer->n_writable != 1 ||
	    buffer->writable_len < len || buffer->flags & VU_REQ_TOO_LONG)
		return 0;
	memcpy(&first.header, from, pair->header);
	if (pair_check(pair, &first.header, len - pair->header))
		return 0;
	memset(&first.header, 0, sizeof(first.header));
	first.header.num_buffers = htole16(1);
	exchange(first.addresses, from + pair->header);
	to = buffer->writable[0].iov_base;
	memmove(to + pair->header + ADDRESSES, from + pair->header + ADDRESSES,
		len - pair->header - ADDRESSES);
	memcpy(to, &first.header, pair->header);
	memcpy(to + pair->header, first.addresses, ADDRESSES);
	return len;
}

static uint32_t echo_send_plain(struct net_end *end, struct vu_req *const *reqs, uint32_t n)
{
	struct net_pair *pair = end->pair;
	struct echo *echo = end->own;
	int got = vu_queue_next_batch(pair->rx, echo->buffers, n);
	uint32_t i = 0, taken = got > 0 ? (uint32_t)got : 0;
	uint64_t bytes = 0;

	for (; i < taken; i++) {
		echo->written[i] = echo_move(pair, reqs[i], echo->buffers[i]);
		if (!echo->written[i])
			break;
		bytes += echo->written[i] - pair->header;
	}
	if (i)
		vu_queue_complete_batch(pair->rx, echo->buffers, echo->written, i);
	while (taken > i)
		if (vu_req_put_back(echo->buffers[--taken]))
			vu_req_complete(echo->buffers[taken], 0);
	echo->to_signal |= i > 0;
	pair_count_sent(pair, i, bytes);
	net_count(&pair->counts.received, i);
	net_count(&pair->counts.received_bytes, bytes);
	return i;
}

static void echo_sent(struct net_end *end)
{
	struct echo *echo = end->own;

	if (echo->to_signal)
		vu_queue_signal(end->pair->rx);
	echo->to_signal = false;
}

static void echo_free(struct net_end *end)
{
	free(end->own);
}

static const struct net_end_ops echo_ops = {
	.send = echo_send,
	.send_plain = echo_send_plain,
	.sent = echo_sent,
	.receive = echo_receive,
	.free = echo_free,
};

int net_echo_open(struct net *net, const char *spec)
{
	(void)spec;
	for (uint32_t i = 0; i < net->n_pairs; i++) {
		struct net_end *end = &net->pairs[i].end;

		end->own = calloc(1, sizeof(struct echo));
		if (!end->own)
			return -ENOMEM;
		end->ops = &echo_ops;
	}
	return 0;
}
