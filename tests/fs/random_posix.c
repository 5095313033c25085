/* SPDX-License-Identifier: MIT */
/* See random_ops.h: a directory of this machine's.  opaque points to its descriptor. */
#include "random_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int at(const void *opaque)
{
	return *(const int *)opaque;
}

static int result(long ret)
{
	return ret < 0 ? -errno : (int)ret;
}

static int posix_write(void *opaque, const char *path, int flags, uint32_t mode, uint64_t offset,
		       const void *data, uint32_t len)
{
	int fd = openat(at(opaque), path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, mode), ret;

	if (fd < 0)
		return -errno;
	ret = result(pwrite(fd, data, len, (off_t)offset));
	close(fd);
	return ret;
}

static int posix_read(void *opaque, const char *path, uint64_t offset, void *data, uint32_t len)
{
	int fd = openat(at(opaque), path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = result(pread(fd, data, len, (off_t)offset));
	close(fd);
	return ret;
}

static int posix_stat(void *opaque, const char *path, struct stat *st)
{
	return result(fstatat(at(opaque), path, st, AT_SYMLINK_NOFOLLOW));
}

static int posix_truncate(void *opaque, const char *path, uint64_t size)
{
	int fd = openat(at(opaque), path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = result(ftruncate(fd, (off_t)size));
	close(fd);
	return ret;
}

static int posix_chmod(void *opaque, const char *path, uint32_t mode)
{
	return result(fchmodat(at(opaque), path, mode, 0));
}

static int posix_utimes(void *opaque, const char *path, uint32_t seconds)
{
	const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};

	return result(utimensat(at(opaque), path, times, AT_SYMLINK_NOFOLLOW));
}

static int posix_mkdir(void *opaque, const char *path, uint32_t mode)
{
	return result(mkdirat(at(opaque), path, mode));
}

static int posix_unlink(void *opaque, const char *path)
{
	return result(unlinkat(at(opaque), path, 0));
}

static int posix_rmdir(void *opaque, const char *path)
{
	return result(unlinkat(at(opaque), path, AT_REMOVEDIR));
}

static int posix_rename(void *opaque, const char *from, const char *to, uint32_t flags)
{
	return result(renameat2(at(opaque), from, at(opaque), to, flags));
}

static int posix_link(void *opaque, const char *from, const char *to)
{
	return result(linkat(at(opaque), from, at(opaque), to, 0));
}

static int posix_symlink(void *opaque, const char *target, const char *path)
{
	return result(symlinkat(target, at(opaque), path));
}

static int posix_readlink(void *opaque, const char *path, char *target, uint32_t size)
{
	int ret = result(readlinkat(at(opaque), path, target, size));

	target[ret < 0 ? 0 : ret] = '\0';
	return ret;
}

static int posix_list(void *opaque, const char *path, char names[RANDOM_NAMES][16])
{
	int fd = openat(at(opaque), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	for (struct dirent *d; (d = readdir(dir)) && n < RANDOM_NAMES;)
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			snprintf(names[n++], 16, "%.15s", d->d_name);
	closedir(dir);
	return n;
}

const struct random_target random_posix = {
	posix_write,  posix_read,    posix_stat,     posix_truncate, posix_chmod,
	posix_utimes, posix_mkdir,   posix_unlink,   posix_rmdir,    posix_rename,
	posix_link,   posix_symlink, posix_readlink, posix_list,
};
