/* SPDX-License-Identifier: MIT */
/*
 * For comparison: what translations of an IOMMU's cost DPDK's rte_vhost, which has them for its own
 * network device alone.  A request is a buffer that a packet of 64 bytes is copied into; so only
 * the difference between this program with --iommu=asked and without is to be compared.  Split
 * rings, polling, requests of one descriptor.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "bench.h"

#define BIT(n) (UINT64_C(1) << (n))

enum {
	F_INDIRECT = 28,
	F_EVENT_IDX = 29,
	F_PROTOCOL = 30,
	F_VERSION_1 = 32,
	F_IOMMU = 33,
	WAIT_MS = 5000,
	PACKET = 64,
	QUEUES = 2, /* of a network device, at the least */
};

struct net {
	char path[64];
	int vid;
	struct rte_mbuf *packets[BATCH_MAX];
};

static atomic_int net_vid = -1; /* of the one device there is; set by DPDK's thread */

static int net_new_device(int vid)
{
	atomic_store(&net_vid, vid);
	return 0;
}

static void net_destroy_device(int vid)
{
	(void)vid;
	atomic_store(&net_vid, -1);
}

static const struct rte_vhost_device_ops net_ops = {
	.new_device = net_new_device,
	.destroy_device = net_destroy_device,
};

static int net_init(struct net *net)
{
	/* EAL wants them writable. */
	char line[] = "bench --no-huge -m 64 --no-pci --no-shconf --no-telemetry --log-level=1";
	char *args[16], *rest = NULL, *word;
	struct rte_mempool *pool;
	int n = 0;

	for (word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		args[n++] = word;
	args[n] = NULL;
	if (rte_eal_init(n, args) < 0)
		return -EIO;
	pool = rte_pktmbuf_pool_create("packets", 4 * BATCH_MAX, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool || rte_pktmbuf_alloc_bulk(pool, net->packets, BATCH_MAX))
		return -ENOMEM;
	for (n = 0; n < BATCH_MAX; n++)
		memset(rte_pktmbuf_append(net->packets[n], PACKET), n, PACKET);
	return 0;
}

/* Features are taken away: who sets them has a device of its own. */
static int net_limit(const char *path, uint64_t wanted)
{
	uint64_t features;

	if (rte_vhost_driver_get_features(path, &features))
		return -EIO;
	return rte_vhost_driver_disable_features(path, features & ~wanted) ? -EIO : 0;
}

static int net_open(struct peer *peer, const struct way *way, void **state)
{
	uint64_t wanted = BIT(F_VERSION_1) | BIT(F_PROTOCOL) | BIT(F_EVENT_IDX) | BIT(F_INDIRECT);
	struct net *net = calloc(1, sizeof(*net));
	int err;

	if (!net)
		return -ENOMEM;
	*state = net;
	err = net_init(net);
	if (err)
		return err;
	snprintf(net->path, sizeof(net->path), "/tmp/libvu-bench-dpdk.%d", (int)getpid());
	unlink(net->path);
	if (rte_vhost_driver_register(net->path, way->iommu ? RTE_VHOST_USER_IOMMU_SUPPORT : 0) ||
	    net_limit(net->path, wanted | (way->iommu ? BIT(F_IOMMU) : 0)) ||
	    rte_vhost_driver_callback_register(net->path, &net_ops) ||
	    rte_vhost_driver_start(net->path))
		return -EIO;
	return peer_connect(peer, net->path);
}

static int net_start(void *state)
{
	struct net *net = state;

	for (int ms = 0; ms < WAIT_MS && (net->vid = atomic_load(&net_vid)) < 0; ms++)
		usleep(1000);
	return net->vid < 0 ? -EIO : 0;
}

/* Not inlined: what callgrind counts. */
__attribute__((noinline)) static void net_process(void *state)
{
	struct net *net = state;

	(void)rte_vhost_enqueue_burst(net->vid, 0, net->packets, BATCH_MAX);
}

static void net_close(void *state)
{
	struct net *net = state;

	rte_vhost_driver_unregister(net->path);
	free(net);
}

static const struct target target = {
	.name = "rte_vhost, its network device",
	.process_symbol = "net_process",
	.translates = true,
	.n_queues = QUEUES,
	.open = net_open,
	.start = net_start,
	.process = net_process,
	.close = net_close,
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, &target);
}
