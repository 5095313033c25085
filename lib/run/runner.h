/* SPDX-License-Identifier: MIT */
/* The runner's inside, for the other files of this directory. */
#ifndef RUN_RUNNER_H
#define RUN_RUNNER_H

#include <libvu/vu.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "run/loop.h"

struct endpoint;
struct runner_worker;

/* How long the end of a run waits for queue threads to let go of a front-end. */
enum { RUNNER_PATIENCE_MS = 350 };

struct vu_runner {
	struct vu_runner_info info;
	struct loop loop;
	struct endpoint *endpoints;
	struct endpoint **last; /* where the next one goes */
	unsigned int n_serving; /* endpoints that may still get a front-end or have one */
	struct runner_worker *workers;
	unsigned int n_workers;
	bool running;		/* workers that are added start at once */
	bool ending;		/* sessions end: the endpoints stay */
	atomic_bool in_process; /* of vu_runner_process() */
	atomic_bool in_run;	/* of vu_runner_run() */
	bool guards;		/* every device is protected from SIGBUS */
};

/*
 * Copy a struct of the caller's, with a line in the log of settings (NULL: the usual one) if its
 * size is wrong.
 */
int runner_take(const struct vu_runner_info *settings, void *to, size_t size, const void *from,
		size_t first_size, const char *name);

/* End all sessions, and wait for the queue threads at most patience_ms. */
void runner_end_sessions(struct vu_runner *runner, unsigned int patience_ms);

/* Device by device: *position starts as NULL; NULL after the last. */
struct vu_device *runner_next_device(struct vu_runner *runner, struct endpoint **position);

#endif
