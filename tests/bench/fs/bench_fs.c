/* SPDX-License-Identifier: MIT */
/*
 * What a virtio-fs back-end costs: bench-fs SOCKET PID [QUEUES [DEPTH [MILLISECONDS [CASE]]]].
 *
 * A driver on the test peer mounts what a running back-end shares ("file", "dir" and "tree": see
 * bench) and asks for the same again and again, DEPTH requests at a time on each of QUEUES request
 * queues, asleep while none is answered.  For each case: turns a second, and the CPU time that PID
 * and its children use for one, user and system, in microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../clocks.h"
#include "cases.h"
#include "frontend/peer.h"

enum { MAX_QUEUES = 8, MAX_DEPTH = 16, HEADER = sizeof(struct fuse_in_header) };
enum { OUT_HEADER = sizeof(struct fuse_out_header) };

struct bench {
	struct peer *peer;
	struct guest_region memory;
	uint32_t n_queues, depth;
	struct slot slots[MAX_QUEUES * MAX_DEPTH];
	struct targets targets;
	const struct bench_case *running;
	uint64_t turns, unique;
	bool ending;
	bool added[MAX_QUEUES + 1]; /* something to the queue that it was not told of */
	uint32_t busy;		    /* requests that are out */
};

__attribute__((noreturn)) static void fail(const struct bench *b, const char *what)
{
	fprintf(stderr, "bench-fs: %s: %s\n", what, b->peer ? b->peer->frontend.error : "");
	exit(1);
}

/* --- the back-end's time --- */

static uint64_t cpu_of(int pid)
{
	uint64_t sum = clocks_of_process(pid);
	char path[64];
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &child) == 1)
		sum += clocks_of_process(child);
	if (f)
		fclose(f);
	return sum;
}

/* --- requests --- */

static void send(struct bench *b, struct slot *slot, const struct request *r)
{
	struct fuse_in_header hdr = {.len = HEADER + r->args_len + r->data_len,
				     .opcode = r->opcode,
				     .unique = ++b->unique,
				     .nodeid = r->nodeid};
	const struct driver_seg all[] = {
		{.gpa = slot->out_gpa, .len = HEADER},
		{.gpa = slot->out_gpa + HEADER, .len = r->args_len},
		{.gpa = slot->out_gpa + HEAD, .len = r->data_len},
		{.gpa = slot->in_gpa, .len = r->forgets ? 0 : OUT_HEADER, .write = true},
		{.gpa = slot->in_gpa + HEAD, .len = r->in_len, .write = true},
	};
	struct driver_seg segs[sizeof(all) / sizeof(all[0])];
	uint32_t queue = r->forgets ? 0 : slot->queue, n = 0;

	memcpy(slot->out, &hdr, HEADER);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].len)
			segs[n++] = all[i];
	if (driver_add(b->peer->queues[queue], segs, n, slot) < 0)
		fail(b, "no room in the ring");
	b->added[queue] = true;
	b->busy++;
}

/* The next of the slot's; none while the case ends. */
static void go_on(struct bench *b, struct slot *slot)
{
	struct request r;

	while (!b->running->ask(slot, &b->targets, &r)) {
		slot->step = 0;
		b->turns++;
		if (b->ending)
			return;
	}
	send(b, slot, &r);
}

static void took(struct bench *b, struct slot *slot, uint32_t len)
{
	struct fuse_out_header hdr;

	b->busy--;
	if (len >= OUT_HEADER) { /* not a forget */
		memcpy(&hdr, slot->in, OUT_HEADER);
		if (hdr.error) {
			fprintf(stderr, "bench-fs: %s: step %u: %s\n",
				b->running ? b->running->name : "setup", slot->step,
				strerror(-hdr.error));
			exit(1);
		}
		if (b->running && b->running->take)
			b->running->take(slot, slot->in + HEAD, len - OUT_HEADER);
	}
	if (b->running)
		go_on(b, slot);
}

/* As Linux's driver does: queues that got something, and no others. */
static void kick(struct bench *b)
{
	for (uint32_t i = 0; i <= b->n_queues; i++) {
		if (b->added[i] && driver_kick(b->peer->queues[i]) < 0)
			fail(b, "kick");
		b->added[i] = false;
	}
}

/* Take what is done; true: there was something. */
static bool collect(struct bench *b)
{
	struct driver_used used[MAX_DEPTH * MAX_QUEUES];
	bool any = false;

	for (uint32_t i = 0; i <= b->n_queues; i++) {
		int n = driver_collect(b->peer->queues[i], used, MAX_DEPTH * MAX_QUEUES);

		if (n < 0)
			fail(b, "used ring");
		for (int j = 0; j < n; j++)
			took(b, used[j].cookie, used[j].len);
		any |= n > 0;
	}
	if (any)
		kick(b);
	return any;
}

