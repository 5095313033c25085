/* SPDX-License-Identifier: MIT */
/* Workers: threads that serve groups; those of a runner run while it does. */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <libvu/unstable.h>

/* A worker without a thread; settings of the log as in runner_take(); number names the thread. */
int worker_make(const struct vu_runner_info *settings, const struct vu_worker_info *info,
		unsigned int number, struct vu_worker **worker);
/* Start its thread, if it has none: 0 or -errno. */
int worker_start(struct vu_worker *w);
/* Could it be started as its info says? */
int worker_probe(struct vu_worker *w);
/* Tell its thread to end; wait for that.  It keeps its groups. */
void worker_tell(struct vu_worker *w);
void worker_join(struct vu_worker *w);
/* In the place of its thread, which does not run: a pass of each group. */
void worker_stand_in(struct vu_worker *w);
/* Does it serve this group? */
bool worker_has(struct vu_worker *w, const struct vu_group *group);
/* Is this its thread? */
bool worker_is_here(const struct vu_worker *w);

/*
 * How long to poll from now on, after a sleep that ended idle ns after the last work: window is
 * the time until now, max the longest allowed.
 */
uint64_t worker_adapt(uint64_t window, uint64_t max, uint64_t idle);

#endif
