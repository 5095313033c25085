/* SPDX-License-Identifier: MIT */
/* The signals of a VuGlibDevice, and what becomes of a handler's answer. */
#include <errno.h>

#include "device.h"
#include "error.h"

void device_install_signals(VuGlibDeviceClass *klass)
{
	const GType type = G_TYPE_FROM_CLASS(klass);
	static const struct {
		const char *name;
		gsize offset;
	} plain[] = {
		{"session-begin", G_STRUCT_OFFSET(VuGlibDeviceClass, session_begin)},
		{"started", G_STRUCT_OFFSET(VuGlibDeviceClass, started)},
		{"stopped", G_STRUCT_OFFSET(VuGlibDeviceClass, stopped)},
		{"reset", G_STRUCT_OFFSET(VuGlibDeviceClass, reset)},
	};

	for (guint i = 0; i < G_N_ELEMENTS(plain); i++)
		g_signal_new(plain[i].name, type, G_SIGNAL_RUN_LAST, (guint)plain[i].offset, NULL,
			     NULL, NULL, G_TYPE_NONE, 0);
	g_signal_new("session-end", type, G_SIGNAL_RUN_LAST,
		     G_STRUCT_OFFSET(VuGlibDeviceClass, session_end), NULL, NULL, NULL, G_TYPE_NONE,
		     1, G_TYPE_INT);
	g_signal_new("queue-stop", type, G_SIGNAL_RUN_LAST,
		     G_STRUCT_OFFSET(VuGlibDeviceClass, queue_stop), NULL, NULL, NULL, G_TYPE_NONE,
		     1, VU_GLIB_TYPE_QUEUE);
	g_signal_new("request", type, G_SIGNAL_RUN_LAST,
		     G_STRUCT_OFFSET(VuGlibDeviceClass, request), g_signal_accumulator_true_handled,
		     NULL, NULL, G_TYPE_BOOLEAN, 2, VU_GLIB_TYPE_QUEUE, VU_GLIB_TYPE_REQUEST);
}

void device_emit(VuGlibDevice *device, const char *signal)
{
	g_signal_emit_by_name(device, signal);
}

void device_emit_session_end(VuGlibDevice *device, int why)
{
	g_signal_emit_by_name(device, "session-end", why);
}

void device_emit_queue_stop(VuGlibDevice *device, VuGlibQueue *queue)
{
	g_signal_emit_by_name(device, "queue-stop", queue);
}

void device_emit_request(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request)
{
	gboolean kept = FALSE;

	g_signal_emit_by_name(device, "request", queue, request, &kept);
	if (!kept && !vu_glib_request_is_done(request)) {
		vu_glib_device_log_peer(device, VU_GLIB_LOG_WARNING,
					"a request was neither completed nor kept: it fails");
		vu_glib_request_fail(request);
	}
}

int device_verdict(VuGlibDevice *device, gboolean fine, GError *error, const char *what)
{
	char line[256];
	int ret = 0;

	if (!fine || error) {
		g_snprintf(line, sizeof(line), "%s: %s", what, error ? error->message : "refused");
		vu_glib_device_log_peer(device, VU_GLIB_LOG_WARNING, line);
		ret = error_to_errno(error);
	}
	g_clear_error(&error);
	return ret;
}
