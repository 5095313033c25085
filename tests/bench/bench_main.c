/* SPDX-License-Identifier: MIT */
/* The command line of every program here. */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"  --count             instructions per request of all cases, counted by callgrind\n"
	"  --time              ns per request of one case (the default), best of several rounds\n"
	"  --shape=NAME        one, blk3 (default), indirect3, chain18\n"
	"  --batch=N           requests offered together, 1 to 64 (default 32)\n"
	"  --packed            packed ring\n"
	"  --no-event-idx      without VIRTIO_F_EVENT_IDX\n"
	"  --block             with a kick and an interrupt for each batch, instead of polling\n"
	"  --two-cpus          the library polls on a CPU of its own\n"
	"  --loop              polling with a loop of the device's own\n"
	"  --iommu             behind an IOMMU, all of whose pages are known and apart\n"
	"  --iommu=asked       ... and only those are known that the library asked for\n"
	"  --use               something is done with each request, the same for all libraries\n"
	"  --seconds=S         of a round (default 0.1)\n"
	"  --rounds=N          (default 3)\n"
	"  --requests=N        run so many and print nothing: for profilers\n"
	"  --json              --count or --time as JSON\n";

struct command {
	const struct shape *shape;
	struct way way;
	double seconds;
	uint32_t rounds;
	uint64_t requests;
	bool count, json;
	const char *cases;
};

static const struct option options[] = {
	{"count", no_argument, NULL, 'c'},
	{"time", no_argument, NULL, 't'},
	{"shape", required_argument, NULL, 's'},
	{"batch", required_argument, NULL, 'b'},
	{"packed", no_argument, NULL, 'p'},
	{"no-event-idx", no_argument, NULL, 'e'},
	{"block", no_argument, NULL, 'k'},
	{"two-cpus", no_argument, NULL, '2'},
	{"loop", no_argument, NULL, 'l'},
	{"iommu", optional_argument, NULL, 'i'},
	{"use", no_argument, NULL, 'u'},
	{"seconds", required_argument, NULL, 'S'},
	{"rounds", required_argument, NULL, 'R'},
	{"requests", required_argument, NULL, 'r'},
	{"json", no_argument, NULL, 'j'},
	{"cases", required_argument, NULL, 'C'},
	{0},
};

static bool bench_can_be(const struct command *c)
{
	return c->way.batch && c->way.batch <= BATCH_MAX && c->rounds && c->seconds > 0 &&
	       !(c->way.block && c->way.two_cpus);
}

static int bench_parse(struct command *c, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			c->count = true;
			break;
		case 't':
			c->count = false;
			break;
		case 's':
			c->shape = bench_find_shape(optarg);
			break;
		case 'b':
			c->way.batch = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			c->way.packed = true;
			break;
		case 'e':
			c->way.no_event_idx = true;
			break;
		case 'k':
			c->way.block = true;
			break;
		case '2':
			c->way.two_cpus = true;
			break;
		case 'l':
			c->way.loop = true;
			break;
		case 'i':
			c->way.iommu = true;
			c->way.asked = optarg && !strcmp(optarg, "asked");
			break;
		case 'u':
			c->way.use = true;
			break;
		case 'S':
			c->seconds = strtod(optarg, NULL);
			break;
		case 'R':
			c->rounds = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			c->requests = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			c->json = true;
			break;
		case 'C':
			c->cases = optarg;
			break;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (!bench_can_be(c) || optind < argc) {
		fputs(help, stderr);
		return 2;
	}
	return 0;
}

static void bench_print(const struct command *c, const struct target *target,
			const struct run_times *t)
{
	if (c->json)
		printf("{\"library\": \"%s%s\", \"shape\": \"%s\", \"batch\": %u, \"packed\": %s, "
		       "\"event_idx\": %s, \"block\": %s, \"use\": %s, \"cpus\": %d, \"ns\": %.2f, "
		       "\"total_ns\": %.2f}\n",
		       target->name, c->way.loop ? ", a loop" : "", c->shape->name, c->way.batch,
		       c->way.packed ? "true" : "false", c->way.no_event_idx ? "false" : "true",
		       c->way.block ? "true" : "false", c->way.use ? "true" : "false",
		       c->way.two_cpus ? 2 : 1, t->device_ns, t->total_ns);
	else if (c->way.two_cpus)
		printf("%s: %.1f ns a request\n", target->name, t->total_ns);
	else
		printf("%s: %.1f ns a request, %.1f with the driver's side\n", target->name,
		       t->device_ns, t->total_ns);
}

int bench_main(int argc, char **argv, const struct target *target)
{
	struct command c = {
		.shape = bench_find_shape("blk3"),
		.way = {.batch = 32},
		.seconds = 0.1,
		.rounds = 3,
	};
	int ret = bench_parse(&c, argc, argv);
	struct run_times times;
	struct run *r;

	if (ret)
		return ret;
	if (c.cases)
		return count_cases(target, !strcmp(c.cases, "block"));
	if (c.count)
		return count_all(target, argv[0], c.json);
	if ((c.way.packed && !target->packed) || (c.way.block && !target->blocks) ||
	    (c.way.loop && !target->loops) || (c.way.iommu && !target->translates)) {
		fprintf(stderr, "%s cannot do that\n", target->name);
		return 77;
	}
	r = run_start(target, c.shape, &c.way);
	if (c.requests) {
		run_requests(r, c.requests);
	} else {
		times = run_time(r, c.seconds, c.rounds);
		bench_print(&c, target, &times);
	}
	run_stop(r);
	return 0;
}
