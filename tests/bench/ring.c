/* SPDX-License-Identifier: MIT */
/*
 * Cost of a request through the library, in one process: the test peer's driver side makes
 * requests available, the device takes and completes them.
 *
 *   ring --count            instructions per request, counted by callgrind, for each shape and
 *                           batch, of the whole call: vu_group_process() of a polling thread, on
 *                           split and packed rings, and vu_device_process() with a kick and an
 *                           interrupt for each batch
 *   ring --shape NAME --batch N [--packed] [--block] [--requests N]
 *                           run one of them (what --count runs)
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvu/vu.h>

#include "frontend/peer.h"

enum { BATCH_MAX = 64, WARM_UP = 512 };

struct shape {
	const char *name;
	const char *what;
	bool indirect;
	uint32_t n;
	struct driver_seg segs[18]; /* lengths and directions; addresses come later */
};

#define READ4K                                                                                     \
	{                                                                                          \
		.len = 4096, .write = true                                                         \
	}
#define READ4K4 READ4K, READ4K, READ4K, READ4K

static const struct shape shapes[] = {
	{"one", "1 descriptor", false, 1, {READ4K}},
	{"blk3",
	 "3 descriptors (16 bytes, 4 KiB, status)",
	 false,
	 3,
	 {{.len = 16}, READ4K, {.len = 1, .write = true}}},
	{"indirect3",
	 "the same through one indirect table",
	 true,
	 3,
	 {{.len = 16}, READ4K, {.len = 1, .write = true}}},
	{"chain18",
	 "2 readable + 16 writable descriptors",
	 false,
	 18,
	 {{.len = 16}, {.len = 64}, READ4K4, READ4K4, READ4K4, READ4K4}},
};
enum { N_SHAPES = sizeof(shapes) / sizeof(shapes[0]) };
static const uint32_t batches[] = {1, 32};
enum { N_BATCHES = sizeof(batches) / sizeof(batches[0]) };

static uint64_t done;

static void queue_ready(struct vu_queue *q, void *opaque)
{
	static const uint64_t written[BATCH_MAX];
	struct vu_req *reqs[BATCH_MAX];
	int n;

	/* A short batch was the last: the library looks again before it waits. */
	do {
		n = vu_queue_next_batch(q, reqs, BATCH_MAX);
		if (n <= 0)
			break;
		vu_queue_complete_batch(q, reqs, written, (uint32_t)n);
		done += (uint32_t)n;
	} while (n == BATCH_MAX);
	(void)opaque;
}

/* One way to run a shape. */
struct way {
	uint32_t batch;
	bool packed;
	bool block; /* with a kick and an interrupt, instead of polling */
};

/* A device and, when polling, the group that its queue is in. */
struct target {
	struct vu_device *dev;
	struct vu_group *group;
};

static void pump(void *opaque)
{
	const struct target *t = opaque;

	while (vu_device_process(t->dev) > 0)
		;
	if (t->group)
		vu_group_process(t->group, 0);
}

