/* SPDX-License-Identifier: MIT */
/* vu-trace: shows what a front-end and a back-end say to each other.  Here: its options. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libvu/version.h>

#include "run.h"
#include "stats.h"
#include "types.h"

enum { PATIENCE_MS = 1000, PROGRAM_PATIENCE_MS = 10000, STATUS_VIOLATION = 3 };

static const char help[] =
	"Usage: vu-trace --listen=PATH --connect=PATH [options]\n"
	"       vu-trace [options] -- BACK-END --socket-path=PATH ...\n"
	"Shows what a vhost-user front-end and a back-end say to each other.  The front-end "
	"connects\n"
	"to the path of --listen, or to the back-end's usual path.\n"
	"  --listen=PATH        where the front-end connects to\n"
	"  --connect=PATH       where the back-end listens; may be repeated, with its --listen\n"
	"  --back-end-connects  the other way round: the back-end connects, the front-end listens\n"
	"  --socket=PATH        what to look for in the back-end's arguments instead of\n"
	"                       --socket-path; may be repeated\n"
	"  --requests           a line for each request on the rings, too: costs a wake-up a kick\n"
	"  --type=TYPE          of the device, to put requests into words: %s\n"
	"  --json               one JSON object a line\n"
	"  -o, --output=FILE    write there instead of standard output\n"
	"  --clock              the time of day instead of seconds since the start\n"
	"  --summary            counts and latencies at the end, and on SIGUSR1\n"
	"  --stats              a line about each second on standard error\n"
	"  --quiet              no line for each message or request\n"
	"  --strict             end with 3 if either side did what the specification forbids\n"
	"  --help, --version\n"
	"Ends with the back-end's status, if it was started here; 1 if something cannot be had, 2 "
	"for\n"
	"wrong usage.\n";

struct options {
	struct run run;
	struct report report;
	struct program program;
	struct stats stats;
	const char *listen[RUN_GATES], *connect[RUN_GATES], *sockets[RUN_GATES];
	uint32_t n_listen, n_connect, n_sockets;
	const char *output, *type, *type_by;
	int json, clock, summary, live, quiet, strict, reversed, requests;
};

__attribute__((noreturn, format(printf, 1, 2))) static void usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("vu-trace: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (see --help)\n", stderr);
	exit(2);
}

static void add_path(const char **list, uint32_t *n, const char *option, const char *value)
{
	if (*n == RUN_GATES)
		usage_error("--%s: no more than %u", option, RUN_GATES);
	if (!*value)
		usage_error("--%s: a path is missing", option);
	list[(*n)++] = value;
}

static void parse_option(struct options *o, int opt, const char *value)
{
	char types[128];

	switch (opt) {
	case 'l':
		add_path(o->listen, &o->n_listen, "listen", value);
		break;
	case 'c':
		add_path(o->connect, &o->n_connect, "connect", value);
		break;
	case 's':
		add_path(o->sockets, &o->n_sockets, "socket", value);
		break;
	case 't':
		type_list(types, sizeof(types));
		if (!type_find(value))
			usage_error("--type: '%s' is none of %s", value, types);
		o->type = value;
		break;
	case 'o':
		o->output = value;
		break;
	case 'h':
		type_list(types, sizeof(types));
		printf(help, types);
		exit(0);
	case 'V':
		printf("vu-trace %s\n", VU_VERSION);
		exit(0);
	case 0:
		break;
	default:
		exit(2);
	}
}

static void parse(struct options *o, int argc, char **argv)
{
	const struct option table[] = {
		{"listen", required_argument, NULL, 'l'},
		{"connect", required_argument, NULL, 'c'},
		{"back-end-connects", no_argument, &o->reversed, 1},
		{"socket", required_argument, NULL, 's'},
		{"requests", no_argument, &o->requests, 1},
		{"type", required_argument, NULL, 't'},
		{"json", no_argument, &o->json, 1},
		{"output", required_argument, NULL, 'o'},
		{"clock", no_argument, &o->clock, 1},
		{"summary", no_argument, &o->summary, 1},
		{"stats", no_argument, &o->live, 1},
		{"quiet", no_argument, &o->quiet, 1},
		{"strict", no_argument, &o->strict, 1},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int opt;

	/* "+": what follows the first other argument belongs to the program. */
	while ((opt = getopt_long(argc, argv, "+o:", table, NULL)) != -1)
		parse_option(o, opt, optarg);
	if (optind < argc && (o->n_listen || o->n_connect))
		usage_error("either --listen and --connect, or a program");
	if (optind == argc && (!o->n_listen || o->n_listen != o->n_connect))
		usage_error("--listen and --connect belong together, or a program is missing");
	if (optind == argc && o->n_sockets)
		usage_error("--socket is for a program that is run");
	if (optind < argc && o->reversed)
		usage_error("--back-end-connects needs --listen and --connect");
}

