/* SPDX-License-Identifier: MIT */
/*
 * One case: a device with one queue and a driver that keeps a batch of requests on its way.
 *
 * With one CPU the driver adds a batch, calls the library, and collects; the time in the library
 * is measured by itself.  With two the library polls on a thread of its own, on another CPU,
 * and the driver offers again whatever comes back.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontend/iommu.h"
#include "frontend/peer_log.h"

#define BIT(n) (UINT64_C(1) << (n))

enum { F_EVENT_IDX = 29, F_LOG_ALL = 26, F_IOMMU = 33, CHUNK = 2048 };

struct run {
	const struct target *target;
	const struct shape *shape;
	struct way way;
	void *state;
	struct peer *peer;
	struct peer_log log;
	struct iommu *iommu;
	struct driver_ring *ring;
	struct driver_seg segs[BATCH_MAX][SEGS_MAX];
	/* one CPU */
	uint64_t ticks, tick_cost;
	/* two CPUs */
	pthread_t thread;
	atomic_bool stop;
	uint32_t on_their_way;
	cpu_set_t allowed;
};

void bench_die(const char *what, int err)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-err));
	exit(1);
}

static uint64_t run_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A clock that costs little: cycles where they can be had, else ns. */
static inline uint64_t run_ticks(void)
{
#if defined(__x86_64__)
	unsigned int aux;

	return __builtin_ia32_rdtscp(&aux);
#else
	return run_now();
#endif
}

static double run_ns_per_tick(void)
{
	static double ns;
	uint64_t t0, n0, n1;

	if (ns > 0)
		return ns;
	t0 = run_ticks();
	n0 = run_now();
	do
		n1 = run_now();
	while (n1 - n0 < 20000000);
	ns = (double)(n1 - n0) / (double)(run_ticks() - t0);
	return ns;
}

static uint64_t run_tick_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		uint64_t t = run_ticks();

		t = run_ticks() - t;
		least = t < least ? t : least;
	}
	return least;
}

static void run_pump(void *opaque)
{
	struct run *r = opaque;

	r->target->pump(r->state);
}

/* The wanted-th of the CPUs that this program may use. */
static void run_use_cpu(struct run *r, pthread_t thread, unsigned int wanted)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &r->allowed) && !wanted--) {
			CPU_SET(cpu, &set);
			pthread_setaffinity_np(thread, sizeof(set), &set);
			return;
		}
}

static void *run_device(void *opaque)
{
	struct run *r = opaque;

	while (!atomic_load_explicit(&r->stop, memory_order_relaxed))
		r->target->process(r->state);
	return NULL;
}

/* A request's own buffers, as a guest with many outstanding has them. */
static void run_place(struct run *r, struct driver_seg *segs)
{
	for (uint32_t i = 0; i < r->shape->n; i++) {
		segs[i] = r->shape->segs[i];
		segs[i].gpa = guest_alloc(r->peer->guest, segs[i].len, 16);
		if (segs[i].gpa == GUEST_NONE)
			bench_die("guest memory", -ENOMEM);
	}
}

/* Nobody clears it: a mark costs the same, whether it is there already or not. */
static int run_begin_log(struct run *r)
{
	int err = peer_log_new(&r->log, r->peer->guest);

	return err ? err : peer_log_begin(r->peer, &r->log);
}

#define IOVA UINT64_C(0x5000000000)

/*
 * Rings where they are, as their areas have to be in one piece.  Of what comes behind, neighbours
 * change places: so every page is a translation of its own.
 */
static int run_begin_iommu(struct run *r)
{
	const struct guest_region *memory = &r->peer->guest->regions[0];
	uint64_t apart = (memory->used / IOMMU_PAGE + 2) & ~UINT64_C(1);
	int err = iommu_new(r->peer, IOVA, &r->iommu);

	for (uint64_t i = apart; !err && i < memory->size / IOMMU_PAGE; i++)
		err = iommu_map(r->iommu, IOVA + i * IOMMU_PAGE, (i ^ 1) * IOMMU_PAGE,
				IOMMU_READ | IOMMU_WRITE);
	return err;
}

