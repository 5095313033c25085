/* SPDX-License-Identifier: MIT */
/*
 * The order in which User-mode Linux's virtio_uml driver (6.12) says things.  What is odd about
 * it: no GET_QUEUE_NUM, no status, no GET_VRING_BASE, no err fd; NEED_REPLY already on
 * SET_PROTOCOL_FEATURES; a memory table of two regions' size with one region in it; sockets as
 * call fds; a ring begun anew without having been stopped.
 */
#include <errno.h>
#include <string.h>

#include "frontend/peer.h"

#define BIT(n) (UINT64_C(1) << (n))

enum { F_INDIRECT = 28, F_EVENT_IDX = 29, F_PROTOCOL = 30, F_VERSION_1 = 32 };

static const uint64_t uml_protocol_features = BIT(WIRE_PF_REPLY_ACK) | BIT(WIRE_PF_BACKEND_REQ) |
					      BIT(WIRE_PF_CONFIG) |
					      BIT(WIRE_PF_INBAND_NOTIFICATIONS);

static int uml_negotiate(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint64_t offered;
	int ret = frontend_set_owner(f);

	if (ret == 0)
		ret = frontend_get_features(f, &offered);
	if (ret < 0 || !(offered & BIT(F_PROTOCOL)))
		return ret;
	ret = frontend_get_protocol_features(f, &offered);
	if (ret == 0)
		ret = frontend_set_protocol_features(f, offered & uml_protocol_features);
	if (ret == 0 && !frontend_has(f, WIRE_PF_BACKEND_REQ))
		return frontend_fail(f, -EBUSY, "the driver's probe fails without BACKEND_REQ");
	return ret == 0 ? frontend_open_channel(f) : ret;
}

static int uml_set_memory(struct peer *peer)
{
	const struct guest_region *r = &peer->guest->regions[0];
	struct {
		uint32_t n_regions, padding;
		struct wire_region regions[2];
	} table = {
		.n_regions = 1,
		.regions = {{
			.guest_addr = r->gpa,
			.size = r->size,
			.user_addr = r->uva,
			.mmap_offset = r->mmap_offset,
		}},
	};

	return frontend_tell(&peer->frontend, WIRE_SET_MEM_TABLE, &table, sizeof(table), &r->fd, 1);
}

static int uml_setup_queue(struct peer *peer, uint32_t index)
{
	struct driver_ring *ring = peer->queues[index];
	struct frontend *f = &peer->frontend;
	int ret = 0;

	driver_reset(ring);
	driver_set_interrupts(ring, true);
	if (!frontend_has(f, WIRE_PF_INBAND_NOTIFICATIONS))
		ret = frontend_set_vring_call(f, index, ring->call.device);
	return ret == 0 ? frontend_setup_ring(f, ring, 0) : ret;
}

static int uml_set_driver(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint64_t wanted = peer->config.features ? peer->config.features : ~UINT64_C(0);
	uint32_t i;

	/* The device's own bits, and the ring's that this kernel knows. */
	wanted &= (BIT(24) - 1) | BIT(F_INDIRECT) | BIT(F_EVENT_IDX) | BIT(F_VERSION_1);
	wanted |= BIT(F_PROTOCOL);
	for (i = 0; i < peer->n_queues; i++)
		peer->queues[i]->event_idx = f->offered_features & wanted & BIT(F_EVENT_IDX);
	return frontend_set_features(f, f->offered_features & wanted);
}

/* What the virtio bus does for each driver that binds. */
static int uml_bind(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint32_t i;
	int ret = uml_set_driver(peer);

	if (ret == 0)
		ret = uml_set_memory(peer);
	for (i = 0; ret == 0 && i < peer->n_queues; i++)
		ret = uml_setup_queue(peer, i);
	for (i = 0; ret == 0 && i < peer->n_queues; i++) {
		if (!frontend_has(f, WIRE_PF_INBAND_NOTIFICATIONS))
			ret = frontend_set_vring_kick(f, i, peer->queues[i]->kick.device);
		if (ret == 0)
			ret = frontend_set_vring_enable(f, i, true);
	}
	return ret;
}

int peer_start_uml(struct peer *peer)
{
	int ret = 0;

	/* The socket is opened once; a second bind finds everything negotiated. */
	if (!peer->frontend.protocol_features)
		ret = uml_negotiate(peer);
	return ret == 0 ? uml_bind(peer) : ret;
}

int peer_stop_uml(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint64_t features;
	uint32_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < peer->n_queues; i++)
		ret = frontend_set_vring_enable(f, i, false);
	return ret == 0 ? frontend_get_features(f, &features) : ret;
}
