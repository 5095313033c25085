/* SPDX-License-Identifier: MIT */
/* Reads LISTEN_PID and LISTEN_FDS.  Owns nothing.  Thread: main, before others are started. */
#include "run/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* A positive decimal number, or -1. */
static long inherited_number(const char *s)
{
	char *end;
	long n;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	n = strtol(s, &end, 10);
	return errno || *end ? -1 : n;
}

static int inherited_check(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	long n;

	if (!pid || !fds)
		return 0;
	n = inherited_number(pid);
	if (n <= 0)
		return -EINVAL;
	if (n != getpid())
		return 0;
	n = inherited_number(fds);
	if (n < 0 || n > INT_MAX - INHERITED_FIRST_FD)
		return -EINVAL;
	for (int i = 0; i < n; i++)
		if (fcntl(INHERITED_FIRST_FD + i, F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
	return (int)n;
}

int inherited_fds(void)
{
	int n = inherited_check();

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return n;
}
