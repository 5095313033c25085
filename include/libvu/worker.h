/* SPDX-License-Identifier: MIT */
/*
 * Workers: threads of the library's that serve groups.
 *
 * Unstable, see unstable.h.  vu_runner_add_worker() makes one for a group, for as long as a runner
 * runs.
 */
#ifndef LIBVU_WORKER_H
#define LIBVU_WORKER_H

#include <libvu/runner.h>

VU_BEGIN_DECLS

/**
 * vu_worker_new() - start a thread that serves groups; none at first.
 *
 * It takes no signals but those that a thread causes itself.
 *
 * @info: NULL means defaults: no polling, any CPU.
 *
 * Return: 0; -EINVAL for a CPU that does not exist; -E2BIG, -ENOMEM, -EMFILE, -ENFILE, what
 * pthread_create(3) returns.  Thread: any.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_worker_new(const struct vu_worker_info *info, struct vu_worker **worker);

/**
 * vu_worker_free() - end the thread, and wait until it has ended.
 *
 * Its groups have no thread then: give them to another worker, or free them.  In a callback of one
 * of its groups it returns at once, and the thread ends after the callback.  NULL is ignored.
 * Thread: any, while no other uses the worker.
 * Since: 0.1
 */
VU_API void vu_worker_free(struct vu_worker *worker);

/**
 * vu_worker_add_group() - have it serve a group, too, from now on.
 *
 * Its groups take turns: each has a pass of vu_group_process().
 *
 * @group: stays the caller's.  The worker holds it (vu_group_hold()): it may be freed at any time,
 *	and the worker then drops it.
 *
 * Return: 0; -EBUSY if somebody serves the group already; -EINVAL for a device's own group;
 *-ENOMEM, -ENOSPC.  Thread: any. Since: 0.1
 */
VU_API VU_CHECK int vu_worker_add_group(struct vu_worker *worker, struct vu_group *group);

/**
 * vu_worker_remove_group() - have it serve a group no more, and wait until it does not.
 *
 * Return: 0; -ENOENT if it does not serve it; -EDEADLK in a callback of that very group.
 * Thread: any.
 * Since: 0.1
 */
VU_API int vu_worker_remove_group(struct vu_worker *worker, struct vu_group *group);

VU_END_DECLS

#endif