static void add_gate(struct options *o, const char *listen, const char *connect, const char *name,
		     uint32_t patience)
{
	o->run.gates[o->run.n_gates++] = (struct gate){
		.listen = listen,
		.config = {.name = name,
			   .connect = connect,
			   .patience_ms = patience,
			   .reversed = o->reversed,
			   .requests = o->requests,
			   .type = o->type,
			   .type_by = o->type_by},
	};
}

static int set_program(struct options *o, char **argv)
{
	const struct type *type = type_of_program(argv);
	int ret = program_init(&o->program, argv);

	if (!o->type && type) {
		o->type = type->name;
		o->type_by = "the program's name";
	}

	for (uint32_t i = 0; ret == 0 && i < o->n_sockets; i++)
		ret = program_add_socket(&o->program, o->sockets[i]);
	if (ret == 0 && !o->n_sockets)
		ret = program_find_sockets(&o->program);
	for (uint32_t i = 0; ret == 0 && i < o->program.n_sockets; i++)
		add_gate(o, o->program.listen[i], o->program.connect[i], o->program.argv[0],
			 PROGRAM_PATIENCE_MS);
	o->run.program = &o->program;
	if (ret == -ENOENT)
		fprintf(stderr, "vu-trace: %s has no --socket-path: name its path with --socket\n",
			argv[0]);
	else if (ret < 0)
		fprintf(stderr, "vu-trace: %s\n", strerror(-ret));
	return ret;
}

static int set_report(struct options *o)
{
	struct report *r = &o->report;
	struct timespec real;

	clock_gettime(CLOCK_REALTIME, &real);
	r->began = trace_now();
	r->real = (uint64_t)real.tv_sec * 1000000000 + (uint64_t)real.tv_nsec;
	r->printer = o->json ? &print_json : &print_text;
	r->quiet = o->quiet;
	r->clock = o->clock;
	r->summary = o->summary;
	r->stats = &o->stats;
	stats_init(&o->stats);
	r->out = stdout;
	if (o->output)
		r->out = fopen(o->output, "we");
	if (!r->out)
		fprintf(stderr, "vu-trace: %s: %s\n", o->output, strerror(errno));
	o->run.report = r;
	o->run.live = o->live;
	return r->out ? 0 : -errno;
}

int main(int argc, char **argv)
{
	struct options *o = calloc(1, sizeof(*o));
	int ret, status;

	if (!o)
		return 1;
	parse(o, argc, argv);
	ret = set_report(o);
	for (uint32_t i = 0; i < o->n_listen; i++)
		add_gate(o, o->listen[i], o->connect[i], o->connect[i], PATIENCE_MS);
	if (ret == 0 && optind < argc)
		ret = set_program(o, argv + optind);
	if (ret == 0)
		ret = run(&o->run);
	status = ret < 0 ? 1 : o->strict && o->report.violations ? STATUS_VIOLATION : 0;
	program_fini(&o->program);
	if (ret == 0 && o->run.program && (!status || o->program.status))
		status = program_exit_status(&o->program);
	stats_fini(&o->stats);
	if (o->report.out)
		fclose(o->report.out);
	free(o);
	return status;
}
