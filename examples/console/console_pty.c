/* SPDX-License-Identifier: MIT */
/*
 * pty[:LINK]: a pseudo-terminal; LINK becomes a symbolic link to it.
 *
 * Somebody is connected while the terminal is open: its master end tells by a hangup when the last
 * one closes it, but not when one opens it, which inotify does.
 */
#include "console_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

struct pty {
	int inotify; /* -1 */
	struct vu_source *opened;
	char path[64];		 /* of the terminal */
	char link[BACKEND_PATH]; /* "": none */
};

static short pty_poll(const struct backend *b)
{
	struct pollfd pfd = {.fd = b->fd_in, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1 ? pfd.revents : 0;
}

static void pty_disconnect(struct backend *b)
{
	b->connected = b->hung_up = false;
}

static void pty_look(struct backend *b, uint32_t events)
{
	short now = pty_poll(b);

	b->hung_up = b->connected && now & POLLHUP;
	if (b->hung_up && !(now & POLLIN))
		pty_disconnect(b);
}

/* Opened, and by now perhaps closed again: then what was written meanwhile is there to be read. */
static void pty_on_open(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct backend *b = opaque;
	char buffer[1024] __attribute__((aligned(8)));

	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	b->connected = b->readable = b->writable = true;
	pty_look(b, 0);
	b->changed(b->opaque);
}

/* The end of what hung up is an error here. */
static ssize_t pty_read(struct backend *b, const struct iovec *iov, int n)
{
	ssize_t got;

	do
		got = readv(b->fd_in, iov, n);
	while (got < 0 && errno == EINTR);
	if (got >= 0 || errno != EIO)
		return got < 0 ? -errno : got;
	b->hung_up = true;
	return 0;
}

/* Bytes go through as they are, until who opens it wants it otherwise. */
static int pty_set_raw(const char *path)
{
	struct termios termios;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &termios) < 0)
		err = -errno;
	cfmakeraw(&termios);
	if (!err && tcsetattr(fd, TCSANOW, &termios) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Left by a process before us?  Any other link is somebody's who wants to keep it. */
static bool pty_is_old_link(const char *path)
{
	static const char terminals[] = "/dev/pts/";
	char target[sizeof(((struct pty *)0)->path)];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0 || st.st_uid != geteuid())
		return false;
	n = readlink(path, target, sizeof(target));
	return n > (ssize_t)strlen(terminals) && !memcmp(target, terminals, strlen(terminals));
}

static int pty_make_link(struct backend *b, struct pty *pty)
{
	int err = backend_path(b, b->argument, strlen(b->argument), pty->link);

	if (err)
		goto out;
	if (pty_is_old_link(pty->link))
		unlink(pty->link);
	err = symlink(pty->path, pty->link) < 0 ? -errno : 0;
out:
	if (err)
		pty->link[0] = '\0';
	return err;
}

static int pty_watch(struct backend *b, struct pty *pty)
{
	int err;

	pty->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (pty->inotify < 0 || inotify_add_watch(pty->inotify, pty->path, IN_OPEN) < 0)
		return -errno;
	err = vu_group_add_fd(b->group, pty->inotify, EPOLLIN, pty_on_open, b, &pty->opened);
	return err ? err : backend_watch(b);
}

static int pty_open(struct backend *b)
{
	struct pty *pty = calloc(1, sizeof(*pty));
	int err;

	if (!pty)
		return -ENOMEM;
	b->state = pty;
	pty->inotify = -1;
	b->fd_in = b->fd_out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (b->fd_in < 0 || grantpt(b->fd_in) < 0 || unlockpt(b->fd_in) < 0)
		return -errno;
	err = ptsname_r(b->fd_in, pty->path, sizeof(pty->path));
	if (err)
		return -err;
	err = pty_set_raw(pty->path);
	if (!err)
		err = pty_watch(b, pty);
	if (!err && *b->argument)
		err = pty_make_link(b, pty);
	snprintf(b->where, sizeof(b->where), "%s", pty->path);
	if (!err)
		fprintf(stderr, "vu-console: port %s is %s\n", b->label,
			pty->link[0] ? pty->link : pty->path);
	return err;
}

static void pty_close(struct backend *b)
{
	struct pty *pty = b->state;
	char target[sizeof(pty->path)];
	ssize_t n;

	if (!pty)
		return;
	if (pty->link[0]) {
		n = readlink(pty->link, target, sizeof(target));
		if (n == (ssize_t)strlen(pty->path) && !memcmp(target, pty->path, (size_t)n))
			unlink(pty->link);
	}
	vu_source_remove(pty->opened);
	if (pty->inotify >= 0)
		close(pty->inotify);
	if (b->fd_in >= 0)
		close(b->fd_in);
	free(pty);
}

const struct backend_kind backend_pty = {
	.name = "pty",
	.argument = BACKEND_MAY_HAVE_ARGUMENT,
	.open = pty_open,
	.close = pty_close,
	.read = pty_read,
	.look = pty_look,
	.disconnect = pty_disconnect,
};
