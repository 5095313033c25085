/* SPDX-License-Identifier: MIT */
/* Worker threads of a runner: each serves one group while vu_runner_run() runs. */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include <stdint.h>

#include "run/runner.h"

/* All on the runner's thread. */

/* Start those that are not running: 0 or -errno, and then some may be running. */
int worker_start_all(struct vu_runner *runner);
/* Tell them to end, and wait until they have. */
void worker_stop_all(struct vu_runner *runner);
/* None is running: free them; their groups may go now. */
void worker_forget_all(struct vu_runner *runner);
/* Serve the groups of those that are not running once, in their place. */
void worker_stand_in(struct vu_runner *runner);

/*
 * How long to poll from now on, after a sleep that ended idle ns after the last work: window is
 * the time until now, max the longest allowed.
 */
uint64_t worker_adapt(uint64_t window, uint64_t max, uint64_t idle);

#endif
