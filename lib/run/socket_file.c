/* SPDX-License-Identifier: MIT */
/*
 * Making and removing socket files.
 *
 * Nobody can connect before mode and group are right, because listen() comes last.  Two programs
 * that find the same stale file must not both replace it, so the whole of it happens under a lock
 * on the directory, which leaves no lock file behind.  No state of its own.  Any thread.
 */
#include "run/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 16, BIND_TRIES = 8, LOCK_TRIES = 50, LOCK_WAIT_MS = 10 };

int socket_file_address(struct sockaddr_un *address, const char *path)
{
	size_t len = strlen(path);

	if (!len)
		return -EINVAL;
	if (len >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, len);
	return 0;
}

static int socket_file_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int socket_file_open_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	size_t len;

	if (!slash)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	len = slash == path ? 1 : (size_t)(slash - path);
	memcpy(dir, path, len);
	dir[len] = '\0';
	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/*
 * Lock the directory; close the fd to unlock.  Anyone who may read the directory can hold such a
 * lock for ever, so this gives up after half a second: the lock only narrows a race between
 * programs that start at the same moment.  Returns -1 without one.
 */
static int socket_file_lock(const char *path)
{
	const struct timespec wait = {.tv_nsec = LOCK_WAIT_MS * 1000000L};
	int fd = socket_file_open_directory(path);

	for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		nanosleep(&wait, NULL);
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Is anybody listening?  0: no, the file is stale (or gone); else -errno. */
static int socket_file_probe(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, err;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;

	fd = socket_file_socket();
	if (fd < 0)
		return fd;
	err = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	/*
	 * Only a refusal proves that nobody is there.  EAGAIN is a full backlog, EPROTOTYPE
	 * somebody's datagram socket, EACCES a file that is not for us to judge.
	 */
	return err == ECONNREFUSED || err == ENOENT ? 0 : -EADDRINUSE;
}

static int socket_file_bind(int fd, const struct sockaddr_un *address)
{
	for (int i = 0; i < BIND_TRIES; i++) {
		int ret;

		if (!bind(fd, (const struct sockaddr *)address, sizeof(*address)))
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
		ret = socket_file_probe(address);
		if (ret)
			return ret;
		if (unlink(address->sun_path) < 0 && errno != ENOENT)
			return -errno;
	}
	return -EADDRINUSE;
}

/*
 * Works on the file itself, through an O_PATH fd: in a directory that others may write, the
 * path could name something else by now, which must not get our group or mode.
 */
static int socket_file_set_access(struct socket_file *file, uint32_t mode, uint32_t group)
{
	int fd = open(file->address.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char name[32];
	struct stat st;
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		ret = -errno;
	} else if (!S_ISSOCK(st.st_mode)) {
		ret = -EEXIST;
	} else {
		file->dev = st.st_dev;
		file->ino = st.st_ino;
		if (group && fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH) < 0)
			ret = -errno;
		/* fchmod() before bind() did it, unless the umask took bits away. */
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		if (!ret && (st.st_mode & 07777) != mode && chmod(name, mode) < 0)
			ret = -errno;
	}
	close(fd);
	return ret;
}

static int socket_file_make(struct socket_file *file, uint32_t mode, uint32_t group)
{
	int fd = socket_file_socket();
	int ret;

	if (fd < 0)
		return fd;
	/* On Linux the file gets the socket's own mode, less the umask; never more than asked for.
	 */
	if (fchmod(fd, mode) < 0) {
		ret = -errno;
		goto err_close;
	}
	ret = socket_file_bind(fd, &file->address);
	if (ret)
		goto err_close;
	ret = socket_file_set_access(file, mode, group);
	if (!ret && listen(fd, BACKLOG) < 0)
		ret = -errno;
	if (ret)
		goto err_unlink;
	return fd;

err_unlink:
	/* Without a descriptor to look at it we only know that bind() made it just now. */
	if (!file->ino && ret != -EEXIST)
		unlink(file->address.sun_path);
	else
		socket_file_remove(file);
err_close:
	close(fd);
	return ret;
}

int socket_file_listen(struct socket_file *file, const char *path, uint32_t mode, uint32_t group)
{
	int ret = socket_file_address(&file->address, path);
	int lock;

	if (ret)
		return ret;
	file->dev = 0;
	file->ino = 0;
	lock = socket_file_lock(path);
	ret = socket_file_make(file, mode, group);
	if (lock >= 0)
		close(lock);
	return ret;
}

void socket_file_remove(const struct socket_file *file)
{
	struct stat st;

	if (lstat(file->address.sun_path, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode) && st.st_dev == file->dev && st.st_ino == file->ino)
		unlink(file->address.sun_path);
}
