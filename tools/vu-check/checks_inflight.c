/* SPDX-License-Identifier: MIT */
/* In-flight tracking (vhost-user "Inflight I/O tracking"). */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checks.h"

/* The split layout's, of one queue. */
struct inflight_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct inflight_queue {
	uint64_t features;
	uint16_t version, desc_num, last_batch_head, used_idx;
	struct inflight_desc desc[CHECK_QUEUE_SIZE];
};

static int get_region(struct probe *p, struct wire_inflight *info, int *fd)
{
	int ret = probe_open(p, NULL);

	if (!ret)
		ret = peer_negotiate(p->peer);
	if (!ret)
		ret = peer_set_driver(p->peer);
	*info = (struct wire_inflight){
		.n_queues = (uint16_t)p->peer->n_queues,
		.queue_size = CHECK_QUEUE_SIZE,
	};
	*fd = -1;
	return ret ? ret : frontend_get_inflight_fd(probe_frontend(p), info, fd);
}

enum verdict check_inflight_region(struct probe *p)
{
	struct wire_inflight info;
	struct stat st;
	int fd, ret;

	if (get_region(p, &info, &fd))
		return probe_failed(p, "GET_INFLIGHT_FD");
	ret = fstat(fd, &st);
	if (!ret)
		ret = frontend_set_inflight_fd(probe_frontend(p), &info, fd);
	close(fd);
	if (ret)
		return probe_failed(p, "SET_INFLIGHT_FD of what it gave");
	if (!info.mmap_size || info.mmap_offset + info.mmap_size > (uint64_t)st.st_size)
		return probe_fail(p, "%llu bytes at %llu, in a file of %lld",
				  (unsigned long long)info.mmap_size,
				  (unsigned long long)info.mmap_offset, (long long)st.st_size);
	return probe_pass(p, "%llu bytes, and taken back", (unsigned long long)info.mmap_size);
}

/* As a back-end leaves it that was killed with the only request in hand. */
static void leave_in_flight(struct inflight_queue *queue, int head)
{
	memset(queue, 0, sizeof(*queue));
	queue->version = 1;
	queue->desc_num = CHECK_QUEUE_SIZE;
	queue->desc[head].inflight = 1;
	queue->desc[head].counter = 1;
}

static int start_with_region(struct probe *p, const struct wire_inflight *info, int fd,
			     uint32_t base)
{
	int ret = frontend_set_inflight_fd(probe_frontend(p), info, fd);

	probe_ring(p)->base = base;
	return ret ? ret : peer_start_rings(p->peer);
}

enum verdict check_inflight_again(struct probe *p)
{
	struct wire_inflight info;
	struct inflight_queue *queue;
	struct request r;
	int fd, head, ret;
	void *map;

	if (probe_queue(p))
		return probe_lacks(p,
				   "requests on queue 0: the specification does not say where the "
				   "part of another is");
	if (get_region(p, &info, &fd))
		return probe_failed(p, "GET_INFLIGHT_FD");
	map = mmap(NULL, info.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)info.mmap_offset);
	if (map == MAP_FAILED || info.mmap_size < sizeof(*queue)) {
		close(fd);
		return probe_fail(p, "its region of %llu bytes cannot be mapped, or is too small",
				  (unsigned long long)info.mmap_size);
	}
	queue = map;
	ret = p->type->make(p->peer->guest, &r);
	head = ret ? ret : driver_add(probe_ring(p), r.segs, r.n, &r);
	if (head >= 0) {
		leave_in_flight(queue, head);
		driver_publish(probe_ring(p));
		driver_wants_kick(probe_ring(p));
	}
	ret = head < 0 ? head : start_with_region(p, &info, fd, 1);
	munmap(map, info.mmap_size);
	close(fd);
	if (ret || probe_answer(p))
		return probe_failed(p, "a request that was in flight");
	if (probe_serve(p, 1))
		return probe_failed(p, "the request behind it");
	return probe_pass(p, "a request that was in flight is served again, and the one behind it");
}
