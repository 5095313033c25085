/* SPDX-License-Identifier: MIT */
/* The driver's choice of feature bits: whether the device can run with it, and what it means. */
#ifndef CORE_FEATURES_H
#define CORE_FEATURES_H

#include <stdint.h>

struct vu_device;
struct ring_config;

/*
 * The driver accepts these.  0, or -errno: it cannot start like this, which is an error only if it
 * does start.
 */
int features_accept(struct vu_device *dev, uint64_t acked);
/* Why the device cannot start with what the driver chose; an error line. */
void features_log_refusal(struct vu_device *dev);
/* What the driver's choice means for a ring. */
void features_use(const struct vu_device *dev, struct ring_config *config);

#endif
