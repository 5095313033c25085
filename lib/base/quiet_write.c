/* SPDX-License-Identifier: MIT */
/* Keeps SIGPIPE from a process that may have no handler for it.  No state.  Any thread. */
#include "base/quiet_write.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

ssize_t quiet_write(int fd, const void *data, size_t len)
{
	static const struct timespec now = {0, 0};
	sigset_t pipe_set, old, pending;
	bool was_pending;
	ssize_t ret;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	/* Where a filter does not let us ask, the one that comes is taken for ours. */
	was_pending = !sigpending(&pending) && sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	ret = write(fd, data, len);
	if (ret < 0)
		ret = -errno;
	if (ret == -EPIPE && !was_pending)
		while (sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}