static void wait_for_calls(struct bench *b)
{
	struct pollfd fds[MAX_QUEUES + 1];
	uint64_t value;

	for (uint32_t i = 0; i <= b->n_queues; i++)
		fds[i] = (struct pollfd){.fd = b->peer->queues[i]->call.driver, .events = POLLIN};
	if (poll(fds, b->n_queues + 1, 60000) < 1)
		fail(b, "no answer for a minute");
	for (uint32_t i = 0; i <= b->n_queues; i++)
		if (fds[i].revents && read(fds[i].fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
			fail(b, "call");
}

static void finish(struct bench *b)
{
	while (b->busy)
		if (!collect(b))
			wait_for_calls(b);
}

/* One request by the first slot, until its reply. */
static const void *ask(struct bench *b, uint32_t opcode, uint64_t node, const void *args,
		       uint32_t len, uint32_t in_len)
{
	const struct request r = {opcode, node, len, in_len, false, 0};

	memcpy(b->slots[0].out + HEADER, args, len);
	send(b, &b->slots[0], &r);
	kick(b);
	finish(b);
	return b->slots[0].in + HEAD;
}

/* --- begin, cases --- */

static void connect_to(struct bench *b, const char *path)
{
	struct peer_config config = {
		.n_queues = 1 + b->n_queues, .n_regions = 1, .regions = &b->memory};

	b->memory.size = (uint64_t)b->n_queues * b->depth * 2 * (HEAD + DATA) + (8 << 20);
	/* What the C virtiofsd has, too. */
	config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30;
	if (peer_new(&config, &b->peer) || peer_connect(b->peer, path) || peer_start(b->peer))
		fail(b, path);
	for (uint32_t i = 0; i < b->n_queues * b->depth; i++) {
		struct slot *s = &b->slots[i];

		s->index = i;
		s->seed = i * 7919 + 1;
		s->queue = 1 + i % b->n_queues;
		s->out_gpa = guest_alloc(b->peer->guest, HEAD + DATA, 4096);
		s->in_gpa = guest_alloc(b->peer->guest, HEAD + DATA, 4096);
		s->out = guest_ptr(b->peer->guest, s->out_gpa, HEAD + DATA);
		s->in = guest_ptr(b->peer->guest, s->in_gpa, HEAD + DATA);
		if (!s->out || !s->in)
			fail(b, "no guest memory");
	}
}

static uint64_t lookup_in(struct bench *b, uint64_t dir, const char *name)
{
	const struct fuse_entry_out *entry =
		ask(b, FUSE_LOOKUP, dir, name, (uint32_t)strlen(name) + 1, sizeof(*entry));

	return entry->nodeid;
}

static uint64_t lookup(struct bench *b, const char *name)
{
	return lookup_in(b, FUSE_ROOT_ID, name);
}

static void find_others(struct bench *b)
{
	uint64_t folder = lookup_in(b, b->targets.tree, "0");
	char name[16];

	for (uint32_t i = 0; i < TREE_FILES; i++) {
		snprintf(name, sizeof(name), "%u", i);
		b->targets.others[i] = lookup_in(b, folder, name);
	}
}

static void mount_share(struct bench *b)
{
	struct fuse_init_in init = {.major = 7,
				    .minor = 38,
				    .max_readahead = 128 << 10,
				    .flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES |
					     FUSE_DO_READDIRPLUS | FUSE_PARALLEL_DIROPS |
					     FUSE_ASYNC_READ};
	struct fuse_open_in open = {.flags = O_RDWR};
	const struct fuse_open_out *opened;

	ask(b, FUSE_INIT, 0, &init, sizeof(init), sizeof(struct fuse_init_out));
	b->targets.file = lookup(b, "file");
	b->targets.dir = lookup(b, "dir");
	b->targets.tree = lookup(b, "tree");
	find_others(b);
	opened = ask(b, FUSE_OPEN, b->targets.file, &open, sizeof(open), sizeof(*opened));
	b->targets.file_fh = opened->fh;
}

static void run_case(struct bench *b, const struct bench_case *c, int pid, uint32_t ms)
{
	uint64_t began, cpu, ns;

	b->running = c;
	b->ending = false;
	for (uint32_t i = 0; i < b->n_queues * b->depth; i++)
		go_on(b, &b->slots[i]);
	kick(b);
	b->turns = 0;
	began = clocks_now();
	cpu = cpu_of(pid);
	/* As many as there are at a time, if that takes longer: a large directory's listings do. */
	while (clocks_now() - began < (uint64_t)ms * 1000000 || b->turns < b->n_queues * b->depth)
		if (!collect(b))
			wait_for_calls(b);
	ns = clocks_now() - began;
	cpu = cpu_of(pid) - cpu;
	printf("%-18s %u x %2u: %10.0f/s %8.2f us", c->name, b->n_queues, b->depth,
	       (double)b->turns * 1e9 / (double)ns,
	       b->turns ? (double)cpu / 1000 / (double)b->turns : 0);
	if (c->bytes)
		printf("  %6.2f GB/s", (double)b->turns * c->bytes / (double)ns);
	printf("\n");
	fflush(stdout);
	b->ending = true;
	finish(b);
	b->running = NULL;
}

int main(int argc, char **argv)
{
	static struct bench b;
	uint32_t ms = argc > 5 ? (uint32_t)atoi(argv[5]) : 1000;

	if (argc < 3) {
		fprintf(stderr, "usage: bench-fs SOCKET PID [QUEUES [DEPTH [MS [CASE]]]]\n");
		return 2;
	}
	b.n_queues = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
	b.depth = argc > 4 ? (uint32_t)atoi(argv[4]) : 1;
	if (b.n_queues < 1 || b.n_queues > MAX_QUEUES || b.depth < 1 || b.depth > MAX_DEPTH)
		return 2;
	connect_to(&b, argv[1]);
	mount_share(&b);
	for (const struct bench_case *c = bench_fs_cases; c->name; c++)
		if (argc < 7 || !strcmp(argv[6], c->name))
			run_case(&b, c, atoi(argv[2]), ms);
	peer_free(b.peer);
	return 0;
}
