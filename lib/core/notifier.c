/* SPDX-License-Identifier: MIT */
/* Kick, call and error descriptors.  Thread: the queue's. */
#include "core/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "core/bell.h"

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

/* Sending on a Unix socket waits for nobody; other families' locks may be held while they copy. */
static bool is_unix_connection(int fd)
{
	socklen_t len = sizeof(int);
	int domain, listens;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && !listens;
}

static enum notifier_kind notifier_classify(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NOTIFIER_NONE;
	if (S_ISSOCK(st.st_mode))
		return is_unix_connection(fd) ? NOTIFIER_SOCKET : NOTIFIER_NONE;
	return (st.st_mode & S_IFMT) == 0 && is_eventfd(fd) ? NOTIFIER_EVENTFD : NOTIFIER_NONE;
}

int notifier_open(struct notifier *n, int fd)
{
	enum notifier_kind kind = notifier_classify(fd);
	int flags;

	if (kind == NOTIFIER_NONE)
		return -EINVAL;
	/* It is only sent to, and closed by the queue's thread, who must not wait for what is in
	 * it. */
	if (kind == NOTIFIER_SOCKET && !descriptor_deafen(fd))
		return -EINVAL;
	/* A socket's flags are shared with the other side's user of a socketpair's same end;
	 * MSG_DONTWAIT does without them.  An eventfd's matter where there is no AIO. */
	if (kind == NOTIFIER_EVENTFD) {
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return -EINVAL;
	}
	n->fd = fd;
	n->kind = kind;
	return 0;
}

int notifier_open_timer(struct notifier *n)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	n->fd = fd;
	n->kind = NOTIFIER_TIMER;
	return 0;
}

void notifier_set_timer(const struct notifier *n, uint32_t ms)
{
	const struct itimerspec when = {.it_value.tv_nsec = (long)ms * 1000000};

	timerfd_settime(n->fd, 0, &when, NULL);
}

void notifier_close(struct notifier *n)
{
	if (n->kind != NOTIFIER_NONE)
		close(n->fd);
	notifier_init(n);
}

int notifier_signal(const struct notifier *n, const struct bell *bell)
{
	static const uint64_t one = 1;

	if (n->kind == NOTIFIER_EVENTFD)
		return bell_ring(bell, n->fd);
	if (n->kind == NOTIFIER_SOCKET)
		(void)send(n->fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
	return 0;
}
