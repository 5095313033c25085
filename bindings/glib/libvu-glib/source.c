/* SPDX-License-Identifier: MIT */
/* The GSource of devices, groups and runners.  Their descriptors stay readable while there is more.
 */
#include "source.h"

/* The callback's data is the object: GLib lets go of it when the source is destroyed. */
static gboolean source_dispatch(GSource *source, GSourceFunc callback, gpointer object)
{
	g_source_set_ready_time(source, -1);
	return callback ? callback(object) : G_SOURCE_REMOVE;
}

static GSourceFuncs source_funcs = {.dispatch = source_dispatch};

GSource *source_new(int fd, gpointer object, GSourceFunc turn, const char *name)
{
	GSource *source = g_source_new(&source_funcs, sizeof(GSource));

	g_source_set_callback(source, turn, g_object_ref(object), g_object_unref);
	g_source_set_name(source, name);
	g_source_add_unix_fd(source, fd, G_IO_IN);
	g_source_set_ready_time(source, 0);
	return source;
}

void source_place_init(struct source_place *place)
{
	g_mutex_init(&place->lock);
	place->source = NULL;
}

void source_place_clear(struct source_place *place)
{
	source_place_empty(place);
	g_mutex_clear(&place->lock);
}

static void source_place_change(struct source_place *place, GSource *source)
{
	GSource *before;

	g_mutex_lock(&place->lock);
	before = place->source;
	place->source = source;
	g_mutex_unlock(&place->lock);
	/* May let go of the object that the place is in: nothing of it after this. */
	if (before) {
		g_source_destroy(before);
		g_source_unref(before);
	}
}

void source_place_put(struct source_place *place, GSource *source, GMainContext *context)
{
	g_source_attach(source, context ? context : g_main_context_get_thread_default());
	source_place_change(place, source);
}

gboolean source_place_is_taken(struct source_place *place)
{
	gboolean taken;

	g_mutex_lock(&place->lock);
	taken = place->source && !g_source_is_destroyed(place->source);
	g_mutex_unlock(&place->lock);
	return taken;
}

void source_place_empty(struct source_place *place)
{
	source_place_change(place, NULL);
}
