/* SPDX-License-Identifier: MIT */
/* See own_socket.h. */
#include "own_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 128 };

/* Bind, in place of a file behind which nobody listens any more. */
static int own_socket_take(const struct own_socket *s, int type)
{
	const struct sockaddr *address = (const struct sockaddr *)&s->address;
	struct stat st;
	int fd, err;

	if (!bind(s->fd, address, sizeof(s->address)))
		return 0;
	if (errno != EADDRINUSE || lstat(s->address.sun_path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, address, sizeof(s->address)) < 0 ? errno : 0;
	close(fd);
	if (err != ECONNREFUSED)
		return -EADDRINUSE;
	if (unlink(s->address.sun_path) < 0 || bind(s->fd, address, sizeof(s->address)) < 0)
		return -errno;
	return 0;
}

int own_socket_bind(struct own_socket *s, const char *path, int type)
{
	struct stat st;
	int ret;

	*s = (struct own_socket){.fd = -1, .address.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(s->address.sun_path))
		return -ENAMETOOLONG;
	strcpy(s->address.sun_path, path);
	s->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || fchmod(s->fd, 0600) < 0) /* which the file takes over */
		return -errno;
	ret = own_socket_take(s, type);
	if (ret)
		return ret;
	if (lstat(path, &st) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

int own_socket_listen(struct own_socket *s, const char *path, int type)
{
	int ret = own_socket_bind(s, path, type);

	return ret || !listen(s->fd, BACKLOG) ? ret : -errno;
}

void own_socket_close(struct own_socket *s)
{
	struct stat st;

	if (s->ino && !lstat(s->address.sun_path, &st) && st.st_ino == s->ino &&
	    st.st_dev == s->dev)
		unlink(s->address.sun_path);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->ino = 0;
}
