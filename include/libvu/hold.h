/* SPDX-License-Identifier: MIT */
/*
 * Whose a group or a device is: for who serves it, and may not be surprised by its end.
 *
 * Workers and runners do this; a thread of the caller's that serves a group while devices come and
 * go should.  Unstable, see unstable.h.
 */
#ifndef LIBVU_HOLD_H
#define LIBVU_HOLD_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * vu_group_hold() - this group is served by one who says so.
 *
 * From then until vu_group_release() somebody serves the group: what is freed elsewhere asks that
 * thread, and waits for it, where it would do the thread's work itself in a group that is not held.
 * A group that is held lives, freed or not; once its maker has freed it, vu_group_process() returns
 * -ESHUTDOWN, and it is to be released.
 *
 * Return: 0; -EBUSY if it is held by another; -EINVAL for a device's own group.
 * Thread: any, while no thread serves the group.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_group_hold(struct vu_group *group);

/**
 * vu_group_release() - nobody serves the group any more.
 *
 * If it was freed meanwhile, it goes now.
 *
 * Return: 0; -EINVAL if it is not held; -EDEADLK inside a callback of the group.
 * Thread: that which served it, or any once that has ended.
 * Since: 0.1
 */
VU_API int vu_group_release(struct vu_group *group);

/**
 * vu_device_hold() - this device is served by one who says so.
 *
 * While it is held, vu_device_free() frees nothing and logs an error.  Several may hold it.
 * Thread: any.
 * Since: 0.1
 */
VU_API void vu_device_hold(struct vu_device *dev);

/**
 * vu_device_release() - the end of a vu_device_hold().  Thread: any.
 * Since: 0.1
 */
VU_API void vu_device_release(struct vu_device *dev);

VU_END_DECLS

#endif
