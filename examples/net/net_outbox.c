/* SPDX-License-Identifier: MIT */
/* See net_outbox.h.  Thread: the pair's. */
#include "net_outbox.h"

#include <string.h>

bool net_outbox_add(struct net_outbox *o, const struct iovec *iov, int n)
{
	size_t len = 0;

	/* iov[0] is the header, which does not go out: its place is the prefix's. */
	for (int i = 1; i < n; i++)
		len += iov[i].iov_len;
	if (o->frames == OUTBOX_FRAMES || o->pieces + (uint32_t)n > OUTBOX_PIECES ||
	    o->bytes + NET_PREFIX + len > OUTBOX_BYTES)
		return false;
	net_prefix_write(o->prefix[o->frames], (uint32_t)len);
	o->piece[o->pieces] = (struct iovec){o->prefix[o->frames], NET_PREFIX};
	memcpy(o->piece + o->pieces + 1, iov + 1, ((size_t)n - 1) * sizeof(*iov));
	o->pieces += (uint32_t)n;
	o->bytes += NET_PREFIX + len;
	o->first[++o->frames] = o->pieces;
	return true;
}

void net_outbox_keep(struct net_outbox *o, size_t done)
{
	o->rest_at = 0;
	o->rest_len = net_gather(o->piece, (int)o->pieces, done, o->rest, sizeof(o->rest));
	o->frames = o->pieces = 0;
	o->bytes = 0;
}

size_t net_outbox_bytes(const struct net_outbox *o, uint32_t n)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < o->first[n]; i++)
		bytes += o->piece[i].iov_len;
	return bytes;
}

bool net_outbox_has_rest(const struct net_outbox *o)
{
	return o->rest_at < o->rest_len;
}

void net_outbox_advance(struct net_outbox *o, size_t done)
{
	o->rest_at += done;
}

void net_outbox_clear(struct net_outbox *o)
{
	o->frames = o->pieces = 0;
	o->bytes = o->rest_at = o->rest_len = 0;
}
