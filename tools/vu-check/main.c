/* SPDX-License-Identifier: MIT */
/* vu-check: does a vhost-user back-end do what the specifications ask?  The command line. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvu/version.h>

#include "check.h"
#include "child.h"
#include "cut.h"
#include "report.h"

enum { MAX_CHECKS = 256, MAX_SECONDS = 3600, DEFAULT_SECONDS = 5 };
enum { ENDS_WELL, ENDS_FAILED, ENDS_USAGE };

static const char help[] =
	"Usage: vu-check --socket-path=PATH [options] [-- COMMAND...]\n"
	"Checks a vhost-user back-end from outside, as its front-end and its driver.\n"
	"  --socket-path=PATH  where the back-end listens\n"
	"  --type=TYPE         what it is, so that it can be given requests: blk, net, rng, scsi,\n"
	"                      fs, console, vsock, i2c, gpio, input, scmi, snd, gpu, rtc, spi, "
	"can\n"
	"  --only=NAMES        checks of these names alone; commas between, * and ? stand for "
	"others\n"
	"  --skip=NAMES        all but these\n"
	"  --timeout=SECONDS   for each answer (default 5)\n"
	"  --json              the report as JSON\n"
	"  --tap               the report as TAP\n"
	"  --list              list the checks and end\n"
	"  --help, --version\n"
	"A COMMAND starts the back-end, and again when it has ended: some serve one connection "
	"alone.\n"
	"Nothing is written to a disk.  Ends with 0; 1 if a check failed; 2 for wrong usage or a\n"
	"back-end that cannot be reached.\n";

struct settings {
	const char *path, *type, *only, *skip;
	unsigned int timeout_ms;
	int list;
	enum report_format format;
	char **command;
};

static void wrong(const char *what, const char *value, const char *valid)
{
	fprintf(stderr, "vu-check: %s: cannot be '%s': %s\n", what, value, valid);
	exit(ENDS_USAGE);
}

static unsigned int parse_timeout(const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds > 0 && seconds <= MAX_SECONDS))
		wrong("--timeout", value, "seconds, more than 0 and at most 3600");
	return seconds < 0.001 ? 1 : (unsigned int)(seconds * 1000);
}

static void parse_option(struct settings *set, int opt, const char *value)
{
	switch (opt) {
	case 's':
		if (!*value)
			wrong("--socket-path", value, "the path of a socket");
		set->path = value;
		break;
	case 't':
		if (!request_type_find(value))
			wrong("--type", value, request_type_names());
		set->type = value;
		break;
	case 'o':
		set->only = value;
		break;
	case 'x':
		set->skip = value;
		break;
	case 'w':
		set->timeout_ms = parse_timeout(value);
		break;
	case 'j':
		set->format = REPORT_JSON;
		break;
	case 'p':
		set->format = REPORT_TAP;
		break;
	case 'l':
		set->list = 1;
		break;
	case 'h':
		fputs(help, stdout);
		exit(ENDS_WELL);
	case 'V':
		printf("vu-check %s\n", VU_VERSION);
		exit(ENDS_WELL);
	default:
		exit(ENDS_USAGE);
	}
}

static void parse(struct settings *set, int argc, char **argv)
{
	static const struct option options[] = {
		{"socket-path", required_argument, NULL, 's'},
		{"type", required_argument, NULL, 't'},
		{"only", required_argument, NULL, 'o'},
		{"skip", required_argument, NULL, 'x'},
		{"timeout", required_argument, NULL, 'w'},
		{"json", no_argument, NULL, 'j'},
		{"tap", no_argument, NULL, 'p'},
		{"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int opt;

	/* "+": the command's options are its own. */
	while ((opt = getopt_long(argc, argv, "+h", options, NULL)) != -1)
		parse_option(set, opt, optarg);
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		wrong("argument", argv[optind], "a command comes behind \"--\"");
	if (optind < argc)
		set->command = &argv[optind];
	if (!set->path && !set->list) {
		fputs("vu-check: --socket-path is missing (see --help)\n", stderr);
		exit(ENDS_USAGE);
	}
}

/* Is the name one of a list of patterns? */
static bool name_is_in(const char *name, const char *patterns)
{
	while (*patterns) {
		size_t len = strcspn(patterns, ",");
		char pattern[128];

		snprintf(pattern, sizeof(pattern), "%.*s", (int)len, patterns);
		if (!fnmatch(pattern, name, 0))
			return true;
		patterns += len + (patterns[len] == ',');
	}
	return false;
}

/* A name that is none, such as one misspelt, would quietly leave a check out. */
static void check_patterns(const char *option, const char *patterns)
{
	while (patterns && *patterns) {
		size_t len = strcspn(patterns, ",");
		char *pattern = strndup(patterns, len);
		uint32_t i = 0;

		if (!pattern)
			wrong(option, patterns, strerror(ENOMEM));
		while (i < n_checks && fnmatch(pattern, checks[i].name, 0))
			i++;
		if (len && i == n_checks)
			wrong(option, pattern, "names that --list shows");
		free(pattern);
		patterns += len + (patterns[len] == ',');
	}
}

static uint32_t choose(const struct settings *set, const struct check **list)
{
	uint32_t n = 0;

	check_patterns("--only", set->only);
	check_patterns("--skip", set->skip);
	for (uint32_t i = 0; i < n_checks && n < MAX_CHECKS; i++)
		if ((!set->only || name_is_in(checks[i].name, set->only)) &&
		    (!set->skip || !name_is_in(checks[i].name, set->skip)))
			list[n++] = &checks[i];
	if (!n)
		wrong(set->only ? "--only" : "--skip", set->only ? set->only : set->skip,
		      "that leaves no check");
	return n;
}

static int run(const struct settings *set, const struct check *const *list, uint32_t n)
{
	struct report report = {.format = set->format, .path = set->path, .type = set->type};
	struct probe probe = {
		.path = set->path,
		.type = set->type ? request_type_find(set->type) : NULL,
		.timeout_ms = set->timeout_ms,
	};
	int status = ENDS_USAGE;

	if (set->command) {
		probe.child = child_new(set->command);
		if (!probe.child)
			return ENDS_USAGE;
	}
	if (!probe_reach(&probe)) {
		report_begin(&report, n);
		for (uint32_t i = 0; i < n; i++) {
			enum verdict verdict = probe_run(&probe, list[i]);

			report_add(&report, list[i], verdict, probe.saw);
		}
		report_end(&report);
		status = report.counts[CHECK_FAIL] ? ENDS_FAILED : ENDS_WELL;
	} else if (set->format == REPORT_TAP) {
		printf("Bail out! The back-end cannot be reached\n");
	}
	child_free(probe.child);
	return status;
}

/* A report that did not get through is no success. */
static int written(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fputs("vu-check: the report could not be written\n", stderr);
	return ENDS_USAGE;
}

int main(int argc, char **argv)
{
	struct settings set = {.timeout_ms = DEFAULT_SECONDS * 1000};
	const struct check *list[MAX_CHECKS];
	uint32_t n;

	parse(&set, argc, argv);
	n = choose(&set, list);
	/* Kicks and calls go to descriptors that a back-end may have closed. */
	signal(SIGPIPE, SIG_IGN);
	cut_survive();
	if (set.list) {
		report_list(list, n, set.format);
		return written(ENDS_WELL);
	}
	return written(run(&set, list, n));
}
