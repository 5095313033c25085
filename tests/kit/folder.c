/* SPDX-License-Identifier: MIT */
/* See folder.h. */
#include "kit/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PASSES = 4, ROOM = 64 << 20 };

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

/*
 * What is mounted there stays.  Only folders tell: in an overlay their files may be of another file
 * system than they are, which is why nftw()'s FTW_MOUNT would leave those.
 */
static void folder_clear_in(int parent, const char *name, dev_t dev)
{
	const struct dirent *entry;
	struct stat st;
	DIR *dir;
	int fd;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_dev != dev)
		return;
	fchmodat(parent, name, 0700, 0);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(fd, entry->d_name, 0) < 0)
			folder_clear_in(fd, entry->d_name, dev);
	}
	if (dir)
		closedir(dir);
	unlinkat(parent, name, AT_REMOVEDIR);
}

int folder_clear(const char *path)
{
	struct stat st;

	for (int i = 0; i < PASSES && !stat(path, &st); i++)
		folder_clear_in(AT_FDCWD, path, st.st_dev);
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
