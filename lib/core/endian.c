/* SPDX-License-Identifier: MIT */
/* Legacy drivers of the other byte order: whether a device serves them.  Device thread. */
#include <errno.h>

#include <libvu/unstable.h>

#include "core/device.h"

int vu_device_set_cross_endian(struct vu_device *dev, int on)
{
	if (vu_device_is_attached(dev)) {
		log_error(&dev->log, "vu_device_set_cross_endian: a front-end is attached");
		return -EBUSY;
	}
	if (on && !(dev->info.flags & VU_DEVICE_LEGACY)) {
		log_error(&dev->log, "vu_device_set_cross_endian: only legacy drivers may be of "
				     "another byte order: set VU_DEVICE_LEGACY");
		return -EINVAL;
	}
	dev->cross_endian = on;
	return 0;
}

int vu_queue_is_big_endian(const struct vu_queue *q)
{
	return q->ring && q->ring->big_endian;
}
