/* SPDX-License-Identifier: MIT */
/* See own_file.h.  No state.  Any thread. */
#include "own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int own_file_open(const char *path, int flags)
{
	struct stat st;
	int fd;

	flags |= O_NOCTTY | O_CLOEXEC;
	fd = open(path, flags | O_CREAT | O_NOFOLLOW, 0600);
	if (fd >= 0 || errno != ELOOP)
		return fd < 0 ? -errno : fd;
	/* A link of the system's or our own is meant: /dev/serial/by-id/...  Nothing is made there.
	 */
	if (lstat(path, &st) < 0)
		return -errno;
	if (st.st_uid && st.st_uid != geteuid())
		return -ELOOP;
	fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

const char *own_file_error(int error)
{
	return error == ELOOP ? "a symbolic link of another user's is not followed"
			      : strerror(error);
}
