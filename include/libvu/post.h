/* SPDX-License-Identifier: MIT */
/*
 * Running something on a group's thread.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_POST_H
#define LIBVU_POST_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * typedef vu_post_fn - what vu_group_post() was asked to run.
 *
 * Thread: queue thread of the group; of the device's own group, device thread.
 * Since: 0.1
 */
typedef void (*vu_post_fn)(void *opaque);

/**
 * vu_group_post() - have a function run once on the group's thread, soon.
 *
 * The thread is woken.  Functions run in the order in which they were posted, in the group's next
 * pass, as callbacks do: what is refused inside a callback is refused in them.  What is posted and
 * has not run when the group is freed runs then, on the thread that frees it; the same holds for
 * the device's own group (vu_device_group()) and vu_device_free().
 *
 * Return: 0; -EINVAL without @fn; -ENOMEM.  Thread: any, while the group is not being freed.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_group_post(struct vu_group *group, vu_post_fn fn, void *opaque);

VU_END_DECLS

#endif
