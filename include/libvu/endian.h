/* SPDX-License-Identifier: MIT */
/*
 * Legacy drivers of the other byte order.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_ENDIAN_H
#define LIBVU_ENDIAN_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * vu_device_set_cross_endian() - serve legacy drivers of big-endian guests, too: offers
 * CROSS_ENDIAN.
 *
 * A legacy driver's rings, requests and configuration space are in the guest's byte order (virtio
 * 1.3, the sections "Legacy Interface"), of which the front-end tells.  Rings are the library's
 * matter; requests and configuration space are the device's, which asks vu_queue_is_big_endian().
 * Drivers that accepted VERSION_1 are little-endian, whatever the front-end says.
 *
 * @on: 0 takes it back.
 *
 * Return: 0; -EBUSY while a front-end is attached; -EINVAL for a device without VU_DEVICE_LEGACY. A
 * log line says so.  Thread: device thread.
 *
 * vhost-user SET_VRING_ENDIAN.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_set_cross_endian(struct vu_device *dev, int on);

/**
 * vu_queue_is_big_endian() - is the driver's byte order big-endian?
 *
 * Of a ring that is started; good from queue_ready on until it stops.
 *
 * Return: 1 or 0.  Thread: queue thread.
 * Since: 0.1
 */
VU_API int vu_queue_is_big_endian(const struct vu_queue *queue);

VU_END_DECLS

#endif
