/* SPDX-License-Identifier: MIT */
/* See vsock_held.h. */
#include "vsock_held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vsock_packet.h"

enum { HELD_LEAST = 4096, HELD_LEAST_MESSAGES = 16, HELD_BYTES_A_MESSAGE = 16 };

static int held_grow(struct held *h, uint32_t need)
{
	uint32_t size = h->size ? h->size : HELD_LEAST;
	uint32_t first = h->len < h->size - h->start ? h->len : h->size - h->start;
	unsigned char *data;

	while (size < need)
		size *= 2;
	if (size == h->size)
		return 0;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	if (h->len) {
		memcpy(data, h->data + h->start, first);
		memcpy(data + first, h->data, h->len - first);
	}
	free(h->data);
	h->data = data;
	h->size = size;
	h->start = 0;
	return 0;
}

int held_room(struct held *h, uint32_t len, uint32_t limit, struct iovec iov[2])
{
	uint32_t end, first;
	int ret;

	iov[0] = iov[1] = (struct iovec){.iov_len = 0};
	if (!len)
		return 0;
	if (h->len > limit || len > limit - h->len)
		return -ENOBUFS;
	ret = held_grow(h, h->len + len);
	if (ret)
		return ret;
	end = (h->start + h->len) & (h->size - 1);
	first = len < h->size - end ? len : h->size - end;
	iov[0] = (struct iovec){h->data + end, first};
	iov[1] = (struct iovec){h->data, len - first};
	return 0;
}

void held_added(struct held *h, uint32_t len)
{
	h->len += len;
}

int held_add(struct held *h, const struct vu_req *req, uint64_t offset, uint32_t len,
	     uint32_t limit)
{
	struct iovec iov[2];
	int ret = held_room(h, len, limit, iov);

	for (int i = 0; i < 2 && !ret; i++) {
		if (vu_req_read(req, offset, iov[i].iov_base, iov[i].iov_len) < iov[i].iov_len)
			ret = -EFAULT;
		offset += iov[i].iov_len;
	}
	if (!ret)
		held_added(h, len);
	return ret;
}

/* --- messages --- */

static int held_grow_messages(struct held *h)
{
	uint32_t max = h->max_messages ? 2 * h->max_messages : HELD_LEAST_MESSAGES;
	struct held_message *messages = calloc(max, sizeof(*messages));

	if (!messages)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->n_messages; i++)
		messages[i] = h->messages[(h->first_message + i) & (h->max_messages - 1)];
	free(h->messages);
	h->messages = messages;
	h->max_messages = max;
	h->first_message = 0;
	return 0;
}

int held_add_message(struct held *h, uint32_t len, uint32_t flags, uint32_t limit)
{
	struct held_message *last = NULL;
	int ret;

	if (h->n_messages)
		last = &h->messages[(h->first_message + h->n_messages - 1) & (h->max_messages - 1)];
	if (last && !(last->flags & VIRTIO_VSOCK_SEQ_EOM)) {
		last->len += len;
		last->flags |= flags;
		return 0;
	}
	if (h->n_messages >= limit / HELD_BYTES_A_MESSAGE)
		return -ENOBUFS;
	ret = h->n_messages == h->max_messages ? held_grow_messages(h) : 0;
	if (ret)
		return ret;
	h->messages[(h->first_message + h->n_messages++) & (h->max_messages - 1)] =
		(struct held_message){len, flags};
	return 0;
}

int held_add_part(struct held *h, const struct vu_req *req, uint64_t offset, uint32_t len,
		  uint32_t flags, uint32_t limit)
{
	int ret = held_add(h, req, offset, len, limit);

	flags &= VIRTIO_VSOCK_SEQ_EOM | VIRTIO_VSOCK_SEQ_EOR;
	return ret ? ret : held_add_message(h, len, flags, limit);
}

struct held_message *held_message(const struct held *h)
{
	return h->n_messages ? &h->messages[h->first_message] : NULL;
}

bool held_can_go(const struct held *h)
{
	const struct held_message *m = held_message(h);

	return m ? m->flags & VIRTIO_VSOCK_SEQ_EOM : h->len;
}

void held_drop_message(struct held *h)
{
	h->first_message = (h->first_message + 1) & (h->max_messages - 1);
	if (--h->n_messages)
		return;
	free(h->messages);
	h->messages = NULL;
	h->max_messages = h->first_message = 0;
}

/* --- out again --- */

int held_iov(const struct held *h, uint32_t max, struct iovec iov[2])
{
	uint32_t len = max < h->len ? max : h->len;
	uint32_t first = len < h->size - h->start ? len : h->size - h->start;

	if (!len)
		return 0;
	iov[0] = (struct iovec){h->data + h->start, first};
	iov[1] = (struct iovec){h->data, len - first};
	return first < len ? 2 : 1;
}

void held_copy(const struct held *h, const struct vu_req *req, uint64_t offset, uint32_t len)
{
	struct iovec iov[2];
	int n = held_iov(h, len, iov);

	for (int i = 0; i < n; i++) {
		vu_req_write(req, offset, iov[i].iov_base, iov[i].iov_len);
		offset += iov[i].iov_len;
	}
}

void held_drop(struct held *h, uint32_t len)
{
	h->len -= len;
	if (h->len) {
		h->start = (h->start + len) & (h->size - 1);
		return;
	}
	free(h->data);
	h->data = NULL;
	h->size = h->start = 0;
}

uint32_t held_fill_message(struct held *h, struct vu_req *const *reqs, uint32_t n, uint32_t room,
			   uint32_t *bytes, uint32_t *flags)
{
	struct held_message *m = held_message(h);
	uint32_t used;

	for (used = 0; m && used < n; used++) {
		uint32_t len = packet_room(reqs[used], m->len < room ? m->len : room);
		bool last = len == m->len && m->flags & VIRTIO_VSOCK_SEQ_EOM;

		if (!len && !last)
			break;
		held_copy(h, reqs[used], PACKET_HEAD, len);
		held_drop(h, len);
		m->len -= len;
		room -= len;
		bytes[used] = len;
		if (last) {
			flags[used++] = m->flags;
			held_drop_message(h);
			break;
		}
	}
	return used;
}

void held_free(struct held *h)
{
	free(h->data);
	free(h->messages);
	*h = (struct held){.len = 0};
}