static void die(const char *what, int err)
{
	fprintf(stderr, "ring: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* A request's own buffers, as a guest with many outstanding has them. */
static void place(struct guest *guest, const struct shape *shape, struct driver_seg *segs)
{
	for (uint32_t i = 0; i < shape->n; i++) {
		segs[i] = shape->segs[i];
		segs[i].gpa = guest_alloc(guest, segs[i].len, 16);
		if (segs[i].gpa == GUEST_NONE)
			die("guest memory", -ENOMEM);
	}
}

static void run(const struct shape *shape, const struct way *way, uint64_t requests)
{
	static struct driver_seg segs[BATCH_MAX][18];
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {.size = sizeof(info), .device_id = 2, .n_queues = 1};
	/* Big enough for a batch of the longest shape. */
	struct peer_config config = {
		.n_queues = 1,
		.queue_size = shape->n * BATCH_MAX > 256 ? 1024 : 256,
		.packed = way->packed,
		.max_indirect = 32,
		.pump = pump,
	};
	struct driver_used used[BATCH_MAX];
	struct target t = {0};
	struct driver_ring *ring;
	struct peer *peer;
	int err, fd;

	err = vu_device_new(&info, &ops, NULL, &t.dev);
	if (!err && !way->block) {
		err = vu_group_new(t.dev, &t.group);
		err = err ? err : vu_device_set_group(t.dev, 0, t.group);
	}
	config.pump_opaque = &t;
	err = err ? err : peer_new(&config, &peer);
	err = err ? err : peer_open(peer, &fd);
	err = err ? err : vu_device_attach(t.dev, fd);
	err = err ? err : peer_start(peer);
	if (err)
		die("start", err);
	ring = peer->queues[0];
	driver_set_interrupts(ring, way->block);
	for (uint32_t i = 0; i < way->batch; i++)
		place(peer->guest, shape, segs[i]);
	done = 0;
	while (done < requests) {
		for (uint32_t i = 0; i < way->batch; i++)
			err = shape->indirect ? driver_add_indirect(ring, segs[i], shape->n, NULL)
					      : driver_add(ring, segs[i], shape->n, NULL);
		if (err < 0)
			die("add", err);
		if (way->block) {
			driver_kick(ring);
			vu_device_process(t.dev);
		} else {
			driver_publish(ring);
			vu_group_process(t.group, 0);
		}
		if (driver_collect(ring, used, BATCH_MAX) != (int)way->batch)
			die("collect", -EPROTO);
	}
	peer_free(peer);
	vu_device_detach(t.dev);
	pump(&t);
	vu_group_free(t.group);
	vu_device_free(t.dev);
}

/* Instructions of the process call in a run of that many requests. */
static uint64_t count(const char *self, const struct shape *shape, const struct way *way,
		      uint64_t requests)
{
	char file[] = "/tmp/libvu-bench.XXXXXX", command[1024], line[256];
	unsigned long long total = 0;
	int fd = mkstemp(file);
	FILE *out;

	if (fd < 0)
		die(file, -errno);
	snprintf(command, sizeof(command),
		 "valgrind --tool=callgrind --toggle-collect=%s --callgrind-out-file=%s "
		 "'%s' --shape %s --batch %u %s %s --requests %llu >%s.log 2>&1",
		 way->block ? "vu_device_process" : "vu_group_process", file, self, shape->name,
		 way->batch, way->packed ? "--packed" : "", way->block ? "--block" : "",
		 (unsigned long long)requests, file);
	if (system(command)) {
		fprintf(stderr, "ring: failed: %s\n", command);
		exit(1);
	}
	out = fdopen(fd, "r");
	while (out && fgets(line, sizeof(line), out))
		if (sscanf(line, "summary: %llu", &total) == 1 ||
		    sscanf(line, "totals: %llu", &total) == 1)
			break;
	if (out)
		fclose(out);
	unlink(file);
	snprintf(command, sizeof(command), "%s.log", file);
	unlink(command);
	if (!total)
		die("callgrind counted nothing", -ENODATA);
	return total;
}

/* The difference of two runs leaves start and stop out. */
static double count_one(const char *self, const struct shape *shape, const struct way *way)
{
	const uint64_t few = WARM_UP, many = 5 * WARM_UP;

	return (double)(count(self, shape, way, many) - count(self, shape, way, few)) /
	       (double)(many - few);
}

/* The columns of the table. */
static const struct {
	const char *name;
	struct way way;
} columns[] = {
	{"split: batch 32", {.batch = 32}},
	{"batch 1", {.batch = 1}},
	{"packed: batch 32", {.batch = 32, .packed = true}},
	{"batch 1", {.batch = 1, .packed = true}},
	{"blocking: batch 32", {.batch = 32, .block = true}},
	{"batch 1", {.batch = 1, .block = true}},
};
enum { N_COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static int count_all(const char *self)
{
	printf("| request |");
	for (int c = 0; c < N_COLUMNS; c++)
		printf(" %s |", columns[c].name);
	printf("\n| --- |");
	for (int c = 0; c < N_COLUMNS; c++)
		printf(" --- |");
	printf("\n");
	for (int i = 0; i < N_SHAPES; i++) {
		printf("| %s |", shapes[i].what);
		for (int c = 0; c < N_COLUMNS; c++) {
			printf(" %.0f |", count_one(self, &shapes[i], &columns[c].way));
			fflush(stdout);
		}
		printf("\n");
	}
	return 0;
}

static const struct shape *find_shape(const char *name)
{
	for (int i = 0; i < N_SHAPES; i++)
		if (!strcmp(shapes[i].name, name))
			return &shapes[i];
	fprintf(stderr, "ring: no shape '%s'\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", no_argument, NULL, 'c'},
		{"shape", required_argument, NULL, 's'},
		{"batch", required_argument, NULL, 'b'},
		{"requests", required_argument, NULL, 'r'},
		{"packed", no_argument, NULL, 'p'},
		{"block", no_argument, NULL, 'k'},
		{0},
	};
	const struct shape *shape = &shapes[1];
	uint64_t requests = 1000000;
	struct way way = {.batch = 32};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			return count_all(argv[0]);
		case 's':
			shape = find_shape(optarg);
			break;
		case 'b':
			way.batch = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			requests = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			way.packed = true;
			break;
		case 'k':
			way.block = true;
			break;
		default:
			return 2;
		}
	}
	if (!way.batch || way.batch > BATCH_MAX) {
		fprintf(stderr, "ring: --batch is 1 to %d\n", BATCH_MAX);
		return 2;
	}
	run(shape, &way, requests);
	return 0;
}
