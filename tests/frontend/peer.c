/* SPDX-License-Identifier: MIT */
/*
 * A peer: what it owns, its connection, waiting for the device.  The order of messages is in
 * peer_qemu.c and peer_uml.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/peer.h"

static int peer_make_memory(struct peer *peer)
{
	static const struct guest_region one = {
		.gpa = 0,
		.size = PEER_MEMORY,
		.uva = UINT64_C(0x7f0012340000),
	};
	const struct guest_region *regions = peer->config.n_regions ? peer->config.regions : &one;
	uint32_t i, n = peer->config.n_regions ? peer->config.n_regions : 1;
	int ret = guest_new(&peer->guest);

	for (i = 0; ret >= 0 && i < n; i++)
		ret = guest_add(peer->guest, &regions[i]);
	return ret < 0 ? ret : 0;
}

static int peer_make_rings(struct peer *peer)
{
	struct driver_config config = {
		.guest = peer->guest,
		.size = peer->config.queue_size ? peer->config.queue_size : PEER_QUEUE_SIZE,
		.packed = peer->config.packed,
		.max_indirect = peer->config.max_indirect,
		.notifier = peer->config.notifier,
	};
	int ret = 0;

	for (; ret == 0 && config.index < peer->config.n_queues; config.index++) {
		ret = driver_new(&config, &peer->queues[config.index]);
		if (ret == 0)
			peer->n_queues++;
	}
	return ret;
}

int peer_new(const struct peer_config *config, struct peer **out)
{
	struct peer *peer;
	int ret;

	if (config->n_queues > PEER_MAX_QUEUES)
		return -EINVAL;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->config = *config;
	frontend_init(&peer->frontend, -1);
	ret = peer_make_memory(peer);
	if (ret == 0)
		ret = peer_make_rings(peer);
	if (ret < 0) {
		peer_free(peer);
		return ret;
	}
	*out = peer;
	return 0;
}

void peer_free(struct peer *peer)
{
	uint32_t i;

	if (!peer)
		return;
	frontend_close(&peer->frontend);
	for (i = 0; i < peer->n_queues; i++)
		driver_free(peer->queues[i]);
	guest_free(peer->guest);
	free(peer);
}

static void peer_configure(struct peer *peer)
{
	peer->frontend.pump = peer->config.pump;
	peer->frontend.pump_opaque = peer->config.pump_opaque;
	peer->frontend.need_reply = !peer->config.no_acks;
	if (peer->config.timeout_ms)
		peer->frontend.timeout_ms = peer->config.timeout_ms;
}

int peer_adopt(struct peer *peer, int fd)
{
	frontend_close(&peer->frontend);
	frontend_init(&peer->frontend, fd);
	peer_configure(peer);
	return 0;
}

int peer_open(struct peer *peer, int *backend_fd)
{
	int ret;

	frontend_close(&peer->frontend);
	ret = frontend_init_pair(&peer->frontend, backend_fd);
	peer_configure(peer);
	return ret;
}

int peer_connect(struct peer *peer, const char *path)
{
	int ret;

	frontend_close(&peer->frontend);
	ret = frontend_connect(&peer->frontend, path);
	peer_configure(peer);
	return ret;
}

void peer_disconnect(struct peer *peer)
{
	uint32_t i;

	frontend_close(&peer->frontend);
	for (i = 0; i < peer->n_queues; i++)
		driver_recover_base(peer->queues[i]);
}

/* Let the other side go on, and see whether it has closed the socket: a program that crashed. */
static bool peer_is_alone(const struct peer *peer)
{
	struct pollfd watched = {.fd = peer->frontend.fd, .events = POLLRDHUP};

	return !peer->frontend.pump && poll(&watched, 1, 1) == 1;
}

int peer_wait_used(struct peer *peer, uint32_t index, struct driver_used *used)
{
	struct driver_ring *ring = peer->queues[index];
	uint64_t deadline = frontend_deadline(peer->frontend.timeout_ms);
	int ret = driver_kick(ring);
	bool is_alone = false;

	if (ret < 0)
		return frontend_fail(&peer->frontend, ret, "kick: %s", strerror(-ret));
	for (;;) {
		frontend_pump(&peer->frontend);
		ret = driver_collect(ring, used, 1);
		if (ret < 0)
			return frontend_fail(&peer->frontend, ret,
					     "queue %u: used entry of no chain", index);
		if (ret)
			return 0;
		if (is_alone)
			return frontend_fail(&peer->frontend, -ECONNRESET,
					     "queue %u: nothing was used, and the back-end has "
					     "closed the socket",
					     index);
		if (frontend_deadline(0) >= deadline)
			return frontend_fail(&peer->frontend, -ETIMEDOUT,
					     "queue %u: nothing was used", index);
		is_alone = peer_is_alone(peer);
	}
}

int peer_wait_call(struct peer *peer, uint32_t index)
{
	struct driver_ring *ring = peer->queues[index];
	int ret = frontend_wait_fd(&peer->frontend, ring->call.driver, POLLIN);

	if (ret < 0)
		return frontend_fail(&peer->frontend, ret, "queue %u: no call came", index);
	driver_take_calls(ring);
	return 0;
}
