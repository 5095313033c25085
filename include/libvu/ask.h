/* SPDX-License-Identifier: MIT */
/*
 * What a device asks of its front-end.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_ASK_H
#define LIBVU_ASK_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * typedef vu_asked_fn - how something ended that a device asked of its front-end.
 *
 * Called once for each time that the asking function returned 0.  The front-end takes its time, and
 * nothing waits for it.
 *
 * @result: 0: it is done.  -EREMOTEIO: the front-end refused.  -ECANCELED: the driver stopped or
 *	reset the device before.  -ENOTCONN: there is no front-end, it has no back-end channel, or
 *it went without an answer.  -EOPNOTSUPP: it did not negotiate what is needed.
 * @asked: as it was given to the function that asked.
 *
 * Thread: device thread.
 * Since: 0.1
 */
typedef void (*vu_asked_fn)(struct vu_device *dev, int result, void *asked);

VU_END_DECLS

#endif
