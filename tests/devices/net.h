/* SPDX-License-Identifier: MIT */
/* What the suites of vu-net share: a guest's packets, sent and received. */
#ifndef DEVICES_NET_H
#define DEVICES_NET_H

#include <linux/virtio_net.h>
#include <stddef.h>

#include "client.h"
#include "rig.h"

enum { NET_RX, NET_TX, NET_ADDRESSES = 12, NET_LONGEST = 65553 };

/* Start with these options (up to NULL), --control among them, and connect a driver. */
void net_start(struct rig *rig, const char *backend, const char *const *more);
/* Skip the test where a tap cannot be had, in a network of its own; it is in one from here on. */
void net_need_tap(void);
/* A frame of len bytes that differs from others by seed, for nobody in particular. */
void net_frame(unsigned char *frame, uint32_t len, uint32_t seed);
/* The guest sends a header and a frame, and gets the buffer back; h NULL: a plain one. */
void net_send(struct rig *rig, const struct virtio_net_hdr_v1 *h, const void *frame, uint32_t len);
void net_send_on(struct rig *rig, uint32_t queue, const struct virtio_net_hdr_v1 *h,
		 const void *frame, uint32_t len);
/* A buffer for the guest to receive in. */
void net_give(struct rig *rig, uint32_t queue, struct rig_buffer *buffer, uint32_t len);
/* The guest received this frame, in a single buffer, under a plain header. */
void net_expect(struct rig *rig, uint32_t queue, struct rig_buffer *buffer, const void *frame,
		uint32_t len);
/* The number behind a word of what "stats" says of pair 0. */
uint64_t net_stat(struct rig *rig, const char *word);

#endif
