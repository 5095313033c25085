/* SPDX-License-Identifier: MIT */
/*
 * The parts of the switch: which frame goes where (net_switch.c), how it gets there
 * (net_forward.c), and what is told of it (net_switch_tell.c).
 * Thread: the device thread, which is one for all devices of a process.
 */
#ifndef NET_SWITCH_H
#define NET_SWITCH_H

#include "net.h"
#include "net_backlog.h"
#include "net_rules.h"
#include "net_segment.h"
#include "net_table.h"
#include "net_uplink.h"

enum {
	NET_UNIT = 2048,
	NET_MOST_WORK = 4096, /* in a turn: one packet can be for all places, and in 256 pieces */
};

/* What was sent from a place and did not pass. */
struct net_switch_counts {
	uint64_t spoofed;   /* from an address that is another one's */
	uint64_t forbidden; /* for a place that no rule lets it reach */
	uint64_t refused;   /* malformed */
	uint64_t lost;	    /* the uplink did not take it */
	uint64_t missed;    /* for want of room at another one */
	uint64_t turns;	    /* times that what else it sent had to wait for its next turn */
};

struct net_port {
	struct net_pair *pair; /* NULL: there is none */
	bool to_signal;	       /* it has received something since the last signal */
	struct net_backlog backlog;
	uint64_t short_since; /* it has too few buffers for the first one there; 0: it has not */
	/* What its guest's packets have cost since its last turn began: 1 for each frame that was
	 * made of them, and 1 for each NET_UNIT bytes of that. */
	uint32_t work;
	struct net_turn *turn; /* the next one, which is waited for; or NULL */
	size_t too_long;       /* a frame of so many bytes waited for that in vain; 0: none did */
};

/* What is being forwarded.  Its first bytes are a copy, which was checked; the rest can change. */
struct net_packet {
	uint32_t from; /* place */
	struct virtio_net_hdr_v1 header;
	const unsigned char *head; /* NET_HEAD, or all */
	size_t len;
	int n;
	struct iovec list[NET_MAX_SEGS + 2]; /* n of them; the first one is whose header goes out */
	struct net_cut cut;		     /* where the header says so */
	bool is_gathered;		     /* in s->frame */
	bool is_complete;		     /* with its checksum */
};

struct net_switch {
	uint32_t n; /* ports */
	struct net_port ports[NET_MAX_PORTS];
	struct net_uplink *uplink; /* NULL: there is none */
	bool pin;
	struct net_rules rules;
	struct net_table table;
	struct net_switch_counts counts[NET_PLACES];
	struct net_packet packet;
	unsigned char head[NET_HEAD];
	unsigned char frame[NET_MAX_FRAME], segment[NET_MAX_FRAME];
};

/* To one place, as far as that takes it. */
void net_forward(struct net_switch *s, struct net_packet *p, uint32_t to);
/* What waits for a port's guest, as far as it has buffers. */
void net_forward_backlog(struct net_switch *s, uint32_t to);
/* It waits no more. */
void net_forward_forget(struct net_switch *s, uint32_t to);

#endif
