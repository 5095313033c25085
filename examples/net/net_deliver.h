/* SPDX-License-Identifier: MIT */
/* Packets that lie in other memory, straight into a guest's buffers. */
#ifndef NET_DELIVER_H
#define NET_DELIVER_H

#include "net.h"

/* A place in a list, from where bytes are taken. */
struct net_reader {
	const struct iovec *iov;
	int n;
	size_t offset; /* in the first */
};

/* The next len bytes, or fewer where the list ends. */
size_t net_take(struct net_reader *from, void *to, size_t len);

/*
 * A frame of len bytes under a header (without num_buffers) goes to the guest of a pair, copied
 * once.  It begins with list[1]; what is before it is the callee's.  0; -EAGAIN: it has no buffers,
 * and queue_ready comes when there are some; -ENOBUFS: it has too few, and perhaps all that it will
 * ever have; -ENETDOWN: it is not there, or its link is down; -EMSGSIZE: it will never fit.
 * Thread: the pair's.
 */
int net_deliver(struct net_pair *to, const struct virtio_net_hdr_v1 *header, struct iovec *list,
		int n, size_t len);

#endif
