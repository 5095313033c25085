/* SPDX-License-Identifier: MIT */
/*
 * vu-bench: measures any vhost-user-blk back-end, as the front-end of a machine with a driver that
 * polls or blocks.
 */
#include "vu-bench.h"

#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <linux/virtio_blk.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvu/version.h>

#define BIT(n) (UINT64_C(1) << (n))

enum { MAX_BS = 4 << 20, MAX_SECONDS = 86400, VERIFY_SIZE = 64 << 20 };
enum { CONNECT_TRIES = 20, CONNECT_STEP_MS = 50 };

static const char help[] =
	"Usage: vu-bench --socket-path=PATH [options]\n"
	"Measures a vhost-user-blk back-end.  Writes destroy what is on its disk.\n"
	"  --socket-path=PATH  where the back-end listens\n"
	"  --rw=KIND           randread (default), randwrite, or mix: 7 reads to 3 writes\n"
	"  --bs=BYTES          of each request (default 4096)\n"
	"  --qd=N              requests on their way in each queue (default 32)\n"
	"  --queues=N          queues, all served by one thread (default 1)\n"
	"  --time=SECONDS      to measure, after a short warm-up (default 5)\n"
	"  --size=BYTES        use only so much of the disk; K, M, G may follow\n"
	"  --blocking          sleep until the back-end interrupts, instead of polling\n"
	"  --packed            packed rings\n"
	"  --indirect          indirect descriptors\n"
	"  --verify            write stamped blocks (default --size: 64M) and check what is read\n"
	"  --seed=N            of the random numbers (default 1)\n"
	"  --cpu=N             run on this CPU\n"
	"  --json              results as JSON\n"
	"  --plot=FILE         draw a histogram of latencies as SVG\n"
	"  --help, --version\n"
	"Ends with 0; 1 if a request failed, data was wrong or the back-end is unfit; 2 for wrong "
	"usage.\n";

static void usage_error(const char *option, const char *value)
{
	fprintf(stderr, "vu-bench: --%s: cannot be '%s' (see --help)\n", option, value);
	exit(2);
}

static uint64_t parse_number(const char *option, const char *value, uint64_t min, uint64_t max)
{
	static const char units[] = "KMG";
	const char *unit;
	uint64_t n;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || errno)
		usage_error(option, value);
	unit = *end ? strchr(units, *end) : NULL;
	if (*end && (!unit || end[1]))
		usage_error(option, value);
	if (unit) {
		unsigned int shift = 10 * (unsigned int)(unit - units + 1);

		if (n > UINT64_MAX >> shift)
			usage_error(option, value);
		n <<= shift;
	}
	if (n < min || n > max)
		usage_error(option, value);
	return n;
}

static double parse_seconds(const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds > 0 && seconds <= MAX_SECONDS))
		usage_error("time", value);
	return seconds;
}

static enum bench_rw parse_rw(const char *value)
{
	if (!strcmp(value, "randread"))
		return BENCH_READ;
	if (!strcmp(value, "randwrite"))
		return BENCH_WRITE;
	if (strcmp(value, "mix"))
		usage_error("rw", value);
	return BENCH_MIX;
}

static void parse_option(struct bench_settings *set, int opt, const char *value)
{
	switch (opt) {
	case 's':
		set->socket_path = value;
		break;
	case 'r':
		set->rw = parse_rw(value);
		break;
	case 'b':
		set->bs = (uint32_t)parse_number("bs", value, BENCH_SECTOR, MAX_BS);
		if (set->bs % BENCH_SECTOR)
			usage_error("bs", value);
		break;
	case 'd':
		set->qd = (uint32_t)parse_number("qd", value, 1, BENCH_MAX_QD);
		break;
	case 'q':
		set->n_queues = (uint32_t)parse_number("queues", value, 1, PEER_MAX_QUEUES);
		break;
	case 't':
		set->seconds = parse_seconds(value);
		break;
	case 'z':
		set->size = parse_number("size", value, BENCH_SECTOR, UINT64_MAX);
		break;
	case 'e':
		set->seed = parse_number("seed", value, 0, UINT64_MAX);
		break;
	case 'c':
		set->cpu = (int)parse_number("cpu", value, 0, CPU_SETSIZE - 1);
		break;
	case 'g':
		set->plot = value;
		break;
	case 'h':
		fputs(help, stdout);
		exit(0);
	case 'V':
		printf("vu-bench %s\n", VU_VERSION);
		exit(0);
	case 0:
		break;
	default:
		exit(2);
	}
}

