/* SPDX-License-Identifier: MIT */
/* The properties of a VuGlibDevice that say what it is, until it is made. */
#ifndef VU_GLIB_PRIVATE_SETTINGS_H
#define VU_GLIB_PRIVATE_SETTINGS_H

#include <glib-object.h>

struct settings {
	gchar *name;
	guint device_id;
	guint n_queues;
	guint max_queue_size;
	guint max_segs;
	guint message_timeout;
	gint log_level;
	guint flags;
	guint64 features;
	guint64 required;
	guint64 forbidden;
	guint64 max_memory;
	GBytes *config;
	GBytes *config_writable;
	GBytes *failure;
};

/* Property ids from 1 to SETTINGS_END - 1. */
enum { SETTINGS_END = 16 };

void settings_install(GObjectClass *klass);
void settings_set(struct settings *settings, guint id, const GValue *value);
void settings_get(const struct settings *settings, guint id, GValue *value);
void settings_clear(struct settings *settings);

#endif
