/* SPDX-License-Identifier: MIT */
/* A peer's life: memory and rings, connections, from features to running rings. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

#define F_PROTOCOL_FEATURES (UINT64_C(1) << 30)

/* What the front-end calls its own address of guest address 0: nobody is mapped there. */
#define USER_BASE UINT64_C(0x700000000000)

static struct guest_region testing_region(uint64_t at, uint64_t size)
{
	return (struct guest_region){.gpa = at, .size = size, .uva = USER_BASE + at};
}

int vut_peer_new(const struct vut_options *options, struct vut_peer **out)
{
	struct vut_peer *peer = calloc(1, sizeof(*peer));
	struct guest_region region;
	struct peer_config config;
	int ret;

	if (!peer)
		return -ENOMEM;
	if (options)
		peer->options = *options;
	options = &peer->options;
	region =
		testing_region(options->memory_at, options->memory ? options->memory : PEER_MEMORY);
	config = (struct peer_config){
		.n_queues = options->n_queues,
		.queue_size = options->queue_size,
		.packed = options->packed,
		.features = options->features,
		.protocol_features = options->protocol_features,
		.max_indirect = options->max_indirect,
		.n_regions = 1,
		.regions = &region,
		.no_acks = options->no_acks,
		.timeout_ms = options->timeout_ms,
		.pump = options->pump,
		.pump_opaque = options->pump_opaque,
	};
	peer->inflight_fd = -1;
	ret = peer_new(&config, &peer->inner);
	if (ret < 0) {
		free(peer);
		return ret;
	}
	peer->inner->config.regions = NULL; /* it was of this function */
	*out = peer;
	return 0;
}

void vut_peer_free(struct vut_peer *peer)
{
	if (!peer)
		return;
	testing_inflight_forget(peer);
	if (peer->has_log)
		peer_log_free(&peer->log);
	peer_free(peer->inner);
	free(peer);
}

const char *vut_error(const struct vut_peer *peer)
{
	return peer->inner->frontend.error;
}

struct driver_ring *testing_ring(struct vut_peer *peer, uint32_t queue)
{
	if (queue < peer->inner->n_queues)
		return peer->inner->queues[queue];
	frontend_fail(&peer->inner->frontend, -EINVAL, "the peer has no queue %u", queue);
	return NULL;
}

/* --- the connection --- */

static void testing_begin(struct vut_peer *peer)
{
	peer->is_negotiated = peer->is_driver_ok = peer->inflight_is_told = false;
	memset(peer->runs, 0, sizeof(peer->runs));
}

int vut_connect(struct vut_peer *peer, const char *path)
{
	struct frontend *f = &peer->inner->frontend;
	uint64_t deadline = frontend_deadline(peer->options.timeout_ms ? peer->options.timeout_ms
								       : FRONTEND_TIMEOUT_MS);
	int ret;

	vut_disconnect(peer);
	for (;;) {
		ret = peer_connect(peer->inner, path);
		if (ret != -ENOENT && ret != -ECONNREFUSED && ret != -EAGAIN)
			return ret;
		if (frontend_deadline(0) >= deadline)
			return ret;
		frontend_pump(f);
		poll(NULL, 0, 5);
	}
}

int vut_adopt(struct vut_peer *peer, int fd)
{
	vut_disconnect(peer);
	return peer_adopt(peer->inner, fd);
}

int vut_pair(struct vut_peer *peer, int *fd)
{
	vut_disconnect(peer);
	return peer_open(peer->inner, fd);
}

void vut_disconnect(struct vut_peer *peer)
{
	if (peer->inner->frontend.fd >= 0)
		peer_disconnect(peer->inner);
	testing_begin(peer);
}

void vut_forget(struct vut_peer *peer)
{
	for (uint32_t i = 0; i < peer->inner->n_queues; i++)
		driver_reset(peer->inner->queues[i]);
	testing_inflight_forget(peer);
}

int vut_wait_closed(struct vut_peer *peer)
{
	struct frontend *f = &peer->inner->frontend;

	if (f->fd < 0)
		return frontend_fail(f, -ENOTCONN, "the front-end is not connected");
	return frontend_wait_closed(f);
}

/* --- from features to running rings --- */

