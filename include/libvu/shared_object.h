/* SPDX-License-Identifier: MIT */
/*
 * Objects (dma-bufs, mostly) that devices of a virtual machine share by UUID.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_SHARED_OBJECT_H
#define LIBVU_SHARED_OBJECT_H

#include <libvu/answer.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * struct vu_shared_object_ops - for a device that shares; see vu_device_set_shared_object_ops().
 *
 * @size: sizeof(struct vu_shared_object_ops).
 * @get: somebody wants the object with this @uuid, of 16 bytes: a descriptor for it, which is the
 *	library's from then on (give a duplicate); -errno: there is none; or VU_LATER.  Device
 *thread.
 *
 * The last argument is the opaque pointer of vu_device_new(); the one before is for VU_LATER.
 *
 * QEMU 10 and 11 ask without a UUID: that is answered with no object, with a line in the log.
 *
 * vhost-user GET_SHARED_OBJECT.
 * Since: 0.1
 */
struct vu_shared_object_ops {
	size_t size;
	int (*get)(struct vu_device *dev, const uint8_t *uuid, struct vu_answer *answer,
		   void *opaque);
};

/**
 * vu_device_set_shared_object_ops() - let the device share objects: offers SHARED_OBJECT.
 *
 * @ops: copied; the callback is needed.  NULL: it shares none any more.
 *
 * Return: as vu_device_set_state_ops().  Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_set_shared_object_ops(struct vu_device *dev,
						    const struct vu_shared_object_ops *ops);

/**
 * typedef vu_shared_object_fn - how vu_device_share() and the like went.
 *
 * @result: 0; of vu_device_lookup() a descriptor, which is the caller's; or -errno: -ENOENT, the
 *	front-end has no such object, or does not allow it; -EOPNOTSUPP, it does not know of shared
 *	objects; -ESHUTDOWN, the device is suspended, and says nothing; -ENOTCONN, no front-end or
 *	no back-end channel is there, or it went before it answered.
 *
 * Thread: device thread; may be called inside vu_device_free().
 * Since: 0.1
 */
typedef void (*vu_shared_object_fn)(struct vu_device *dev, int result, void *opaque);

/**
 * vu_device_share() - tell the front-end of an object, so that others may ask for it.
 *
 * It is forgotten with the session.
 *
 * @uuid: 16 bytes, copied.
 * @fn: called once, after this has returned; may be NULL.
 *
 * Return: 0; -ENOMEM: @fn is not called.  Thread: any.
 *
 * vhost-user SHARED_OBJECT_ADD.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_share(struct vu_device *dev, const uint8_t *uuid,
				    vu_shared_object_fn fn, void *opaque);

/**
 * vu_device_unshare() - take that back.
 *
 * Return: as vu_device_share().  Thread: any.
 *
 * vhost-user SHARED_OBJECT_REMOVE.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_unshare(struct vu_device *dev, const uint8_t *uuid,
				      vu_shared_object_fn fn, void *opaque);

/**
 * vu_device_lookup() - ask for an object of any device.
 *
 * The front-end may ask this device for it, by get, before it answers.  QEMU 10 and 11 find only
 * those of their own virtio-gpu.
 *
 * @fn: needed.
 *
 * Return: as vu_device_share(); -EINVAL without @fn.  Thread: any.
 *
 * vhost-user SHARED_OBJECT_LOOKUP.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_lookup(struct vu_device *dev, const uint8_t *uuid,
				     vu_shared_object_fn fn, void *opaque);

VU_END_DECLS

#endif
