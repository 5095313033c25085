/* SPDX-License-Identifier: MIT */
/* What a front-end keeps of its back-end: requests in flight, and the pages that it wrote. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "peer.h"

#define F_LOG_ALL (UINT64_C(1) << 26)

/* --- requests in flight --- */

/* An entry, and what is before the first one, on each layout (vhost-user "Inflight I/O tracking").
 */
enum {
	SPLIT_HEADER = 16,
	SPLIT_ENTRY = 16,
	PACKED_HEADER = 32,
	PACKED_ENTRY = 32,
	DESC_NUM_AT = 10
};

static int testing_inflight_get(struct vut_peer *peer)
{
	struct frontend *f = &peer->inner->frontend;
	uint32_t size = peer->options.queue_size ? peer->options.queue_size : PEER_QUEUE_SIZE;
	uint32_t n = vut_backend_queues(peer) ? vut_backend_queues(peer) : vut_n_queues(peer);
	void *bytes;
	int ret;

	for (uint32_t i = 0; i < peer->inner->n_queues; i++)
		if (peer->inner->queues[i]->size > size)
			size = peer->inner->queues[i]->size;
	peer->inflight =
		(struct wire_inflight){.n_queues = (uint16_t)n, .queue_size = (uint16_t)size};
	ret = frontend_get_inflight_fd(f, &peer->inflight, &peer->inflight_fd);
	if (ret < 0) {
		peer->inflight_fd = -1;
		return ret;
	}
	bytes = mmap(NULL, peer->inflight.mmap_size, PROT_READ, MAP_SHARED, peer->inflight_fd,
		     (off_t)peer->inflight.mmap_offset);
	if (bytes == MAP_FAILED)
		return frontend_fail(f, -errno, "the in-flight log: %s", strerror(errno));
	peer->inflight_bytes = bytes;
	return 0;
}

int testing_inflight_begin(struct vut_peer *peer)
{
	struct frontend *f = &peer->inner->frontend;
	int ret = 0;

	if (!peer->options.inflight || peer->inflight_is_told)
		return 0;
	if (!frontend_has(f, WIRE_PF_INFLIGHT_SHMFD))
		return frontend_fail(f, -EOPNOTSUPP, "the back-end has no in-flight log");
	if (peer->inflight_fd < 0)
		ret = testing_inflight_get(peer);
	if (ret == 0)
		ret = frontend_set_inflight_fd(f, &peer->inflight, peer->inflight_fd);
	peer->inflight_is_told = ret == 0;
	return ret;
}

void testing_inflight_forget(struct vut_peer *peer)
{
	if (peer->inflight_bytes)
		munmap(peer->inflight_bytes, peer->inflight.mmap_size);
	if (peer->inflight_fd >= 0)
		close(peer->inflight_fd);
	peer->inflight_bytes = NULL;
	peer->inflight_fd = -1;
	peer->inflight_is_told = false;
}

uint32_t vut_inflight(const struct vut_peer *peer, uint32_t queue)
{
	bool packed = peer->options.packed;
	uint64_t part, at = packed ? PACKED_HEADER : SPLIT_HEADER;
	const unsigned char *log;
	uint16_t entries;
	uint32_t n = 0;

	if (!peer->inflight_bytes || queue >= peer->inflight.n_queues)
		return 0;
	part = peer->inflight.mmap_size / peer->inflight.n_queues;
	log = peer->inflight_bytes + part * queue;
	memcpy(&entries, log + DESC_NUM_AT, sizeof(entries));
	for (uint32_t i = 0; i < entries && at < part;
	     i++, at += packed ? PACKED_ENTRY : SPLIT_ENTRY)
		n += __atomic_load_n(log + at, __ATOMIC_ACQUIRE) == 1;
	return n;
}

/* --- pages that were written --- */

int vut_log_begin(struct vut_peer *peer)
{
	struct frontend *f = &peer->inner->frontend;
	int ret;

	if (!(f->offered_features & F_LOG_ALL) || !frontend_has(f, WIRE_PF_LOG_SHMFD))
		return frontend_fail(f, -EOPNOTSUPP, "the back-end has no dirty log");
	if (peer->has_log)
		peer_log_free(&peer->log);
	ret = peer_log_new(&peer->log, peer->inner->guest);
	peer->has_log = ret == 0;
	if (ret < 0)
		return frontend_fail(f, ret, "a dirty log: %s", strerror(-ret));
	ret = peer_log_begin(peer->inner, &peer->log);
	if (ret == 0)
		peer_log_copy_all(&peer->log);
	return ret;
}

int vut_log_end(struct vut_peer *peer)
{
	return peer_log_end(peer->inner);
}

int64_t vut_log_copy(struct vut_peer *peer)
{
	if (!peer->has_log)
		return frontend_fail(&peer->inner->frontend, -EINVAL, "no migration has begun");
	return (int64_t)peer_log_copy_marked(&peer->log);
}

uint64_t vut_log_count(const struct vut_peer *peer)
{
	return peer->has_log ? peer_log_count(&peer->log) : 0;
}

bool vut_log_has(const struct vut_peer *peer, uint64_t at)
{
	return peer->has_log && peer_log_has(&peer->log, at);
}

bool vut_log_is_same(const struct vut_peer *peer, uint64_t at, uint64_t len)
{
	return peer->has_log && peer_log_is_same(&peer->log, at, len);
}
