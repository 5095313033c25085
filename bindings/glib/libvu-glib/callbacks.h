/* SPDX-License-Identifier: MIT */
/* From libvu's callbacks to the handlers of a VuGlibDevice. */
#ifndef VU_GLIB_PRIVATE_CALLBACKS_H
#define VU_GLIB_PRIVATE_CALLBACKS_H

#include <glib.h>
#include <libvu/vu.h>

/* For vu_device_new() of this VuGlibDevice, with its struct core as the opaque pointer. */
struct vu_ops callbacks_ops(gpointer device);

#endif
