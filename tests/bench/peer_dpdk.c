/* SPDX-License-Identifier: MIT */
/*
 * For comparison: DPDK's rte_vhost with an external back-end, which has to walk the ring itself
 * (that is how SPDK uses it).  The walk here gives a device what this library gives it: a request
 * with its readable and writable segments and their lengths, that can be finished later and in any
 * order; every index, address and direction is checked.  It counts nothing, keeps no in-flight log
 * and detects loops only by their length.  Split rings, polling.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/virtio_ring.h>
#include <rte_eal.h>
#include <rte_vhost.h>

#include "bench.h"

#define BIT(n) (UINT64_C(1) << (n))

enum { F_INDIRECT = 28, F_EVENT_IDX = 29, F_PROTOCOL = 30, F_VERSION_1 = 32, WAIT_MS = 5000 };

struct dpdk_req;

struct dpdk {
	char path[64];
	int vid;
	bool use;
	struct rte_vhost_memory *memory;
	struct rte_vhost_vring ring;
	uint16_t next, used;
	struct dpdk_req *reqs; /* one for each descriptor */
};

struct dpdk_req {
	uint32_t head;
	uint32_t n_readable, n_writable;
	uint64_t readable_len, writable_len;
	struct iovec iov[SEGS_MAX]; /* readable, then writable */
};

static atomic_int dpdk_vid = -1; /* of the one device there is; set by DPDK's thread */

static int dpdk_new_device(int vid)
{
	atomic_store(&dpdk_vid, vid);
	return 0;
}

static void dpdk_destroy_device(int vid)
{
	atomic_store(&dpdk_vid, -1);
}

static const struct rte_vhost_device_ops dpdk_ops = {
	.new_device = dpdk_new_device,
	.destroy_device = dpdk_destroy_device,
};

