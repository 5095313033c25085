/* SPDX-License-Identifier: MIT */
/* The stop signals of a program, and what was done with signals before. */
#ifndef RUN_SIGNALS_H
#define RUN_SIGNALS_H

#include <signal.h>

#include "run/loop.h"
#include "run/runner.h"

struct signals {
	struct vu_runner *runner;
	struct watch watch;
	int fd; /* a signalfd of SIGTERM and SIGINT */
	sigset_t old_mask;
	struct sigaction old_pipe;
};

/* SIGTERM and SIGINT stop the runner, SIGPIPE does nothing.  0 or -errno: nothing has changed. */
int signals_enter(struct signals *s, struct vu_runner *runner);
/* After the runner was freed: until then a second SIGTERM must not kill a process that cleans up.
 */
void signals_leave(struct signals *s);

#endif
