/* SPDX-License-Identifier: MIT */
/* Kick, call and error descriptors.  Thread: the queue's. */
#include "dev/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/quiet_write.h"

void notifier_init(struct notifier *n)
{
	n->fd = -1;
	n->kind = NOTIFIER_NONE;
}

/* An anonymous inode has no file type; its name in /proc tells an eventfd from an epoll. */
static bool is_eventfd(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char path[32], name[sizeof(want)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	if (n < 0)
		return true; /* no /proc: take the file type's word */
	return n == sizeof(want) - 1 && !memcmp(name, want, sizeof(want) - 1);
}

static enum notifier_kind notifier_classify(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NOTIFIER_NONE;
	if (S_ISSOCK(st.st_mode))
		return NOTIFIER_SOCKET;
	if (S_ISFIFO(st.st_mode))
		return NOTIFIER_FIFO;
	return (st.st_mode & S_IFMT) == 0 && is_eventfd(fd) ? NOTIFIER_EVENTFD : NOTIFIER_NONE;
}

int notifier_open(struct notifier *n, int fd)
{
	enum notifier_kind kind = notifier_classify(fd);
	int flags;

	if (kind == NOTIFIER_NONE)
		return -EINVAL;
	/* A socket's flags are shared with the other side's user of a socketpair's same end;
	 * MSG_DONTWAIT does without them. */
	if (kind != NOTIFIER_SOCKET) {
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return -EINVAL;
	}
	n->fd = fd;
	n->kind = kind;
	return 0;
}

void notifier_close(struct notifier *n)
{
	if (n->kind != NOTIFIER_NONE)
		close(n->fd);
	notifier_init(n);
}

void notifier_signal(const struct notifier *n)
{
	static const uint64_t one = 1;

	switch (n->kind) {
	case NOTIFIER_EVENTFD:
		if (write(n->fd, &one, sizeof(one)) < 0)
			return; /* EAGAIN: signalled already */
		break;
	case NOTIFIER_SOCKET:
		(void)send(n->fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case NOTIFIER_FIFO:
		(void)quiet_write(n->fd, &one, sizeof(one));
		break;
	case NOTIFIER_NONE:
		break;
	}
}

bool notifier_clear(const struct notifier *n)
{
	char buf[512];
	ssize_t got;

	switch (n->kind) {
	case NOTIFIER_SOCKET:
		got = recv(n->fd, buf, sizeof(buf), MSG_DONTWAIT);
		break;
	case NOTIFIER_FIFO:
		got = read(n->fd, buf, sizeof(buf));
		break;
	default:
		return true;
	}
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