static int dpdk_init(void)
{
	static bool done;
	/* EAL wants them writable. */
	char line[] = "bench --no-huge -m 64 --no-pci --no-shconf --no-telemetry --log-level=1";
	char *args[16], *rest = NULL, *word;
	int n = 0;

	if (done)
		return 0;
	done = true;
	for (word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		args[n++] = word;
	args[n] = NULL;
	return rte_eal_init(n, args) < 0 ? -EIO : 0;
}

static int dpdk_open(struct peer *peer, const struct way *way, void **state)
{
	struct dpdk *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	*state = d;
	d->use = way->use;
	err = dpdk_init();
	if (err)
		return err;
	snprintf(d->path, sizeof(d->path), "/tmp/libvu-bench-dpdk.%d", (int)getpid());
	unlink(d->path);
	if (rte_vhost_driver_register(d->path, 0) ||
	    rte_vhost_driver_set_features(d->path, BIT(F_VERSION_1) | BIT(F_PROTOCOL) |
							   BIT(F_EVENT_IDX) | BIT(F_INDIRECT)) ||
	    rte_vhost_driver_callback_register(d->path, &dpdk_ops) ||
	    rte_vhost_driver_start(d->path))
		return -EIO;
	return peer_connect(peer, d->path);
}

static int dpdk_start(void *state)
{
	struct dpdk *d = state;

	for (int ms = 0; ms < WAIT_MS && (d->vid = atomic_load(&dpdk_vid)) < 0; ms++)
		usleep(1000);
	if (d->vid < 0 || rte_vhost_get_mem_table(d->vid, &d->memory) ||
	    rte_vhost_get_vhost_vring(d->vid, 0, &d->ring))
		return -EIO;
	rte_vhost_enable_guest_notification(d->vid, 0, 0);
	d->reqs = calloc(d->ring.size, sizeof(*d->reqs));
	return d->reqs ? 0 : -ENOMEM;
}

static void *dpdk_translate(const struct dpdk *d, uint64_t gpa, uint64_t len)
{
	uint64_t got = len;
	uint64_t va = rte_vhost_va_from_guest_pa(d->memory, gpa, &got);

	return got == len ? (void *)(uintptr_t)va : NULL;
}

/* One segment more; false: not in guest memory, too many, or readable after writable. */
static bool dpdk_add(const struct dpdk *d, struct dpdk_req *req, const struct vring_desc *desc)
{
	uint32_t n = req->n_readable + req->n_writable, len = desc->len;
	void *p = dpdk_translate(d, desc->addr, len);

	if (!p || n == SEGS_MAX)
		return false;
	req->iov[n] = (struct iovec){p, len};
	if (desc->flags & VRING_DESC_F_WRITE) {
		req->n_writable++;
		req->writable_len += len;
		return true;
	}
	req->n_readable++;
	req->readable_len += len;
	return !req->n_writable;
}

static struct dpdk_req *dpdk_take(struct dpdk *d, uint32_t head)
{
	const struct vring_desc *table = d->ring.desc, *desc;
	uint32_t size = d->ring.size;
	struct dpdk_req *req;

	if (head >= size)
		return NULL;
	req = &d->reqs[head];
	req->head = head;
	req->n_readable = req->n_writable = 0;
	req->readable_len = req->writable_len = 0;
	desc = &table[head];
	if (desc->flags & VRING_DESC_F_INDIRECT) {
		size = desc->len / (uint32_t)sizeof(*desc);
		table = dpdk_translate(d, desc->addr, desc->len);
		if (!table || !size)
			return NULL;
		desc = table;
	}
	while (dpdk_add(d, req, desc)) {
		if (!(desc->flags & VRING_DESC_F_NEXT))
			return req;
		if (desc->next >= size)
			return NULL;
		desc = &table[desc->next];
	}
	return NULL;
}

static void dpdk_complete(struct dpdk *d, struct dpdk_req *const *reqs, uint32_t n)
{
	uint16_t mask = (uint16_t)(d->ring.size - 1);

	for (uint32_t i = 0; i < n; i++) {
		uint16_t at = d->used++ & mask;

		d->ring.used->ring[at] = (struct vring_used_elem){reqs[i]->head, 0};
		rte_vhost_log_used_vring(d->vid, 0, offsetof(struct vring_used, ring[at]),
					 sizeof(struct vring_used_elem));
	}
	__atomic_store_n(&d->ring.used->idx, d->used, __ATOMIC_RELEASE);
	rte_vhost_log_used_vring(d->vid, 0, offsetof(struct vring_used, idx), sizeof(uint16_t));
	rte_vhost_vring_call(d->vid, 0);
}

static void dpdk_use(struct dpdk_req *const *reqs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		bench_use(reqs[i]->iov, reqs[i]->n_readable, reqs[i]->iov + reqs[i]->n_readable,
			  reqs[i]->n_writable);
}

/* Not inlined: what callgrind counts. */
__attribute__((noinline)) static void dpdk_process(void *state)
{
	struct dpdk *d = state;
	uint16_t end = __atomic_load_n(&d->ring.avail->idx, __ATOMIC_ACQUIRE);
	uint16_t mask = (uint16_t)(d->ring.size - 1);
	struct dpdk_req *reqs[BATCH_MAX];
	uint32_t n = 0;

	if (end == d->next || (uint16_t)(end - d->next) > d->ring.size)
		return;
	while (d->next != end && n < BATCH_MAX) {
		reqs[n] = dpdk_take(d, d->ring.avail->ring[d->next++ & mask]);
		if (!reqs[n++])
			bench_die("a bad chain", -EPROTO);
	}
	if (d->use)
		dpdk_use(reqs, n);
	/* The segments are for somebody. */
	__asm__ volatile("" : : "r"(d->reqs) : "memory");
	dpdk_complete(d, reqs, n);
}

static void dpdk_close(void *state)
{
	struct dpdk *d = state;

	rte_vhost_driver_unregister(d->path);
	free(d->memory);
	free(d->reqs);
	free(d);
}

static const struct target target = {
	.name = "rte_vhost",
	.process_symbol = "dpdk_process",
	.open = dpdk_open,
	.start = dpdk_start,
	.process = dpdk_process,
	.close = dpdk_close,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &target);
}
