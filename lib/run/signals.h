/* SPDX-License-Identifier: MIT */
/* The signals of a program, and what was done with them before. */
#ifndef RUN_SIGNALS_H
#define RUN_SIGNALS_H

#include <signal.h>

#include "run/loop.h"
#include "run/runner.h"

/* SIGHUP or SIGUSR1 came.  Runner's thread. */
typedef void signals_fn(int signal_number, void *opaque);

struct signals {
	struct vu_runner *runner;
	signals_fn *request;
	void *opaque;
	struct watch watch;
	int fd; /* a signalfd of all of them */
	sigset_t old_mask;
	struct sigaction old_pipe, old_xfsz;
};

/*
 * SIGTERM, SIGINT, SIGQUIT and SIGUSR2 stop the runner (the last two unless the process ignores or
 * handles them), SIGHUP and SIGUSR1 are handed on, SIGPIPE and SIGXFSZ do nothing.
 * 0 or -errno: nothing has changed.
 */
int signals_enter(struct signals *s, struct vu_runner *runner, signals_fn *request, void *opaque);
/* After the runner was freed: until then a second SIGTERM must not kill a process that cleans up.
 */
void signals_leave(struct signals *s);

#endif
