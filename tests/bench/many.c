/* SPDX-License-Identifier: MIT */
/*
 * Many devices in one process.
 *
 *   many --devices=N --idle      front-ends (in a process of their own) connect and negotiate, but
 *                                start no ring; then: memory and CPU time of this process, by a
 *                                runner in one thread
 *   many --devices=N --serve     every device completes a request; then requests on the first one
 *                                alone, in a loop of this program's around epoll: ns
 *                                a request; under callgrind, many_serve_some() can be counted
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

#include <libvu/vu.h>

#include "frontend/peer.h"

enum { REQUESTS = 2000, RING = 64, MEMORY = 64 << 10, DEFAULT_FD_NEEDS = 16 };

struct many {
	uint32_t n;
	struct vu_device **devices;
	struct peer **peers;
	struct vu_runner *runner;
	int epoll;
};

static void many_die(const char *what, int err)
{
	fprintf(stderr, "many: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void many_check(const char *what, int err)
{
	if (err < 0)
		many_die(what, err);
}

static void many_ready(struct vu_queue *q, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(q, &req) > 0)
		vu_req_complete(req, 0);
}

static void many_allow_fds(uint32_t n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < (rlim_t)n * DEFAULT_FD_NEEDS) {
		fprintf(stderr, "many: only %llu file descriptors are allowed\n",
			(unsigned long long)limit.rlim_cur);
		exit(77);
	}
}

static void many_make_devices(struct many *m)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = many_ready};
	const struct vu_device_info info = {.size = sizeof(info), .device_id = 2, .n_queues = 1};

	m->devices = calloc(m->n, sizeof(*m->devices));
	for (uint32_t i = 0; i < m->n; i++)
		many_check("device", vu_device_new(&info, &ops, NULL, &m->devices[i]));
}

static void many_make_peer(struct many *m, uint32_t i, uint32_t n_queues, int fd)
{
	const struct guest_region memory = {.size = MEMORY, .uva = UINT64_C(0x7f0012340000)};
	const struct peer_config config = {
		.n_queues = n_queues,
		.queue_size = RING,
		.protocol_features = UINT64_C(1) << WIRE_PF_REPLY_ACK,
		.n_regions = 1,
		.regions = &memory,
	};

	many_check("peer", peer_new(&config, &m->peers[i]));
	many_check("peer", peer_adopt(m->peers[i], fd));
}

/* The other process: connected, negotiated, quiet, until the pipe closes. */
static _Noreturn void many_front_ends(struct many *m, const int *fds, int ready, int end)
{
	char c = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		many_make_peer(m, i, 0, fds[i]);
		many_check("negotiate", peer_negotiate(m->peers[i]));
		many_check("features", peer_set_driver(m->peers[i]));
	}
	if (write(ready, &c, 1) != 1 || read(end, &c, 1) < 0)
		many_die("pipe", -errno);
	_exit(0);
}

static void *many_run(void *opaque)
{
	struct many *m = opaque;
	int ret = vu_runner_run(m->runner);

	many_check("run", ret);
	return NULL;
}