static void parse(struct bench_settings *set, int argc, char **argv)
{
	int blocking = 0, packed = 0, indirect = 0, verify = 0, json = 0, opt;
	const struct option options[] = {
		{"socket-path", required_argument, NULL, 's'},
		{"rw", required_argument, NULL, 'r'},
		{"bs", required_argument, NULL, 'b'},
		{"qd", required_argument, NULL, 'd'},
		{"queues", required_argument, NULL, 'q'},
		{"time", required_argument, NULL, 't'},
		{"size", required_argument, NULL, 'z'},
		{"seed", required_argument, NULL, 'e'},
		{"cpu", required_argument, NULL, 'c'},
		{"plot", required_argument, NULL, 'g'},
		{"blocking", no_argument, &blocking, 1},
		{"packed", no_argument, &packed, 1},
		{"indirect", no_argument, &indirect, 1},
		{"verify", no_argument, &verify, 1},
		{"json", no_argument, &json, 1},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		parse_option(set, opt, optarg);
	if (optind < argc || !set->socket_path) {
		fprintf(stderr,
			optind < argc ? "vu-bench: what is '%s'?\n"
				      : "vu-bench: --socket-path is missing\n",
			argv[optind]);
		exit(2);
	}
	set->blocking = blocking;
	set->packed = packed;
	set->indirect = indirect;
	set->verify = verify;
	set->json = json;
}

static int unfit(const char *what)
{
	fprintf(stderr, "vu-bench: %s\n", what);
	return -ENOTSUP;
}

/* What the back-end's configuration space says. */
static int bench_learn_disk(struct bench *b)
{
	const struct bench_settings *set = b->set;
	struct virtio_blk_config config;
	struct frontend *f = &b->peer->frontend;
	uint64_t size = set->size;
	int ret;

	if (!frontend_has(f, WIRE_PF_CONFIG))
		return unfit("the back-end has no configuration space");
	ret = frontend_get_config(f, 0, &config, offsetof(struct virtio_blk_config, wce));
	if (ret < 0)
		return ret;
	b->disk = le64toh(config.capacity) * BENCH_SECTOR;
	if (!size || size > b->disk)
		size = b->disk;
	if (!set->size && set->verify && size > VERIFY_SIZE)
		size = VERIFY_SIZE;
	b->n_blocks = size / set->bs;
	if (!b->n_blocks)
		return unfit("the disk is smaller than a request");
	if (f->features & BIT(VIRTIO_BLK_F_BLK_SIZE) && config.blk_size &&
	    set->bs % le32toh(config.blk_size))
		return unfit("--bs is no multiple of the disk's block size");
	if (f->features & BIT(VIRTIO_BLK_F_RO) && (set->rw != BENCH_READ || set->verify))
		return unfit("the disk is read-only");
	return 0;
}

/* A back-end that was started just now may need a moment. */
static int bench_open(struct bench *b)
{
	int ret = 0;

	for (int i = 0; i < CONNECT_TRIES; i++) {
		ret = peer_connect(b->peer, b->set->socket_path);
		if (ret != -ECONNREFUSED && ret != -ENOENT)
			break;
		usleep(CONNECT_STEP_MS * 1000);
	}
	return ret;
}

/* A back-end may take what it cannot work with for the driver's fault: the queue is broken then. */
static int bench_start_rings(struct peer *peer)
{
	int ret = peer_start_rings(peer);

	for (uint32_t i = 0; ret == 0 && i < peer->n_queues; i++)
		if (driver_take_errs(peer->queues[i]))
			ret = -EIO;
	return ret;
}

static int bench_connect(struct bench *b)
{
	const struct bench_settings *set = b->set;
	const struct guest_region memory = {.size = bench_memory(set),
					    .uva = UINT64_C(0x7f0012340000)};
	const struct peer_config config = {
		.n_queues = set->n_queues,
		.queue_size = bench_ring_size(set),
		.packed = set->packed,
		.max_indirect = set->indirect ? BENCH_SEGS : 0,
		/* Only what every back-end does in the same way. */
		.protocol_features = BIT(WIRE_PF_MQ) | BIT(WIRE_PF_REPLY_ACK) | BIT(WIRE_PF_CONFIG),
		.n_regions = 1,
		.regions = &memory,
	};
	int ret = peer_new(&config, &b->peer);

	if (ret == 0)
		ret = bench_open(b);
	if (ret == 0)
		ret = peer_negotiate(b->peer);
	if (ret == 0 && set->n_queues > 1 && b->peer->backend_queues < set->n_queues)
		return unfit("the back-end has not so many queues");
	if (ret == 0)
		ret = peer_set_driver(b->peer);
	if (ret == 0)
		ret = bench_learn_disk(b);
	if (ret == 0) {
		ret = bench_start_rings(b->peer);
		if (ret < 0)
			fprintf(stderr, "vu-bench: rings of %u entries did not start%s\n",
				config.queue_size,
				set->indirect ? "" : ": a lower --qd, or --indirect, needs fewer");
	}
	if (ret < 0 && b->peer && b->peer->frontend.error[0])
		fprintf(stderr, "vu-bench: %s\n", b->peer->frontend.error);
	else if (ret < 0)
		fprintf(stderr, "vu-bench: %s: %s\n", set->socket_path, strerror(-ret));
	return ret;
}

static int bench_run(struct bench *b)
{
	const struct bench_settings *set = b->set;
	int ret = bench_make_queues(b);

	if (ret == 0)
		ret = verify_init(b);
	if (ret == 0 && set->verify && set->rw != BENCH_WRITE)
		ret = bench_run_phase(b, PHASE_FILL);
	if (ret >= 0)
		ret = bench_run_phase(b, PHASE_RUN);
	if (ret >= 0 && set->verify && set->rw != BENCH_READ)
		ret = bench_run_phase(b, PHASE_CHECK);
	return ret < 0 ? ret : 0;
}

static int bench_report(const struct bench *b)
{
	const struct bench_settings *set = b->set;
	int ret = 0;

	if (set->json)
		report_json(b);
	else
		report_text(b);
	if (set->plot) {
		ret = report_plot(b, set->plot);
		if (ret)
			fprintf(stderr, "vu-bench: %s: %s\n", set->plot, strerror(-ret));
	}
	return ret;
}

int main(int argc, char **argv)
{
	struct bench_settings set = {
		.qd = 32, .n_queues = 1, .bs = 4096, .seconds = 5, .seed = 1, .cpu = -1};
	struct bench *b = calloc(1, sizeof(*b));
	cpu_set_t cpus;
	int ret;

	parse(&set, argc, argv);
	if (!b)
		return 1;
	b->set = &set;
	b->epoll = -1;
	if (set.cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(set.cpu, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
			usage_error("cpu", strerror(errno));
	}
	ret = bench_connect(b);
	if (ret == 0)
		ret = bench_run(b);
	if (ret == 0)
		ret = peer_stop(b->peer);
	if (ret == 0)
		ret = bench_report(b);
	if (b->errors || b->mismatches)
		ret = -EIO;
	bench_free_queues(b);
	peer_free(b->peer);
	free(b);
	return ret < 0;
}