uint32_t vut_n_queues(const struct vut_peer *peer)
{
	return peer->inner->n_queues;
}

uint32_t vut_backend_queues(const struct vut_peer *peer)
{
	return (uint32_t)peer->inner->backend_queues;
}

int vut_add_queue(struct vut_peer *peer, uint32_t size)
{
	struct peer *inner = peer->inner;
	struct driver_config config = {
		.guest = inner->guest,
		.index = inner->n_queues,
		.size = size ? size : PEER_QUEUE_SIZE,
		.packed = peer->options.packed,
		.event_idx = inner->n_queues ? inner->queues[0]->event_idx
					     : inner->frontend.features >> 29 & 1,
		.max_indirect = peer->options.max_indirect,
	};
	int ret;

	if (inner->n_queues == VUT_MAX_QUEUES || config.size > 32768 ||
	    (!config.packed && config.size & (config.size - 1)))
		return frontend_fail(&inner->frontend, -EINVAL, "no queue %u of %u descriptors",
				     config.index, config.size);
	ret = driver_new(&config, &inner->queues[config.index]);
	if (ret < 0)
		return frontend_fail(&inner->frontend, ret, "queue %u: %s", config.index,
				     strerror(-ret));
	peer->runs[inner->n_queues] = false;
	return (int)inner->n_queues++;
}

static int testing_add_all_queues(struct vut_peer *peer)
{
	uint32_t n = vut_backend_queues(peer);
	int ret = 0;

	while (peer->options.all_queues && ret >= 0 && peer->inner->n_queues < (n ? n : 1))
		ret = vut_add_queue(peer, peer->options.queue_size);
	return ret < 0 ? ret : 0;
}

int vut_negotiate(struct vut_peer *peer)
{
	int ret = peer_negotiate(peer->inner);

	if (ret == 0)
		ret = peer_set_driver(peer->inner);
	if (ret == 0)
		ret = frontend_set_memory(&peer->inner->frontend, peer->inner->guest);
	if (ret == 0)
		ret = testing_add_all_queues(peer);
	peer->is_negotiated = ret == 0;
	return ret;
}

/* Everything of a queue but DRIVER_OK. */
static int testing_start_ring(struct vut_peer *peer, uint32_t queue)
{
	struct frontend *f = &peer->inner->frontend;
	int ret = testing_inflight_begin(peer);

	if (ret == 0)
		ret = frontend_set_vring_err(f, queue, peer->inner->queues[queue]->err.device);
	if (ret == 0)
		ret = peer_start_queue(peer->inner, queue);
	if (ret == 0 && f->features & F_PROTOCOL_FEATURES)
		ret = frontend_set_vring_enable(f, queue, true);
	peer->runs[queue] = ret == 0;
	return ret;
}

static int testing_driver_ok(struct vut_peer *peer)
{
	int ret = peer->is_driver_ok ? 0 : peer_set_driver_ok(peer->inner);

	peer->is_driver_ok = ret == 0;
	return ret;
}

int vut_start(struct vut_peer *peer)
{
	int ret = peer->is_negotiated ? 0 : vut_negotiate(peer);

	for (uint32_t i = 0; ret == 0 && i < peer->inner->n_queues; i++)
		if (!peer->runs[i])
			ret = testing_start_ring(peer, i);
	return ret ? ret : testing_driver_ok(peer);
}

int vut_start_queue(struct vut_peer *peer, uint32_t queue)
{
	int ret = peer->is_negotiated ? 0 : vut_negotiate(peer);

	if (ret == 0 && !testing_ring(peer, queue))
		ret = -EINVAL;
	if (ret == 0)
		ret = testing_start_ring(peer, queue);
	return ret ? ret : testing_driver_ok(peer);
}

int vut_stop_queue(struct vut_peer *peer, uint32_t queue)
{
	struct frontend *f = &peer->inner->frontend;
	struct driver_ring *ring = testing_ring(peer, queue);
	int ret = 0;

	if (!ring)
		return -EINVAL;
	if (f->features & F_PROTOCOL_FEATURES)
		ret = frontend_set_vring_enable(f, queue, false);
	if (ret == 0)
		ret = frontend_get_vring_base(f, queue, &ring->base);
	if (ret == 0)
		peer->runs[queue] = false;
	return ret;
}

