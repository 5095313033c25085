/* SPDX-License-Identifier: MIT */
/* Feature bits, configuration space and log lines of a VuGlibDevice.  Any thread. */
#include "device.h"

#include <errno.h>

#include "error.h"

static void device_add_bit(VuGlibDevice *device, const char *property, guint bit)
{
	guint64 bits = 0;

	g_return_if_fail(VU_GLIB_IS_DEVICE(device));
	g_return_if_fail(bit < 64);
	g_object_get(device, property, &bits, NULL);
	g_object_set(device, property, bits | G_GUINT64_CONSTANT(1) << bit, NULL);
}

void vu_glib_device_offer(VuGlibDevice *device, guint bit)
{
	device_add_bit(device, "features", bit);
}

void vu_glib_device_require(VuGlibDevice *device, guint bit)
{
	device_add_bit(device, "features", bit);
	device_add_bit(device, "required", bit);
}

void vu_glib_device_forbid(VuGlibDevice *device, guint bit)
{
	device_add_bit(device, "forbidden", bit);
}

gboolean vu_glib_device_has_feature(VuGlibDevice *device, guint bit)
{
	struct core *core;

	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	core = device_core(device, NULL);
	return core && vu_device_has_feature(core->dev, bit);
}

gboolean vu_glib_device_set_config(VuGlibDevice *device, guint offset, GBytes *bytes,
				   GError **error)
{
	struct core *core;
	gconstpointer data;
	gsize size;

	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	g_return_val_if_fail(bytes != NULL, FALSE);
	core = device_core(device, error);
	if (!core)
		return FALSE;
	data = g_bytes_get_data(bytes, &size);
	return error_check(size > G_MAXUINT ? -ERANGE
					    : vu_config_set(core->dev, offset, data, (guint)size),
			   "beyond the configuration space", error);
}

GBytes *vu_glib_device_get_config(VuGlibDevice *device, guint offset, guint length, GError **error)
{
	guint8 data[4096];
	struct core *core;
	int ret;

	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), NULL);
	core = device_core(device, error);
	if (!core)
		return NULL;
	ret = length > sizeof(data) ? -ERANGE : vu_config_get(core->dev, offset, data, length);
	return error_check(ret, "beyond the configuration space", error) ? g_bytes_new(data, length)
									 : NULL;
}

void vu_glib_device_log(VuGlibDevice *device, VuGlibLogLevel level, const gchar *line)
{
	struct core *core;

	g_return_if_fail(VU_GLIB_IS_DEVICE(device) && line != NULL);
	core = device_core(device, NULL);
	if (core)
		vu_device_log(core->dev, (enum vu_log_level)level, line);
}

void vu_glib_device_log_peer(VuGlibDevice *device, VuGlibLogLevel level, const gchar *line)
{
	struct core *core;

	g_return_if_fail(VU_GLIB_IS_DEVICE(device) && line != NULL);
	core = device_core(device, NULL);
	if (core)
		vu_device_log_peer(core->dev, (enum vu_log_level)level, line);
}
