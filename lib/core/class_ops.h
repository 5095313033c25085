/* SPDX-License-Identifier: MIT */
/* The callbacks that only some classes of devices have; vhost_user/class_ops.c sets them. */
#ifndef CORE_CLASS_OPS_H
#define CORE_CLASS_OPS_H

#include <libvu/unstable.h>

/* A part of the device; those without a size are not set. */
struct class_ops {
	struct vu_state_ops state;
	struct vu_shared_object_ops shared_object;
	struct vu_net_ops net;
	struct vu_crypto_ops crypto;
	struct vu_gpu_ops gpu;
};

#endif
