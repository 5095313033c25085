/* SPDX-License-Identifier: MIT */
/* The port of a switch that leads out of the process: a tap of the host's. */
#ifndef NET_UPLINK_H
#define NET_UPLINK_H

#include "net.h"

struct net_uplink;

/* A frame from there under a checked header; it is the callee's until the call ends. */
typedef void (*net_uplink_frame)(void *opaque, const struct virtio_net_hdr_v1 *header,
				 unsigned char *frame, size_t len);
/* These were all, for now. */
typedef void (*net_uplink_done)(void *opaque);

/* "tap:NAME"; 0, or -errno after a line on standard error. */
int net_uplink_open(struct net_uplink **uplink, const char *spec);
void net_uplink_free(struct net_uplink *uplink);
/* What comes is told on the group's thread, from now on. */
int net_uplink_begin(struct net_uplink *uplink, struct vu_group *group, net_uplink_frame frame,
		     net_uplink_done done, void *opaque);
/* What it takes, as the GUEST_ features of a driver. */
uint64_t net_uplink_features(const struct net_uplink *uplink);
/* A frame that begins with list[1], as of net_deliver().  0, or -errno: it is lost. */
int net_uplink_send(struct net_uplink *uplink, const struct virtio_net_hdr_v1 *header,
		    struct iovec *list, int n);

#endif
