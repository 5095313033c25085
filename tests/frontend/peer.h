/* SPDX-License-Identifier: MIT */
/*
 * A complete virtual machine as a back-end sees it: front-end, guest memory and driver rings,
 * negotiated in the order of a real one.
 *
 * Typical use, device and front-end on one thread:
 *
 *	struct peer_config config = {.n_queues = 1, .pump = pump_device, .pump_opaque = dev};
 *	struct peer *peer;
 *
 *	peer_new(&config, &peer);
 *	peer_open(peer, &backend_fd);           hand backend_fd to vu_device_attach()
 *	peer_start(peer);
 *	driver_add(peer->queues[0], segs, n, NULL);
 *	peer_wait_used(peer, 0, &used);         kicks first
 *	peer_stop(peer);
 *	peer_free(peer);
 *
 * Functions return 0 or -errno with peer->frontend.error saying what was wrong.
 */
#ifndef FRONTEND_PEER_H
#define FRONTEND_PEER_H

#include "frontend/driver.h"
#include "frontend/frontend.h"
#include "frontend/guest.h"

enum {
	PEER_MAX_QUEUES = 256,
	PEER_QUEUE_SIZE = 256,
	PEER_MEMORY = 16 << 20,
};

/* What PEER_NONE asks for: no feature at all, where 0 means the default. */
#define PEER_NONE (UINT64_C(1) << 63)

struct peer_config {
	uint32_t n_queues;
	uint32_t queue_size; /* 0: PEER_QUEUE_SIZE */
	bool packed;	     /* insist on packed rings; without it they are not acked */
	/* Bits to ack where the back-end offers them.  0: all but LOG_ALL, ACCESS_PLATFORM. */
	uint64_t features;
	/* The same for protocol features; 0: all but in-band, cross-endian, Xen, GPA addresses. */
	uint64_t protocol_features;
	uint32_t max_indirect; /* longest chain of driver_add_indirect() */
	enum driver_notifier notifier;
	/* Memory: the first n_regions; 0: one of PEER_MEMORY bytes at guest address 0. */
	uint32_t n_regions;
	const struct guest_region *regions;
	bool no_acks; /* never set NEED_REPLY */
	unsigned int timeout_ms;
	void (*pump)(void *opaque);
	void *pump_opaque;
};

struct peer {
	struct frontend frontend;
	struct guest *guest;
	uint32_t n_queues;
	struct driver_ring *queues[PEER_MAX_QUEUES];
	struct peer_config config;
	uint64_t backend_queues; /* answer to GET_QUEUE_NUM, if it was asked */
	uint64_t backend_slots;	 /* answer to GET_MAX_MEM_SLOTS, if it was asked */
};

/* Memory, and once features are known the rings; no I/O yet. */
int peer_new(const struct peer_config *config, struct peer **peer);
void peer_free(struct peer *peer);

/* A new connection; an open one is closed.  Memory and rings stay as they are. */
int peer_open(struct peer *peer, int *backend_fd);
int peer_adopt(struct peer *peer, int fd);
int peer_connect(struct peer *peer, const char *path);
/* The front-end dies: nothing is said, the socket just closes. */
void peer_disconnect(struct peer *peer);

/*
 * QEMU's order: everything up to running, enabled rings.  peer_start() is the three steps:
 * negotiate (realize the device), the driver's features and status, memory and rings.
 * Also after a reconnection: then the rings go on from what the ring says was used.
 */
int peer_start(struct peer *peer);
int peer_negotiate(struct peer *peer);
int peer_set_driver(struct peer *peer);
int peer_start_rings(struct peer *peer);
/* One queue of peer_start_rings(): NUM, BASE, ADDR, KICK, CALL; not ENABLE. */
int peer_start_queue(struct peer *peer, uint32_t index);
/* The last step of peer_start_rings(). */
int peer_set_driver_ok(struct peer *peer);
/* QEMU's stop: ENABLE 0 for all, GET_VRING_BASE for each, which the rings remember. */
int peer_stop(struct peer *peer);

/* User-mode Linux's order, and its unbind and bind.  The config should use DRIVER_SOCKET. */
int peer_start_uml(struct peer *peer);
int peer_stop_uml(struct peer *peer);

/* Publish and kick queue index, then wait for one used chain.  -ECONNRESET: the back-end is gone. */
int peer_wait_used(struct peer *peer, uint32_t index, struct driver_used *used);
/* Wait until the call fd of the queue is signalled, and take the signal. */
int peer_wait_call(struct peer *peer, uint32_t index);

#endif
