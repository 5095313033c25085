/* SPDX-License-Identifier: MIT */
/*
 * Packets that wait for buffers of a guest's, as in the memory of a switch: bounded, and one sender
 * uses no more of it than is then left for others.  No I/O.
 */
#ifndef NET_BACKLOG_H
#define NET_BACKLOG_H

#include <sys/uio.h>

#include "net_header.h"
#include "net_table.h"

enum { NET_BACKLOG = 1 << 20 }; /* bytes */

struct net_backlog {
	unsigned char *bytes; /* a circle of NET_BACKLOG, touched as far as it is used */
	size_t first, used;
	size_t share[NET_PLACES]; /* of what is used */
};

/* What lies in front of each. */
struct net_backlog_record {
	struct virtio_net_hdr_v1 header;
	uint32_t from; /* place */
	uint32_t len;
};

int net_backlog_init(struct net_backlog *b);
void net_backlog_free(struct net_backlog *b);
void net_backlog_clear(struct net_backlog *b);
/* False: there is no room for it.  frame has len bytes. */
bool net_backlog_add(struct net_backlog *b, uint32_t from, const struct virtio_net_hdr_v1 *header,
		     const struct iovec *frame, int n, size_t len);
/* The oldest one and where it lies, in up to two pieces: how many; 0: there is none. */
int net_backlog_first(const struct net_backlog *b, struct net_backlog_record *record,
		      struct iovec frame[2]);
/* It is gone. */
void net_backlog_pop(struct net_backlog *b);

#endif
