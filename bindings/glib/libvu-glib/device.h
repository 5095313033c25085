/* SPDX-License-Identifier: MIT */
/* What the callbacks and the runner need of a VuGlibDevice. */
#ifndef VU_GLIB_PRIVATE_DEVICE_H
#define VU_GLIB_PRIVATE_DEVICE_H

#include <libvu-glib/vu-glib-device.h>

#include "core.h"

/* The C device, made if it was not; NULL with an error. */
struct core *device_core(VuGlibDevice *device, GError **error);

/* Signals, by a table; for the class. */
void device_install_signals(VuGlibDeviceClass *klass);
void device_emit(VuGlibDevice *device, const char *signal);
void device_emit_session_end(VuGlibDevice *device, int why);
void device_emit_queue_stop(VuGlibDevice *device, VuGlibQueue *queue);
/* Hand it out, and fail it if it is neither done nor kept. */
void device_emit_request(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request);

/* A handler of the class said no, or died. */
int device_verdict(VuGlibDevice *device, gboolean fine, GError *error, const char *what);

#endif
