/* SPDX-License-Identifier: MIT */
/*
 * Plays hostile sessions against a program:
 *
 *	sessions [--seed=N] [--sessions=N] [--seconds=N] [--tell] [--io-uring] [--shut-in]
 *	         [--requests=DEVICE] PROGRAM [ARGUMENT...]
 *
 * Options in VU_SESSIONS, in the environment, have the last word.  Session i has the seed N + i.
 * After each the program must live, serve a front-end that does nothing wrong, and have nothing
 * left of the session.  --io-uring: the program needs one, so there are none where that is not
 * allowed.  --shut-in: it is in a sandbox, and keeps descriptors that may block who closes them,
 * which are not sent.  --requests: chains begin as those of a device do (attack_shape.c).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attack.h"
#include "run/forbid.h"
#include "target.h"

struct options {
	uint64_t seed, sessions, seconds;
	bool is_told, needs_io_uring, is_shut_in;
	const struct attack_shape *shape;
};

static int usage(void)
{
	fprintf(stderr, "usage: sessions [--seed=N] [--sessions=N] [--seconds=N] [--tell] "
			"[--io-uring] [--shut-in] [--requests=DEVICE] PROGRAM [ARGUMENT...]\n");
	return 2;
}

static bool parse_option(const char *word, struct options *o)
{
	const char *value = strchr(word, '=');
	char *end = NULL;
	uint64_t n = value ? strtoull(value + 1, &end, 0) : 0;

	if (!strcmp(word, "--tell"))
		o->is_told = true;
	else if (!strcmp(word, "--io-uring"))
		o->needs_io_uring = true;
	else if (!strcmp(word, "--shut-in"))
		o->is_shut_in = true;
	else if (!strncmp(word, "--requests=", 11))
		return (o->shape = attack_find_shape(word + 11)) != NULL;
	else if (!end || *end)
		return false;
	else if (!strncmp(word, "--seed=", 7))
		o->seed = n;
	else if (!strncmp(word, "--sessions=", 11))
		o->sessions = n;
	else if (!strncmp(word, "--seconds=", 10))
		o->seconds = n;
	else
		return false;
	return true;
}

/* The first argument that is none of ours, or 0. */
static int parse(int argc, char **argv, struct options *o)
{
	char *more = getenv("VU_SESSIONS"), *word;
	int i;

	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++)
		if (!parse_option(argv[i], o))
			return 0;
	while ((word = more ? strsep(&more, " ") : NULL))
		if (*word && !parse_option(word, o))
			return 0;
	return i < argc ? i : 0;
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .sessions = 100, .seconds = UINT32_MAX};
	struct attack_counts n = {0};
	int first = parse(argc, argv, &o), err;
	struct target target;
	time_t end;

	if (!first)
		return usage();
#ifdef __SANITIZE_THREAD__
	puts("not under TSan: our own second thread races with the first on purpose");
	return SKIPPED;
#endif
	if (o.needs_io_uring)
		io_uring_or_skip();
	signal(SIGPIPE, SIG_IGN);
	if (target_start(&target, argv + first, o.is_shut_in)) {
		fprintf(stderr, "%s: %s\n", argv[first], target.fault);
		target_show_log(&target);
		target_stop(&target);
		return 1;
	}
	end = time(NULL) + (time_t)o.seconds;
	for (err = 0; !err && n.sessions < o.sessions && time(NULL) < end;) {
		uint64_t seed = o.seed + n.sessions;

		err = attack_run(&target, seed, o.is_told, o.shape, &n);
		if (!err)
			err = target_check(&target);
		if (err)
			fprintf(stderr, "FAILED: seed %llu (--seed=%llu --sessions=1): %s\n",
				(unsigned long long)seed, (unsigned long long)seed, target.fault);
	}
	if (target_stop(&target) && !err) {
		fprintf(stderr, "FAILED at its end: %s\n", target.fault);
		err = -1;
	}
	if (err)
		target_show_log(&target);
	printf("%llu sessions, %llu steps, %llu chains, %llu used, %llu words scribbled%s\n",
	       (unsigned long long)n.sessions, (unsigned long long)n.steps,
	       (unsigned long long)n.chains, (unsigned long long)n.used,
	       (unsigned long long)n.scribbles, err ? "" : "; nothing found");
	return err ? 1 : 0;
}
