/* SPDX-License-Identifier: MIT */
/* The runner's inside, for the other files of this directory. */
#ifndef RUN_RUNNER_H
#define RUN_RUNNER_H

#include <libvu/vu.h>

#include <stdatomic.h>

#include "run/loop.h"

struct endpoint;

struct vu_runner {
	struct vu_runner_info info;
	struct loop loop;
	/* Only grows until vu_runner_free(), so that a signal handler may walk it at any time. */
	_Atomic(struct endpoint *) endpoints;
	unsigned int n_serving; /* endpoints that may still get a front-end or have one */
};

/* Was this SIGBUS in one of our devices' guest memory?  Any thread; async-signal-safe. */
int runner_fault(struct vu_runner *runner, const void *addr);

#endif
