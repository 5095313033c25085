/* SPDX-License-Identifier: MIT */
/*
 * The credit of a connection (virtio 1.3 §5.10.6.3): how much each side may send.
 *
 * Both directions count bytes of payload, modulo 2^32.  All arithmetic here is of differences, so
 * a connection goes on beyond 4 GiB.
 *
 * Linux counts packets, too: since 2026 it resets a connection in whose queue there are more than
 * fit its buffer when each is taken for some 600 bytes (6.12.92, 7.2).  So each packet that is
 * shorter than CREDIT_SMALL is taken for CREDIT_SMALL here until the guest says that it has read
 * it, and there are never more than CREDIT_MAX_SMALL such.
 */
#ifndef VSOCK_CREDIT_H
#define VSOCK_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vsock_packet.h"

enum { CREDIT_SMALL = 1024, CREDIT_MAX_SMALL = 256 };

struct credit {
	/* To the guest: what it said last, and what was sent. */
	uint32_t peer_buf_alloc, peer_fwd_cnt;
	uint32_t tx_cnt;
	/* From the guest: what we say, what it was told last, and what came. */
	uint32_t buf_alloc, fwd_cnt;
	uint32_t told_buf_alloc, told_fwd_cnt;
	uint32_t rx_cnt;
	/* tx_cnt behind each short packet that the guest may not have read yet. */
	uint32_t small[CREDIT_MAX_SMALL], first_small, n_small;
};

/* The guest's packet says what it has room for.  true: that is news. */
bool credit_learn(struct credit *c, const struct packet *packet);
/* How many bytes may be sent now; 0 also while there are too many short packets. */
uint32_t credit_room(const struct credit *c);
/* A packet with so many bytes goes to the guest. */
void credit_sent(struct credit *c, uint32_t len);
/* Each packet that goes out tells ours. */
void credit_tell(struct credit *c, struct packet *packet);
/* So many bytes came: false if the guest had no credit for them. */
bool credit_received(struct credit *c, uint32_t len);
/* Is more than half of what the guest may have on its way there, not known to be read? */
bool credit_is_low(const struct credit *c);
/* How much that is: what it was told, and not more than its own buffer. */
uint32_t credit_window(const struct credit *c);
/* Has the guest to be told of bytes that went on, lest it waits?  §5.10.6.3 leaves when open. */
bool credit_is_due(const struct credit *c);

#endif
