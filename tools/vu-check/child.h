/* SPDX-License-Identifier: MIT */
/* The back-end as a process of ours: started when it is needed, and again when it has ended. */
#ifndef VU_CHECK_CHILD_H
#define VU_CHECK_CHILD_H

#include <stdbool.h>

struct child;

/* The command is the caller's, ended by NULL. */
struct child *child_new(char **command);
void child_free(struct child *child);
bool child_runs(struct child *child);
/* When it does not run.  0 or -errno; that the command cannot be run is seen by its end. */
int child_start(struct child *child);
/* It is stuck: kill it. */
void child_kill(struct child *child);
/* Was it killed by a signal since the last call?  Its number, or 0. */
int child_take_crash(struct child *child);

#endif
