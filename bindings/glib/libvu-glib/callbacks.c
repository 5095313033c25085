/* SPDX-License-Identifier: MIT */
/*
 * From libvu's callbacks to the handlers of a VuGlibDevice.
 *
 * Each holds a reference on the object while its handlers run: they may drop the last one of
 * others.  Who drops the last one has closed the device, and then there is nobody to tell.
 */
#include "callbacks.h"

#include <errno.h>
#include <string.h>

#include "device.h"

static VuGlibDevice *device_of(void *opaque)
{
	return g_weak_ref_get(&((struct core *)opaque)->device);
}

static int on_session_begin(struct vu_device *dev, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);
	GError *error = NULL;
	gboolean fine;
	int ret;

	if (!device || g_atomic_int_get(&((struct core *)opaque)->closed))
		return -ESHUTDOWN;
	fine = VU_GLIB_DEVICE_GET_CLASS(device)->accept_session(device, &error);
	ret = device_verdict(device, fine, error, "accept_session");
	if (!ret)
		device_emit(device, "session-begin");
	return ret;
}

static void on_session_end(struct vu_device *dev, int why, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);

	if (device)
		device_emit_session_end(device, why);
}

static int on_features_acked(struct vu_device *dev, uint64_t features, uint64_t high, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);
	GError *error = NULL;
	gboolean fine;
	int ret;

	if (!device)
		return -ESHUTDOWN;
	fine = VU_GLIB_DEVICE_GET_CLASS(device)->accept_features(device, features, &error);
	ret = device_verdict(device, fine, error, "accept_features");
	g_object_notify(G_OBJECT(device), "negotiated");
	return ret;
}

static int on_started(struct vu_device *dev, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);
	GError *error = NULL;
	gboolean fine;
	int ret;

	if (!device)
		return -ESHUTDOWN;
	fine = VU_GLIB_DEVICE_GET_CLASS(device)->start(device, &error);
	ret = device_verdict(device, fine, error, "start");
	if (!ret)
		device_emit(device, "started");
	return ret;
}

static void on_stopped(struct vu_device *dev, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);

	if (device)
		device_emit(device, "stopped");
}

static void on_reset(struct vu_device *dev, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);

	if (device)
		device_emit(device, "reset");
}

static void on_queue_ready(struct vu_queue *queue, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);

	if (device)
		VU_GLIB_DEVICE_GET_CLASS(device)->queue_ready(
			device, vu_glib_device_get_queue(device, vu_queue_index(queue)));
}

static void on_queue_stop(struct vu_queue *queue, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);

	if (device)
		device_emit_queue_stop(device,
				       vu_glib_device_get_queue(device, vu_queue_index(queue)));
}

/* What the device does not say is there already: the library's copy. */
static int on_config_read(struct vu_device *dev, uint32_t offset, void *buf, uint32_t len,
			  void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);
	g_autoptr(GBytes) bytes = NULL;
	GError *error = NULL;
	gconstpointer data;
	gsize size;

	if (!device)
		return -ESHUTDOWN;
	bytes = VU_GLIB_DEVICE_GET_CLASS(device)->read_config(device, offset, len, &error);
	if (error || !bytes)
		return device_verdict(device, !error, error, "read_config");
	data = g_bytes_get_data(bytes, &size);
	if (size)
		memcpy(buf, data, MIN(size, len));
	return 0;
}

static int on_config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	g_autoptr(VuGlibDevice) device = device_of(opaque);
	GError *error = NULL;
	gboolean fine;

	if (!device)
		return -ESHUTDOWN;
	fine = VU_GLIB_DEVICE_GET_CLASS(device)->write_config(device, offset, len, &error);
	return device_verdict(device, fine, error, "write_config");
}

/* A device without read_config and without a configuration space offers none. */
struct vu_ops callbacks_ops(gpointer device)
{
	return (struct vu_ops){
		.size = sizeof(struct vu_ops),
		.session_begin = on_session_begin,
		.session_end = on_session_end,
		.features_acked = on_features_acked,
		.started = on_started,
		.stopped = on_stopped,
		.reset = on_reset,
		.queue_ready = on_queue_ready,
		.queue_stop = on_queue_stop,
		.config_read =
			VU_GLIB_DEVICE_GET_CLASS(device)->read_config ? on_config_read : NULL,
		.config_written = on_config_written,
	};
}
