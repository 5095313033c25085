/* SPDX-License-Identifier: MIT */
/* The test peer for Rust's tests: the few functions that they need, without structs or inlines. */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/peer.h"

enum { MAX_SEGS = 128, CONFIG_CHANGE = 2 };

int rp_new(uint32_t n_queues, int packed, void (*pump)(void *), void *opaque, struct peer **peer)
{
	struct peer_config config = {
		.n_queues = n_queues,
		.packed = packed,
		.pump = pump,
		.pump_opaque = opaque,
	};

	return peer_new(&config, peer);
}

void rp_free(struct peer *peer)
{
	peer_free(peer);
}

const char *rp_error(const struct peer *peer)
{
	return peer->frontend.error;
}

int rp_open(struct peer *peer, int *backend_fd)
{
	return peer_open(peer, backend_fd);
}

int rp_connect(struct peer *peer, const char *path)
{
	return peer_connect(peer, path);
}

int rp_start(struct peer *peer)
{
	return peer_start(peer);
}

int rp_stop(struct peer *peer)
{
	return peer_stop(peer);
}

void rp_disconnect(struct peer *peer)
{
	peer_disconnect(peer);
}

int rp_wait_closed(struct peer *peer)
{
	return frontend_wait_closed(&peer->frontend);
}

void rp_pump(struct peer *peer)
{
	frontend_pump(&peer->frontend);
}

uint64_t rp_alloc(struct peer *peer, uint64_t size)
{
	return guest_alloc(peer->guest, size ? size : 1, 16);
}

int rp_write(struct peer *peer, uint64_t gpa, const void *data, size_t len)
{
	void *at = guest_ptr(peer->guest, gpa, len);

	if (!at)
		return -EFAULT;
	memcpy(at, data, len);
	return 0;
}

int rp_read(struct peer *peer, uint64_t gpa, void *data, size_t len)
{
	const void *at = guest_ptr(peer->guest, gpa, len);

	if (!at)
		return -EFAULT;
	memcpy(data, at, len);
	return 0;
}

int rp_truncate(struct peer *peer, uint64_t size)
{
	return guest_truncate(peer->guest, 0, size);
}

int rp_add(struct peer *peer, uint32_t queue, const struct rp_seg *segs, uint32_t n)
{
	struct driver_seg all[MAX_SEGS];

	if (n > MAX_SEGS)
		return -E2BIG;
	for (uint32_t i = 0; i < n; i++)
		all[i] = (struct driver_seg){segs[i].gpa, segs[i].len, segs[i].write};
	return driver_add(peer->queues[queue], all, n, NULL);
}

int rp_kick(struct peer *peer, uint32_t queue)
{
	return driver_kick(peer->queues[queue]);
}

int rp_collect(struct peer *peer, uint32_t queue, uint32_t *id, uint32_t *len)
{
	struct driver_used used;
	int n = driver_collect(peer->queues[queue], &used, 1);

	if (n == 1) {
		*id = used.id;
		*len = used.len;
	}
	return n;
}

int rp_wait_used(struct peer *peer, uint32_t queue, uint32_t *id, uint32_t *len)
{
	struct driver_used used;
	int err = peer_wait_used(peer, queue, &used);

	if (!err) {
		*id = used.id;
		*len = used.len;
	}
	return err;
}

int rp_get_config(struct peer *peer, uint32_t offset, void *data, uint32_t size)
{
	return frontend_get_config(&peer->frontend, offset, data, size);
}

int rp_set_config(struct peer *peer, uint32_t offset, const void *data, uint32_t size)
{
	return frontend_set_config(&peer->frontend, offset, data, size, 0);
}

int rp_expect_config_change(struct peer *peer)
{
	struct frontend_msg msg;
	int err = frontend_expect_backend(&peer->frontend, CONFIG_CHANGE, &msg);

	if (!err)
		frontend_msg_close_fds(&msg);
	return err;
}

int rp_save_state(struct peer *peer, void **bytes, size_t *len)
{
	return frontend_save_state(&peer->frontend, bytes, len);
}

int rp_load_state(struct peer *peer, const void *bytes, size_t len)
{
	return frontend_load_state(&peer->frontend, bytes, len);
}

int rp_tell(struct peer *peer, uint32_t request, const void *payload, uint32_t size)
{
	return frontend_tell(&peer->frontend, request, payload, size, NULL, 0);
}