static long many_rss_kib(void)
{
	long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%ld %ld", &pages, &resident) != 2)
		many_die("statm", -EIO);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static double many_cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static void many_idle(struct many *m)
{
	int *ours = calloc(m->n, sizeof(int)), *theirs = calloc(m->n, sizeof(int));
	int ready[2], end[2], pair[2];
	const struct timespec second = {.tv_sec = 1};
	pthread_t thread;
	double cpu;
	pid_t child;
	char c;

	many_check("pipe", pipe(ready) || pipe(end) ? -errno : 0);
	for (uint32_t i = 0; i < m->n; i++) {
		many_check("socketpair",
			   socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ? -errno : 0);
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	child = fork();
	if (child == 0) {
		for (uint32_t i = 0; i < m->n; i++)
			close(ours[i]);
		close(end[1]);
		many_front_ends(m, theirs, ready[1], end[0]);
	}
	for (uint32_t i = 0; i < m->n; i++)
		close(theirs[i]);
	many_make_devices(m);
	many_check("runner", vu_runner_new(NULL, &m->runner));
	for (uint32_t i = 0; i < m->n; i++)
		many_check("adopt", vu_runner_adopt(m->runner, m->devices[i], ours[i]));
	many_check("thread", -pthread_create(&thread, NULL, many_run, m));
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		many_die("front-ends", -EPIPE);
	cpu = many_cpu_ms();
	nanosleep(&second, NULL);
	printf("{\"devices\": %u, \"rss_kib\": %ld, \"cpu_ms_of_a_second\": %.3f}\n", m->n,
	       many_rss_kib(), many_cpu_ms() - cpu);
	vu_runner_stop(m->runner);
	pthread_join(thread, NULL);
	close(end[1]);
	waitpid(child, NULL, 0);
	vu_runner_free(m->runner);
	free(ours);
	free(theirs);
}

/* What an embedding program's loop does.  Not inlined: what callgrind counts. */
__attribute__((noinline)) static void many_serve_some(struct many *m)
{
	struct epoll_event events[16];
	int n = epoll_wait(m->epoll, events, 16, 0);

	for (int i = 0; i < n; i++)
		vu_device_process(m->devices[events[i].data.u32]);
}

static void many_pump(void *opaque)
{
	many_serve_some(opaque);
}

static void many_start(struct many *m, uint32_t i)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
	int pair[2];

	many_check("socketpair",
		   socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ? -errno : 0);
	many_check("epoll", epoll_ctl(m->epoll, EPOLL_CTL_ADD, vu_device_fd(m->devices[i]), &event)
				    ? -errno
				    : 0);
	many_check("attach", vu_device_attach(m->devices[i], pair[0]));
	many_make_peer(m, i, 1, pair[1]);
	m->peers[i]->frontend.pump = many_pump;
	m->peers[i]->frontend.pump_opaque = m;
	many_check("start", peer_start(m->peers[i]));
}

static void many_request(struct many *m, uint32_t i, const struct driver_seg *seg)
{
	struct driver_ring *ring = m->peers[i]->queues[0];
	struct driver_used used;
	int n = 0;

	many_check("add", driver_add(ring, seg, 1, NULL));
	many_check("kick", driver_kick(ring));
	for (int tries = 0; tries < 1000 && !n; tries++) {
		many_serve_some(m);
		n = driver_collect(ring, &used, 1);
	}
	if (n != 1)
		many_die("not served", -ETIMEDOUT);
}

static double many_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void many_serve(struct many *m)
{
	struct driver_seg seg = {.len = 512, .write = true};
	double best = 1e12;

	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	many_make_devices(m);
	for (uint32_t i = 0; i < m->n; i++)
		many_start(m, i);
	for (uint32_t i = 0; i < m->n; i++) {
		seg.gpa = guest_alloc(m->peers[i]->guest, seg.len, 16);
		many_request(m, i, &seg);
	}
	CALLGRIND_DUMP_STATS_AT("warm-up");
	for (int round = 0; round < 5; round++) {
		double began = many_now(), ns;

		for (int i = 0; i < REQUESTS / 5; i++)
			many_request(m, 0, &seg);
		ns = (many_now() - began) / (REQUESTS / 5);
		best = ns < best ? ns : best;
	}
	CALLGRIND_DUMP_STATS_AT("requests");
	printf("{\"devices\": %u, \"served\": %u, \"ns\": %.0f, \"requests\": %d}\n", m->n, m->n,
	       best, REQUESTS);
	for (uint32_t i = 0; i < m->n; i++)
		vu_device_detach(m->devices[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"devices", required_argument, NULL, 'd'},
						{"idle", no_argument, NULL, 'i'},
						{"serve", no_argument, NULL, 's'},
						{0}};
	struct many m = {.n = 1, .epoll = -1};
	int opt, mode = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'd')
			m.n = (uint32_t)strtoul(optarg, NULL, 10);
		else if (opt == 'i' || opt == 's')
			mode = opt;
		else
			return 2;
	}
	if (!m.n || !mode) {
		fprintf(stderr, "usage: many --devices=N --idle | --serve\n");
		return 2;
	}
	many_allow_fds(m.n);
	m.peers = calloc(m.n, sizeof(struct peer *));
	if (mode == 'i')
		many_idle(&m);
	else
		many_serve(&m);
	for (uint32_t i = 0; i < m.n; i++) {
		vu_device_free(m.devices[i]);
		peer_free(m.peers[i]);
	}
	if (m.epoll >= 0)
		close(m.epoll);
	free(m.devices);
	free(m.peers);
	return 0;
}
