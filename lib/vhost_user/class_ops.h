/* SPDX-License-Identifier: MIT */
/* What the callbacks of a device's class mean for the protocol.  Device thread. */
#ifndef VHOST_USER_CLASS_OPS_H
#define VHOST_USER_CLASS_OPS_H

#include <stdint.h>

struct vu_device;

/* The protocol features that are offered because of them. */
uint64_t class_ops_protocol(const struct vu_device *dev);

#endif