/* Those of the rings, as QEMU does; the others, too, or they are asked for. */
static int run_translate(struct run *r)
{
	const struct guest_region *memory = &r->peer->guest->regions[0];
	uint64_t pages = (r->way.asked ? memory->used : memory->size) / IOMMU_PAGE;
	int err = 0;

	for (uint64_t i = 0; !err && i <= pages && i < memory->size / IOMMU_PAGE; i++)
		err = iommu_update(r->iommu, IOVA + i * IOMMU_PAGE);
	return err;
}

static void run_connect(struct run *r)
{
	/* The ring is big enough for a batch of the longest shape. */
	struct peer_config config = {
		.n_queues = r->target->n_queues ? r->target->n_queues : 1,
		.queue_size = r->shape->n * BATCH_MAX > 256 ? 1024 : 256,
		.packed = r->way.packed,
		.features = ~(BIT(F_LOG_ALL) | BIT(F_IOMMU)),
		.protocol_features = BIT(WIRE_PF_MQ) | BIT(WIRE_PF_REPLY_ACK),
		.max_indirect = r->shape->indirect ? r->shape->n : 0,
		.pump = r->target->pump ? run_pump : NULL,
		.pump_opaque = r,
	};
	int err;

	if (r->way.log)
		config.protocol_features |= BIT(WIRE_PF_LOG_SHMFD);
	if (r->way.no_event_idx)
		config.features &= ~BIT(F_EVENT_IDX);
	if (r->way.iommu) {
		config.features |= BIT(F_IOMMU);
		config.protocol_features |= BIT(WIRE_PF_BACKEND_REQ);
	}
	err = peer_new(&config, &r->peer);
	if (!err && r->way.iommu)
		err = run_begin_iommu(r);
	err = err ? err : r->target->open(r->peer, &r->way, &r->state);
	err = err ? err : peer_start(r->peer);
	if (!err && r->way.log)
		err = run_begin_log(r);
	if (!err && r->way.iommu)
		err = run_translate(r);
	err = err ? err : r->target->start(r->state);
	if (err) {
		fprintf(stderr, "bench: %s\n", r->peer ? r->peer->frontend.error : "");
		bench_die("start", err);
	}
}

static void run_add(struct run *r, uint32_t i)
{
	/* The cookie, which comes back, is the buffers. */
	int ret = r->shape->indirect
			  ? driver_add_indirect(r->ring, r->segs[i], r->shape->n, r->segs[i])
			  : driver_add(r->ring, r->segs[i], r->shape->n, r->segs[i]);

	if (ret < 0)
		bench_die("add", ret);
}

/* What is not known is asked for, or handed to the queue, when it first misses it: that is past
 * then. */
static void run_first(struct run *r)
{
	struct driver_used used[BATCH_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->way.batch; i++)
		run_add(r, i);
	driver_publish(r->ring);
	while (n < r->way.batch) {
		int some = driver_collect(r->ring, used, BATCH_MAX);

		if (some < 0)
			bench_die("collect", some);
		n += (uint32_t)some;
		r->target->process(r->state);
		if (r->target->pump)
			r->target->pump(r->state);
		if (iommu_serve(r->iommu) < 0)
			bench_die(r->peer->frontend.error, -EPROTO);
	}
}

