/* SPDX-License-Identifier: MIT */
/* See net_deliver.h. */
#include "net_deliver.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

size_t net_take(struct net_reader *from, void *to, size_t len)
{
	size_t done = 0;

	while (done < len && from->n) {
		size_t part = from->iov->iov_len - from->offset;

		if (part > len - done)
			part = len - done;
		memcpy((char *)to + done, (const char *)from->iov->iov_base + from->offset, part);
		done += part;
		from->offset += part;
		if (from->offset == from->iov->iov_len) {
			from->iov++;
			from->n--;
			from->offset = 0;
		}
	}
	return done;
}

/* Into a buffer, as much as has room. */
static uint64_t buffer_fill(const struct vu_req *req, struct net_reader *from)
{
	uint64_t done = 0;

	for (uint32_t i = 0; i < req->n_writable && from->n; i++)
		done += net_take(from, req->writable[i].iov_base, req->writable[i].iov_len);
	return done;
}

/* Buffers for a packet: how many, or -errno and none is held. */
static int take_buffers(struct net_pair *to, size_t len)
{
	bool merges = to->features & NET_BIT(VIRTIO_NET_F_MRG_RXBUF);
	uint64_t room = 0;
	uint32_t n = 0;
	int ret = 0;

	while (!ret && room < len) {
		if (n && !merges)
			ret = -EMSGSIZE;
		else if (n == NET_MAX_SEGS)
			ret = -EMSGSIZE;
		else if (!pair_next_buffer(to, &to->buffers[n]))
			ret = to->rests ? -ENETDOWN : n && !to->turn_over ? -ENOBUFS : -EAGAIN;
		else
			room += to->buffers[n++]->writable_len;
	}
	if (!ret)
		return (int)n;
	pair_give_back(to, n);
	return ret;
}

int net_deliver(struct net_pair *to, const struct virtio_net_hdr_v1 *header, struct iovec *list,
		int n_list, size_t len)
{
	struct net_reader from = {list, n_list, 0};
	struct virtio_net_hdr_v1 h = *header;
	int n;

	if (to->rests || pair_is_down(to))
		return -ENETDOWN;
	n = take_buffers(to, to->header + len);
	if (n < 0)
		return n;
	h.num_buffers = htole16((uint16_t)n);
	list[0] = (struct iovec){&h, to->header};
	for (int i = 0; i < n; i++)
		to->written[i] = buffer_fill(to->buffers[i], &from);
	vu_queue_complete_batch(to->rx, to->buffers, to->written, (uint32_t)n);
	net_count(&to->counts.received, 1);
	net_count(&to->counts.received_bytes, len);
	return 0;
}
