/* SPDX-License-Identifier: MIT */
/* See close_from.h. */
#include "close_from.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { MOST = 1 << 20 /* Linux lets nobody have more, unless told to (fs.nr_open) */ };

/* Those that there are.  Closing one while they are listed loses none: they are by number. */
static int close_listed(int first)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int ret;

	if (!dir)
		return -1;
	errno = 0;
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name); /* "." and "..": 0 */

		if (fd >= first && fd != dirfd(dir))
			close(fd);
		errno = 0;
	}
	ret = errno ? -1 : 0;
	closedir(dir);
	return ret;
}

void close_from(int first)
{
	if (!syscall(SYS_close_range, first, ~0U, 0))
		return;
	if (close_listed(first) < 0)
		for (int fd = first; fd < MOST; fd++)
			close(fd);
}
