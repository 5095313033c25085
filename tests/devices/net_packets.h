/* SPDX-License-Identifier: MIT */
/* Packets as a guest sends them that leaves checksums and cutting to others, and what is to become
 * of them. */
#ifndef DEVICES_NET_PACKETS_H
#define DEVICES_NET_PACKETS_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

enum { PACKET_LONGEST = 65553, PACKET_USO = 5 /* VIRTIO_NET_HDR_GSO_UDP_L4 */ };

enum net_packet_kind {
	PACKET_V6 = 1,
	PACKET_UDP = 2,	    /* else TCP */
	PACKET_VLAN = 4,    /* in a VLAN's tag */
	PACKET_OPTIONS = 8, /* with options of IP (an extension of v6) and of TCP */
	PACKET_KINDS = 16,
};

struct net_made {
	uint32_t kind;
	uint32_t network, transport, payload; /* where they begin */
	uint32_t len, size;		      /* size: of a segment's payload */
	struct virtio_net_hdr_v1 header;
	unsigned char frame[PACKET_LONGEST];
};

/* From 02::<from> to 02::<to>, of so many bytes of payload. */
void net_make(struct net_made *m, uint32_t kind, uint8_t to, uint8_t from, uint32_t payload,
	      uint32_t size);
/* How many segments it makes. */
uint32_t net_made_segments(const struct net_made *m);
/* This is one of them, as a whole packet. */
void net_expect_segment(const struct net_made *m, uint32_t i, const unsigned char *frame,
			uint32_t len);
/* Not in segments: the checksum alone is to be completed, and here it is. */
void net_make_alone(struct net_made *m);
void net_expect_complete(const struct net_made *m, const unsigned char *frame, uint32_t len);

#endif
