/* SPDX-License-Identifier: MIT */
/* See shortage.h. */
#include "shortage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/patience.h"
#include "kit/test.h"

enum { STANDARD_STREAMS = 3, TIMES = 3, LOOK_US = 20000 };

void shortage_begin(struct shortage *s, pid_t pid)
{
	struct rlimit few;

	s->pid = pid;
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, NULL, &s->before), errno);
	few = (struct rlimit){STANDARD_STREAMS, s->before.rlim_max};
	assert_return_code(prlimit(pid, RLIMIT_NOFILE, &few, NULL), errno);
}

static unsigned long sleeps(pid_t pid)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	char path[40], text[4096];
	const char *at;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	at = strstr(text, key);
	assert_non_null(at);
	return strtoul(at + strlen(key), NULL, 10);
}

void shortage_is_sat_out(const struct shortage *s)
{
	unsigned long enough = sleeps(s->pid) + TIMES;

	for (uint64_t us = 0; sleeps(s->pid) < enough; us += LOOK_US) {
		if (us > HANG_MS * UINT64_C(1000))
			fail_msg("the program spins, or nobody wakes it");
		usleep(LOOK_US);
	}
}

void shortage_end(const struct shortage *s)
{
	assert_return_code(prlimit(s->pid, RLIMIT_NOFILE, &s->before, NULL), errno);
}
