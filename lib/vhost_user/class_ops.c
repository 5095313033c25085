/* SPDX-License-Identifier: MIT */
/* Callbacks of a device's class: set once, before a front-end is there.  Device thread. */
#include "vhost_user/class_ops.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "core/device.h"
#include "wire/spec.h"

#define BIT(n) (UINT64_C(1) << (n))

/* A class: its struct and where the device keeps it. */
struct class
{
	const char *name; /* "struct vu_x_ops" */
	size_t at, bytes;
	size_t first; /* bytes of its first release */
	/* What is missing in it, or NULL. */
	const char *(*lacks)(const struct class_ops *ops);
};

#define CLASS(member, first_size, lacks_fn)                                                        \
	{                                                                                          \
		"struct vu_" #member "_ops", offsetof(struct class_ops, member),                   \
			sizeof(struct vu_##member##_ops), first_size, lacks_fn                     \
	}

static int class_set(struct vu_device *dev, const struct class *class, const void *ops)
{
	struct class_ops all = dev->class;
	unsigned char *at = (unsigned char *)&all + class->at;
	const char *missing;
	int err;

	if (vu_device_is_attached(dev)) {
		log_error(&dev->log, "%s cannot be set while a front-end is attached", class->name);
		return -EBUSY;
	}
	memset(at, 0, class->bytes);
	if (ops) {
		err = size_struct_take(&dev->log, at, class->bytes, ops, class->first, class->name);
		if (err)
			return err;
		missing = class->lacks ? class->lacks(&all) : NULL;
		if (missing) {
			log_error(&dev->log, "%s needs %s", class->name, missing);
			return -EINVAL;
		}
	}
	dev->class = all;
	return 0;
}

static const char *state_lacks(const struct class_ops *ops)
{
	return ops->state.save && ops->state.load ? NULL : "save and load";
}

static const char *shared_object_lacks(const struct class_ops *ops)
{
	return ops->shared_object.get ? NULL : "get";
}

static const char *crypto_lacks(const struct class_ops *ops)
{
	return ops->crypto.create_session && ops->crypto.close_session
		       ? NULL
		       : "create_session and close_session";
}

static const char *gpu_lacks(const struct class_ops *ops)
{
	return ops->gpu.set_socket ? NULL : "set_socket";
}

int vu_device_set_state_ops(struct vu_device *dev, const struct vu_state_ops *ops)
{
	static const struct class class = CLASS(state, FIRST_STATE_OPS, state_lacks);

	return class_set(dev, &class, ops);
}

int vu_device_set_net_ops(struct vu_device *dev, const struct vu_net_ops *ops)
{
	static const struct class class = CLASS(net, FIRST_NET_OPS, NULL);

	return class_set(dev, &class, ops);
}

int vu_device_set_shared_object_ops(struct vu_device *dev, const struct vu_shared_object_ops *ops)
{
	static const struct class class =
		CLASS(shared_object, FIRST_SHARED_OBJECT_OPS, shared_object_lacks);

	return class_set(dev, &class, ops);
}

int vu_device_set_crypto_ops(struct vu_device *dev, const struct vu_crypto_ops *ops)
{
	static const struct class class = CLASS(crypto, FIRST_CRYPTO_OPS, crypto_lacks);

	return class_set(dev, &class, ops);
}

int vu_device_set_gpu_ops(struct vu_device *dev, const struct vu_gpu_ops *ops)
{
	static const struct class class = CLASS(gpu, FIRST_GPU_OPS, gpu_lacks);

	return class_set(dev, &class, ops);
}

uint64_t class_ops_protocol(const struct vu_device *dev)
{
	const struct class_ops *ops = &dev->class;
	uint64_t bits = 0;

	if (ops->state.size)
		bits |= BIT(WIRE_PF_DEVICE_STATE);
	if (ops->shared_object.size)
		bits |= BIT(WIRE_PF_SHARED_OBJECT);
	if (ops->crypto.size)
		bits |= BIT(WIRE_PF_CRYPTO_SESSION);
	if (dev->cross_endian)
		bits |= BIT(WIRE_PF_CROSS_ENDIAN);
	if (ops->net.set_mtu)
		bits |= BIT(WIRE_PF_MTU);
	if (ops->net.send_rarp)
		bits |= BIT(WIRE_PF_RARP);
	return bits;
}
