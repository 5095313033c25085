/* SPDX-License-Identifier: MIT */
/* See folder.h. */
#include "kit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PASSES = 4, DEPTH = 16, ROOM = 64 << 20 };

const char *folder_quick(void)
{
	static const char memory[] = "/dev/shm";
	struct statvfs fs;

	return !access(memory, W_OK | X_OK) && !statvfs(memory, &fs) &&
			       (uint64_t)fs.f_bavail * fs.f_bsize >= ROOM
		       ? memory
		       : "/tmp";
}

int folder_new(char path[FOLDER_PATH], const char *where, const char *what)
{
	if (snprintf(path, FOLDER_PATH, "%s/%s-XXXXXX", where, what) >= FOLDER_PATH)
		return -ENAMETOOLONG;
	return mkdtemp(path) ? 0 : -errno;
}

static int folder_fail(const char *path, int error)
{
	fprintf(stderr, "%s: %s\n", path, strerror(error));
	return -1;
}

int folder_remove(const char *path)
{
	int ret = rmdir(path) < 0 ? folder_fail(path, errno) : 0;

	if (ret && !access(path, F_OK))
		folder_clear(path);
	return ret;
}

static int folder_clear_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_DNR) /* without rights: the next pass gets in */
		return chmod(path, 0700);
	remove(path);
	return 0;
}

int folder_clear(const char *path)
{
	chmod(path, 0700);
	for (int i = 0; i < PASSES && !access(path, F_OK); i++)
		nftw(path, folder_clear_one, DEPTH, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return access(path, F_OK) ? 0 : folder_fail(path, ENOTEMPTY);
}

/* The other process has ended when nobody holds the pipe's other end any more. */
static void folder_watch(const char *path, int end)
{
	char byte;

	setsid(); /* what ends that process's group is to leave this one */
	while (read(end, &byte, 1) < 0 && errno == EINTR)
		continue;
	_exit(folder_clear(path) ? 1 : 0);
}

int folder_guard(const char *path)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int error = -errno;

		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (!pid) {
		close(ends[1]);
		folder_watch(path, ends[0]);
	}
	close(ends[0]);
	return 0;
}
