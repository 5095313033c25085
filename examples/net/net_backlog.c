/* SPDX-License-Identifier: MIT */
/* See net_backlog.h.  Thread: any, one at a time. */
#include "net_backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int net_backlog_init(struct net_backlog *b)
{
	*b = (struct net_backlog){.bytes = malloc(NET_BACKLOG)};
	return b->bytes ? 0 : -ENOMEM;
}

void net_backlog_free(struct net_backlog *b)
{
	free(b->bytes);
	b->bytes = NULL;
}

void net_backlog_clear(struct net_backlog *b)
{
	*b = (struct net_backlog){.bytes = b->bytes};
}

/* Where len bytes are, offset behind the first one; how many pieces. */
static int backlog_at(const struct net_backlog *b, size_t offset, size_t len, struct iovec at[2])
{
	size_t start = (b->first + offset) % NET_BACKLOG, part = NET_BACKLOG - start;

	at[0] = (struct iovec){b->bytes + start, len < part ? len : part};
	at[1] = (struct iovec){b->bytes, len - at[0].iov_len};
	return at[1].iov_len ? 2 : 1;
}

bool net_backlog_add(struct net_backlog *b, uint32_t from, const struct virtio_net_hdr_v1 *header,
		     const struct iovec *frame, int n, size_t len)
{
	const struct net_backlog_record record = {*header, from, (uint32_t)len};
	size_t all = sizeof(record) + len, offset;
	struct iovec at[2];

	if (b->used + all > NET_BACKLOG || b->share[from] + all > NET_BACKLOG - b->used)
		return false;
	net_scatter(at, backlog_at(b, b->used, all, at), 0, &record, sizeof(record));
	offset = sizeof(record);
	for (int i = 0; i < n; i++) {
		net_scatter(at, 2, offset, frame[i].iov_base, frame[i].iov_len);
		offset += frame[i].iov_len;
	}
	b->used += all;
	b->share[from] += all;
	return true;
}

int net_backlog_first(const struct net_backlog *b, struct net_backlog_record *record,
		      struct iovec frame[2])
{
	if (!b->used)
		return 0;
	net_gather(frame, backlog_at(b, 0, sizeof(*record), frame), 0, record, sizeof(*record));
	return backlog_at(b, sizeof(*record), record->len, frame);
}

void net_backlog_pop(struct net_backlog *b)
{
	struct net_backlog_record record;
	struct iovec frame[2];
	size_t all;

	if (!net_backlog_first(b, &record, frame))
		return;
	all = sizeof(record) + record.len;
	b->first = (b->first + all) % NET_BACKLOG;
	b->used -= all;
	b->share[record.from] -= all;
}
