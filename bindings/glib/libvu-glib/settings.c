/* SPDX-License-Identifier: MIT */
/* The properties of a VuGlibDevice that say what it is. */
#include "settings.h"

#include <libvu-glib/vu-glib-enums.h>
#include <libvu-glib/vu-glib-types.h>

enum kind { UINT, UINT64, TEXT, BYTES, FLAGS, LEVEL };

/**
 * VuGlibDevice:name:
 *
 * Names it in log lines; by default its type.
 */

/**
 * VuGlibDevice:device-id:
 *
 * Virtio device id (virtio 1.3 §5).
 */

/**
 * VuGlibDevice:n-queues:
 *
 * Virtqueues.
 */

/**
 * VuGlibDevice:max-queue-size:
 *
 * Largest ring that is taken, in entries; 0: libvu's limit.
 */

/**
 * VuGlibDevice:max-segs:
 *
 * Longest request that is taken, in segments; 0: libvu's limit.
 */

/**
 * VuGlibDevice:message-timeout:
 *
 * Milliseconds that a front-end has for its first message, or the rest of one; 0: for ever.
 */

/**
 * VuGlibDevice:log-level:
 *
 * Lines above it are dropped.
 */

/**
 * VuGlibDevice:flags:
 *
 * Opt-ins.
 */

/**
 * VuGlibDevice:features:
 *
 * The device type's own feature bits to offer.
 */

/**
 * VuGlibDevice:required:
 *
 * Feature bits that the driver must accept.
 */

/**
 * VuGlibDevice:forbidden:
 *
 * Feature bits of libvu's never to offer.
 */

/**
 * VuGlibDevice:max-memory:
 *
 * Most bytes of guest memory that may be mapped; 0: libvu's limit.
 */

/**
 * VuGlibDevice:config:
 *
 * The configuration space at the beginning; vu_glib_device_get_config() has it later.
 */

/**
 * VuGlibDevice:config-writable:
 *
 * A bit set to 1 may be written by the driver; as long as #VuGlibDevice:config.
 */

/**
 * VuGlibDevice:failure:
 *
 * What a request that fails ends with, such as the status byte of a disk; by default nothing.
 */
static const struct setting {
	const char *name;
	enum kind kind;
	gsize offset;
	guint least, most, first;
} settings_table[SETTINGS_END] = {
#define AT(member) offsetof(struct settings, member)
	[1] = {"name", TEXT, AT(name), 0, 0, 0},
	[2] = {"device-id", UINT, AT(device_id), 0, G_MAXUINT, 0},
	[3] = {"n-queues", UINT, AT(n_queues), 1, 256, 1},
	[4] = {"max-queue-size", UINT, AT(max_queue_size), 0, 32768, 0},
	[5] = {"max-segs", UINT, AT(max_segs), 0, G_MAXUINT, 0},
	[6] = {"message-timeout", UINT, AT(message_timeout), 0, G_MAXUINT, 30000},
	[7] = {"log-level", LEVEL, AT(log_level), 0, 0, VU_GLIB_LOG_WARNING},
	[8] = {"flags", FLAGS, AT(flags), 0, 0, 0},
	[9] = {"features", UINT64, AT(features), 0, 0, 0},
	[10] = {"required", UINT64, AT(required), 0, 0, 0},
	[11] = {"forbidden", UINT64, AT(forbidden), 0, 0, 0},
	[12] = {"max-memory", UINT64, AT(max_memory), 0, 0, 0},
	[13] = {"config", BYTES, AT(config), 0, 0, 0},
	[14] = {"config-writable", BYTES, AT(config_writable), 0, 0, 0},
	[15] = {"failure", BYTES, AT(failure), 0, 0, 0},
#undef AT
};

static GParamSpec *setting_spec(const struct setting *s)
{
	const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS;

	switch (s->kind) {
	case UINT:
		return g_param_spec_uint(s->name, NULL, NULL, s->least, s->most, s->first, flags);
	case UINT64:
		return g_param_spec_uint64(s->name, NULL, NULL, 0, G_MAXUINT64, 0, flags);
	case TEXT:
		return g_param_spec_string(s->name, NULL, NULL, NULL, flags);
	case BYTES:
		return g_param_spec_boxed(s->name, NULL, NULL, G_TYPE_BYTES, flags);
	case FLAGS:
		return g_param_spec_flags(s->name, NULL, NULL, VU_GLIB_TYPE_DEVICE_FLAGS, 0, flags);
	case LEVEL:
		return g_param_spec_enum(s->name, NULL, NULL, VU_GLIB_TYPE_LOG_LEVEL,
					 (gint)s->first, flags);
	}
	return NULL;
}

void settings_install(GObjectClass *klass)
{
	for (guint id = 1; id < SETTINGS_END; id++)
		g_object_class_install_property(klass, id, setting_spec(&settings_table[id]));
}

void settings_set(struct settings *settings, guint id, const GValue *value)
{
	gpointer place = (char *)settings + settings_table[id].offset;

	switch (settings_table[id].kind) {
	case UINT:
		*(guint *)place = g_value_get_uint(value);
		break;
	case UINT64:
		*(guint64 *)place = g_value_get_uint64(value);
		break;
	case TEXT:
		g_free(*(gchar **)place);
		*(gchar **)place = g_value_dup_string(value);
		break;
	case BYTES:
		g_clear_pointer((GBytes **)place, g_bytes_unref);
		*(GBytes **)place = g_value_dup_boxed(value);
		break;
	case FLAGS:
		*(guint *)place = g_value_get_flags(value);
		break;
	case LEVEL:
		*(gint *)place = g_value_get_enum(value);
		break;
	}
}

void settings_get(const struct settings *settings, guint id, GValue *value)
{
	gconstpointer place = (const char *)settings + settings_table[id].offset;

	switch (settings_table[id].kind) {
	case UINT:
		g_value_set_uint(value, *(const guint *)place);
		break;
	case UINT64:
		g_value_set_uint64(value, *(const guint64 *)place);
		break;
	case TEXT:
		g_value_set_string(value, *(gchar *const *)place);
		break;
	case BYTES:
		g_value_set_boxed(value, *(GBytes *const *)place);
		break;
	case FLAGS:
		g_value_set_flags(value, *(const guint *)place);
		break;
	case LEVEL:
		g_value_set_enum(value, *(const gint *)place);
		break;
	}
}

void settings_clear(struct settings *settings)
{
	g_clear_pointer(&settings->name, g_free);
	g_clear_pointer(&settings->config, g_bytes_unref);
	g_clear_pointer(&settings->config_writable, g_bytes_unref);
	g_clear_pointer(&settings->failure, g_bytes_unref);
}
