/* SPDX-License-Identifier: MIT */
/* The SIGBUS handler that programs may have installed: vu_device_guard(). */
#ifndef CORE_GUARD_H
#define CORE_GUARD_H

struct vu_device;

/* The device is about to go; whether it is protected or not.  Any thread. */
void guard_forget(struct vu_device *dev);

#endif
