/* SPDX-License-Identifier: MIT */
/*
 * A part of a device that not every device has, and that core need not know: it lives as long as
 * the device, and hears when that is suspended.  Embedded in what it is about; device thread.
 */
#ifndef CORE_PART_H
#define CORE_PART_H

struct part;
struct vu_device;

struct part_ops {
	/* The device is suspended: no ring is started any more.  Before its own `stopped`. */
	void (*stopped)(struct part *part, struct vu_device *dev);
	/* The device is freed; nothing else uses the part. */
	void (*free)(struct part *part);
};

struct part {
	const struct part_ops *ops;
	struct part *next; /* of the device's */
};

#endif