struct run *run_start(const struct target *target, const struct shape *shape, const struct way *way)
{
	struct run *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		bench_die("start", -ENOMEM);
	*r = (struct run){.target = target, .shape = shape, .way = *way};
	r->tick_cost = run_tick_cost();
	/* Before anything changes it, as DPDK does. */
	sched_getaffinity(0, sizeof(r->allowed), &r->allowed);
	run_connect(r);
	r->ring = r->peer->queues[0];
	driver_set_interrupts(r->ring, way->block);
	for (uint32_t i = 0; i < way->batch; i++)
		run_place(r, r->segs[i]);
	if (way->iommu)
		run_first(r);
	if (way->two_cpus && CPU_COUNT(&r->allowed) < 2)
		bench_die("two CPUs", -ENODEV);
	run_use_cpu(r, pthread_self(), 0);
	if (way->two_cpus) {
		err = pthread_create(&r->thread, NULL, run_device, r);
		if (err)
			bench_die("thread", -err);
		run_use_cpu(r, r->thread, 1);
	}
	return r;
}

static void run_process(struct run *r)
{
	uint64_t t = run_ticks();

	if (r->way.block)
		r->target->block(r->state);
	else
		r->target->process(r->state);
	r->ticks += run_ticks() - t - r->tick_cost;
}

static void run_batch(struct run *r)
{
	struct driver_used used[BATCH_MAX];
	int n;

	for (uint32_t i = 0; i < r->way.batch; i++)
		run_add(r, i);
	if (r->way.block)
		driver_kick(r->ring);
	else
		driver_publish(r->ring);
	run_process(r);
	n = driver_collect(r->ring, used, BATCH_MAX);
	/* A device may have had its share of a turn: what it left waits for the next one. */
	if (n >= 0 && n < (int)r->way.batch) {
		run_process(r);
		n += driver_collect(r->ring, used, BATCH_MAX);
	}
	if (n != (int)r->way.batch)
		bench_die("collect", -EPROTO);
}

/* Offer again what came back: how much. */
static uint32_t run_collect(struct run *r, bool again)
{
	struct driver_used used[BATCH_MAX];
	int n = driver_collect(r->ring, used, BATCH_MAX);

	if (n < 0)
		bench_die("collect", n);
	for (int i = 0; i < n && again; i++) {
		const struct driver_seg *segs = used[i].cookie;

		run_add(r, (uint32_t)((segs - r->segs[0]) / SEGS_MAX));
	}
	if (n && again)
		driver_publish(r->ring);
	return (uint32_t)n;
}

static void run_requests_two(struct run *r, uint64_t requests)
{
	uint64_t done = 0;

	for (; r->on_their_way < r->way.batch; r->on_their_way++)
		run_add(r, r->on_their_way);
	driver_publish(r->ring);
	while (done < requests)
		done += run_collect(r, true);
}

void run_requests(struct run *r, uint64_t requests)
{
	if (r->way.two_cpus) {
		run_requests_two(r, requests);
		return;
	}
	for (uint64_t done = 0; done < requests; done += r->way.batch)
		run_batch(r);
}

struct run_times run_time(struct run *r, double seconds, uint32_t rounds)
{
	struct run_times best = {1e9, 1e9};

	run_requests(r, CHUNK);
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t began = run_now(), now, requests = 0;
		double device, total;

		r->ticks = 0;
		do {
			run_requests(r, CHUNK);
			requests += CHUNK;
			now = run_now();
		} while ((double)(now - began) < seconds * 1e9);
		total = (double)(now - began) / (double)requests;
		device = (double)r->ticks * run_ns_per_tick() / (double)requests;
		best.total_ns = total < best.total_ns ? total : best.total_ns;
		best.device_ns = device < best.device_ns ? device : best.device_ns;
	}
	return best;
}

void run_stop(struct run *r)
{
	while (r->on_their_way)
		r->on_their_way -= run_collect(r, false);
	if (r->way.two_cpus) {
		atomic_store(&r->stop, true);
		pthread_join(r->thread, NULL);
	}
	pthread_setaffinity_np(pthread_self(), sizeof(r->allowed), &r->allowed);
	if (r->way.log)
		peer_log_free(&r->log);
	iommu_free(r->iommu);
	peer_free(r->peer);
	r->target->close(r->state);
	free(r);
}