int vut_stop(struct vut_peer *peer)
{
	struct frontend *f = &peer->inner->frontend;
	int ret = 0;

	/* All are disabled before the first is stopped. */
	for (uint32_t i = 0; ret == 0 && i < peer->inner->n_queues; i++)
		if (peer->runs[i] && f->features & F_PROTOCOL_FEATURES)
			ret = frontend_set_vring_enable(f, i, false);
	for (uint32_t i = 0; ret == 0 && i < peer->inner->n_queues; i++)
		if (peer->runs[i])
			ret = vut_stop_queue(peer, i);
	return ret;
}

uint32_t vut_base(const struct vut_peer *peer, uint32_t queue)
{
	return queue < peer->inner->n_queues ? peer->inner->queues[queue]->base : 0;
}

int vut_set_base(struct vut_peer *peer, uint32_t queue, uint32_t base)
{
	struct driver_ring *ring = testing_ring(peer, queue);

	if (!ring)
		return -EINVAL;
	ring->base = base;
	return 0;
}

uint64_t vut_offered(const struct vut_peer *peer)
{
	return peer->inner->frontend.offered_features;
}

uint64_t vut_features(const struct vut_peer *peer)
{
	return peer->inner->frontend.features;
}

uint64_t vut_protocol_offered(const struct vut_peer *peer)
{
	return peer->inner->frontend.offered_protocol_features;
}

uint64_t vut_protocol_features(const struct vut_peer *peer)
{
	return peer->inner->frontend.protocol_features;
}

/* --- guest memory --- */

/* The regions as they are now, where there is a session and it has no messages for one region. */
static int testing_tell_memory(struct vut_peer *peer)
{
	return frontend_set_memory(&peer->inner->frontend, peer->inner->guest);
}

static bool testing_has_slots(const struct vut_peer *peer)
{
	return frontend_has(&peer->inner->frontend, WIRE_PF_CONFIGURE_MEM_SLOTS);
}

int vut_add_memory(struct vut_peer *peer, uint64_t at, uint64_t size)
{
	struct frontend *f = &peer->inner->frontend;
	const struct guest_region region = testing_region(at, size);
	int ret, n = guest_add(peer->inner->guest, &region);

	if (n < 0)
		return frontend_fail(f, n, "memory at %#llx: %s", (unsigned long long)at,
				     strerror(-n));
	if (!peer->is_negotiated)
		return 0;
	ret = testing_has_slots(peer) ? frontend_add_mem_reg(f, &peer->inner->guest->regions[n])
				      : testing_tell_memory(peer);
	if (ret < 0)
		guest_remove(peer->inner->guest, (uint32_t)n);
	return ret;
}

int vut_remove_memory(struct vut_peer *peer, uint64_t at)
{
	struct frontend *f = &peer->inner->frontend;
	struct guest *guest = peer->inner->guest;
	uint32_t i = 0;
	int ret = 0;

	while (i < guest->n_regions && guest->regions[i].gpa != at)
		i++;
	if (i == guest->n_regions)
		return frontend_fail(f, -EINVAL, "no memory begins at %#llx",
				     (unsigned long long)at);
	if (peer->is_negotiated && testing_has_slots(peer))
		ret = frontend_rem_mem_reg(f, &guest->regions[i]);
	if (ret < 0)
		return ret;
	guest_remove(guest, i);
	return peer->is_negotiated && !testing_has_slots(peer) ? testing_tell_memory(peer) : 0;
}

int vut_memory_fd(const struct vut_peer *peer, uint64_t at)
{
	const struct guest *guest = peer->inner->guest;

	for (uint32_t i = 0; i < guest->n_regions; i++)
		if (guest->regions[i].gpa == at)
			return guest->regions[i].fd;
	return -EINVAL;
}

uint64_t vut_alloc(struct vut_peer *peer, uint64_t size, uint64_t align)
{
	return guest_alloc(peer->inner->guest, size, align);
}

void *vut_at(const struct vut_peer *peer, uint64_t at, uint64_t size)
{
	return guest_ptr(peer->inner->guest, at, size);
}
