/* SPDX-License-Identifier: MIT */
/* A peer of libvu-testing: the tree's own test peer, and what a session has beside it. */
#ifndef TESTING_PEER_H
#define TESTING_PEER_H

#include "frontend/peer.h"
#include "frontend/peer_log.h"
#include "libvu-testing/testing.h"

struct vut_peer {
	struct peer *inner;
	struct vut_options options;
	bool is_negotiated, is_driver_ok;
	bool runs[VUT_MAX_QUEUES];
	/* In-flight log: of all connections until vut_forget(). */
	struct wire_inflight inflight;
	int inflight_fd; /* -1: none yet */
	unsigned char *inflight_bytes;
	bool inflight_is_told;
	struct peer_log log;
	bool has_log;
};

/* The queue's ring; NULL, with the error said, if there is none. */
struct driver_ring *testing_ring(struct vut_peer *peer, uint32_t queue);
/* The log of this session is asked for, or the one from before is given back. */
int testing_inflight_begin(struct vut_peer *peer);
void testing_inflight_forget(struct vut_peer *peer);

#endif
