/* SPDX-License-Identifier: MIT */
/*
 * What a sender left to others, a checksum or the cutting into segments (virtio 1.3 §5.1.6.2), done
 * here, for a receiver who did not take that.  No state, no I/O.
 */
#ifndef NET_SEGMENT_H
#define NET_SEGMENT_H

#include <stdbool.h>

#include "net_header.h"

enum {
	/* All headers are within these first bytes. */
	NET_HEAD = 256,
	/* More would be a lot of work for one packet: 64 KiB in segments of 536 bytes are 123. */
	NET_MAX_CUTS = 256,
};

/* Both sides of each of these features. */
extern const uint64_t net_offloads;

/* A driver with these features takes it as it is (§5.1.6.4.1).  The header was checked. */
bool net_is_taken(const struct virtio_net_hdr_v1 *header, uint64_t features);

/* A frame that is to be cut: where its headers are. */
struct net_cut {
	uint32_t network;   /* offset of IP's */
	uint32_t transport; /* and of TCP's or UDP's */
	uint32_t payload;
	uint32_t size; /* of a segment's payload */
	uint32_t n;
	bool v6, tcp;
};

/*
 * Of a frame of len bytes, whose first ones are these: as many as there are, or NET_HEAD.  The
 * header was checked.  NULL, or what is wrong: it is not what its header says.
 */
const char *net_cut_look(struct net_cut *cut, const struct virtio_net_hdr_v1 *header,
			 const unsigned char *head, size_t len);
/* The segment i (of cut->n) of a frame, whole, into out, which has room for any; its bytes. */
size_t net_cut_make(const struct net_cut *cut, const unsigned char *frame, size_t len, uint32_t i,
		    unsigned char *out);

/* Complete the checksum that a checked header asks for. */
void net_complete_checksum(const struct virtio_net_hdr_v1 *header, unsigned char *frame,
			   size_t len);

#endif
