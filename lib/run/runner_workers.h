/* SPDX-License-Identifier: MIT */
/* A runner's workers: each serves one group while the runner runs.  All on the runner's thread. */
#ifndef RUN_RUNNER_WORKERS_H
#define RUN_RUNNER_WORKERS_H

struct vu_runner;

/* Start those that are not running: 0 or -errno, and then some may be running. */
int runner_start_workers(struct vu_runner *runner);
/* Tell them to end, and wait until they have. */
void runner_stop_workers(struct vu_runner *runner);
/* None is running: free them; their groups may be served by others now. */
void runner_forget_workers(struct vu_runner *runner);
/* Serve the groups of those that are not running once, in their place. */
void runner_stand_in(struct vu_runner *runner);

#endif
