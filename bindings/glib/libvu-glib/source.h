/* SPDX-License-Identifier: MIT */
/* The GSource of everything that libvu gives one descriptor and one function to call for each wake.
 */
#ifndef VU_GLIB_PRIVATE_SOURCE_H
#define VU_GLIB_PRIVATE_SOURCE_H

#include <glib-object.h>

/* Begins with a turn; refers to the object until it is destroyed.  turn: FALSE ends it. */
GSource *source_new(int fd, gpointer object, GSourceFunc turn, const char *name);

/* One source that an object has attached for itself. */
struct source_place {
	GMutex lock;
	GSource *source; /* NULL: none */
};

void source_place_init(struct source_place *place);
void source_place_clear(struct source_place *place);
/* Attach it (and give it away), in the place of what was there. */
void source_place_put(struct source_place *place, GSource *source, GMainContext *context);
gboolean source_place_is_taken(struct source_place *place);
/* Destroy what is there.  Any thread. */
void source_place_empty(struct source_place *place);

#endif
