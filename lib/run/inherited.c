/* SPDX-License-Identifier: MIT */
/* Reads LISTEN_PID and LISTEN_FDS.  Owns nothing.  Thread: main, before others are started. */
#include "run/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvu/vu.h>

static int inherited_check(int *other)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	uint64_t n;

	if (!pid || !fds)
		return 0;
	if (vu_number_parse(pid, 1, INT_MAX, &n))
		return -EINVAL;
	if (n != (uint64_t)getpid()) {
		*other = (int)n;
		return 0;
	}
	if (vu_number_parse(fds, 0, INT_MAX - INHERITED_FIRST_FD, &n))
		return -EINVAL;
	for (int i = 0; i < (int)n; i++)
		if (fcntl(INHERITED_FIRST_FD + i, F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
	return (int)n;
}

int inherited_fds(int *other, char **names)
{
	const char *given = getenv("LISTEN_FDNAMES");
	int n = inherited_check(other);

	*names = n > 0 && given ? strdup(given) : NULL;
	if (n > 0 && given && !*names)
		n = -ENOMEM;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return n;
}

bool inherited_is_file(int i)
{
	struct stat st;

	return !fstat(INHERITED_FIRST_FD + i, &st) && S_ISREG(st.st_mode);
}

int inherited_find_file(int n, const char *names, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < n && names; i++) {
		const char *end = strchrnul(names, ':');

		if ((size_t)(end - names) == len && !memcmp(names, name, len) &&
		    inherited_is_file(i))
			return i;
		names = *end ? end + 1 : NULL;
	}
	return -1;
}
