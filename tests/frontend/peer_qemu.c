/* SPDX-License-Identifier: MIT */
/*
 * The order in which QEMU says things (11.1): realize, driver start, driver stop.
 */
#include <errno.h>

#include "frontend/peer.h"

#define BIT(n) (UINT64_C(1) << (n))

enum { F_LOG_ALL = 26, F_EVENT_IDX = 29, F_PROTOCOL = 30, F_IOMMU = 33, F_PACKED = 34 };

/* virtio status bits (virtio 1.3 §2.1). */
enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8 };

/* Bits a front-end has to ask for on purpose. */
static const uint64_t odd_protocol_features =
	BIT(WIRE_PF_INBAND_NOTIFICATIONS) | BIT(WIRE_PF_CROSS_ENDIAN) | BIT(WIRE_PF_XEN_MMAP) |
	BIT(WIRE_PF_GPA_ADDRESSES) | BIT(WIRE_PF_GET_VRING_BASE_INFLIGHT);

static int peer_negotiate_protocol(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint64_t wanted = peer->config.protocol_features;
	uint64_t offered;
	int ret = frontend_get_protocol_features(f, &offered);

	if (!wanted)
		wanted = ~odd_protocol_features;
	if (ret == 0)
		ret = frontend_set_protocol_features(f, offered & wanted & ~PEER_NONE);
	if (ret == 0 && frontend_has(f, WIRE_PF_MQ))
		ret = frontend_get_queue_num(f, &peer->backend_queues);
	if (ret == 0 && frontend_has(f, WIRE_PF_CONFIGURE_MEM_SLOTS))
		ret = frontend_get_max_mem_slots(f, &peer->backend_slots);
	if (ret == 0 && frontend_has(f, WIRE_PF_BACKEND_REQ))
		ret = frontend_open_channel(f);
	return ret;
}

int peer_negotiate(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint64_t features;
	uint32_t i;
	int ret = frontend_get_features(f, &features);

	if (ret == 0 && features & BIT(F_PROTOCOL))
		ret = peer_negotiate_protocol(peer);
	if (ret == 0)
		ret = frontend_set_owner(f);
	if (ret == 0)
		ret = frontend_get_features(f, &features);
	/* QEMU hands over an fd that nobody reads until the driver wants interrupts. */
	for (i = 0; ret == 0 && i < peer->n_queues; i++)
		ret = frontend_set_vring_call(f, i, peer->queues[i]->call.device);
	for (i = 0; ret == 0 && i < peer->n_queues; i++)
		ret = frontend_set_vring_err(f, i, peer->queues[i]->err.device);
	return ret;
}

static int peer_add_status(struct peer *peer, uint64_t bits)
{
	struct frontend *f = &peer->frontend;
	uint64_t status;
	int ret;

	if (!frontend_has(f, WIRE_PF_STATUS))
		return 0;
	ret = frontend_get_status(f, &status);
	if (ret == 0)
		ret = frontend_set_status(f, status | bits);
	if (ret == 0)
		ret = frontend_get_status(f, &status);
	if (ret == 0 && (status & bits) != bits)
		return frontend_fail(f, -EREMOTEIO, "status %#llx: the back-end refuses %#llx",
				     (unsigned long long)status, (unsigned long long)bits);
	return ret;
}

int peer_set_driver(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint64_t wanted = peer->config.features;
	uint32_t i;
	int ret;

	if (!wanted)
		wanted = ~(BIT(F_LOG_ALL) | BIT(F_IOMMU));
	wanted &= ~BIT(F_PACKED);
	if (peer->config.packed)
		wanted |= BIT(F_PACKED);
	if (peer->config.packed && !(f->offered_features & BIT(F_PACKED)))
		return frontend_fail(f, -EOPNOTSUPP, "the back-end has no packed rings");
	/* The transport's own bit does not depend on what the driver wants. */
	if (f->protocol_features)
		wanted |= BIT(F_PROTOCOL);
	ret = frontend_set_features(f, f->offered_features & wanted & ~PEER_NONE);
	for (i = 0; i < peer->n_queues; i++)
		peer->queues[i]->event_idx = f->features & BIT(F_EVENT_IDX);
	if (ret == 0)
		ret = peer_add_status(peer, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	if (ret == 0)
		ret = peer_add_status(peer, STATUS_FEATURES_OK);
	return ret;
}

int peer_set_driver_ok(struct peer *peer)
{
	return peer_add_status(peer, STATUS_DRIVER_OK);
}

int peer_start_queue(struct peer *peer, uint32_t index)
{
	struct driver_ring *ring = peer->queues[index];
	struct frontend *f = &peer->frontend;
	int ret = frontend_setup_ring(f, ring, 0);

	/* As Linux does: with events from the first entry on. */
	driver_set_interrupts(ring, ring->interrupts);
	if (ret == 0 && !frontend_has(f, WIRE_PF_INBAND_NOTIFICATIONS))
		ret = frontend_set_vring_kick(f, index, ring->kick.device);
	if (ret == 0)
		ret = frontend_set_vring_call(f, index, ring->call.device);
	return ret;
}

int peer_start_rings(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint32_t i;
	int ret = frontend_set_memory(f, peer->guest);

	for (i = 0; ret == 0 && i < peer->n_queues; i++)
		ret = peer_start_queue(peer, i);
	if (f->features & BIT(F_PROTOCOL))
		for (i = 0; ret == 0 && i < peer->n_queues; i++)
			ret = frontend_set_vring_enable(f, i, true);
	return ret ? ret : peer_set_driver_ok(peer);
}

int peer_start(struct peer *peer)
{
	int ret = peer_negotiate(peer);

	if (ret == 0)
		ret = peer_set_driver(peer);
	if (ret == 0)
		ret = peer_start_rings(peer);
	return ret;
}

int peer_stop(struct peer *peer)
{
	struct frontend *f = &peer->frontend;
	uint32_t i;
	int ret = 0;

	if (f->features & BIT(F_PROTOCOL))
		for (i = 0; ret == 0 && i < peer->n_queues; i++)
			ret = frontend_set_vring_enable(f, i, false);
	for (i = 0; ret == 0 && i < peer->n_queues; i++)
		ret = frontend_get_vring_base(f, i, &peer->queues[i]->base);
	return ret;
}
