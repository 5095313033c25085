/* SPDX-License-Identifier: MIT */
/* SIGBUS in guest memory whose file the front-end truncated. */
#ifndef RUN_FAULT_H
#define RUN_FAULT_H

#include <signal.h>

#include "run/runner.h"

/* A thread's alternate signal stack; its first bytes lead the handler to the runner. */
struct fault_stack {
	struct fault_header *memory;
	stack_t old;
};

/* For each further thread that touches guest memory: 0 or -errno. */
int fault_stack_enter(struct fault_stack *stack, struct vu_runner *runner);
void fault_stack_leave(struct fault_stack *stack);

/* The handler, and the stack of the thread that installs it. */
struct fault {
	struct fault_stack stack;
	struct sigaction old;
};

/* 0, or -errno and then nothing has changed. */
int fault_enter(struct fault *fault, struct vu_runner *runner);
/* Same thread; before the runner is freed. */
void fault_leave(struct fault *fault);

#endif
