/* SPDX-License-Identifier: MIT */
/*
 * Kicks and calls on their way.  The front-end's descriptor is an eventfd, a pipe or (a call of
 * User-mode Linux) a socket, which others read and write, too: nothing here waits for them.
 */
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/quiet_write.h"

void standin_init(struct standin *s)
{
	*s = (struct standin){.theirs = -1, .ours = -1};
}

int standin_open(struct standin *s, int theirs, int *give)
{
	int flags = fcntl(theirs, F_GETFL);
	/* The back-end gets one that blocks, or does not, as the other did. */
	int ours = eventfd(0, EFD_CLOEXEC | (flags & O_NONBLOCK ? EFD_NONBLOCK : 0));
	int copy;

	if (ours < 0)
		return -errno;
	copy = fcntl(ours, F_DUPFD_CLOEXEC, 0);
	if (copy < 0) {
		close(ours);
		return -errno;
	}
	*s = (struct standin){.theirs = theirs, .ours = ours};
	*give = copy;
	return 0;
}

void standin_close(struct standin *s)
{
	if (s->theirs < 0)
		return;
	close(s->theirs);
	close(s->ours);
	standin_init(s);
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 0) == 1 && p.revents & events;
}

/* What is there, without waiting although somebody else may have taken it by now. */
static ssize_t take(int fd, uint64_t *value)
{
	struct iovec iov = {value, sizeof(*value)};
	ssize_t n;

	if (!is_ready(fd, POLLIN))
		return -1;
	n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP) {
		n = recv(fd, value, sizeof(*value), MSG_DONTWAIT);
		if (n < 0 && errno == ENOTSOCK)
			n = read(fd, value, sizeof(*value));
	}
	return n;
}

static void put(int fd, uint64_t value)
{
	/* Full means that it was told already. */
	if (!is_ready(fd, POLLOUT))
		return;
	if (send(fd, &value, sizeof(value), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ENOTSOCK)
		(void)quiet_write(fd, &value, sizeof(value));
}

bool standin_kick(struct standin *s)
{
	uint64_t value;

	if (s->theirs < 0 || s->paused || take(s->theirs, &value) <= 0)
		return false;
	/* Of a pipe or socket any bytes are a kick. */
	put(s->ours, 1);
	return true;
}

bool standin_call(struct standin *s)
{
	uint64_t value;

	if (s->theirs < 0 || take(s->ours, &value) <= 0)
		return false;
	put(s->theirs, 1);
	return true;
}

void standin_give_back(struct standin *s)
{
	uint64_t value;

	if (s->theirs >= 0 && take(s->ours, &value) > 0)
		put(s->theirs, 1);
}
