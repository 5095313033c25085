/* SPDX-License-Identifier: MIT */
/*
 * The C device, apart from its GObject: queues and requests refer to it, too, so that no order in
 * which objects go leaves a pointer behind.
 *
 * It refers to nothing of theirs: who serves it, and the handlers, are the VuGlibDevice's.
 */
#ifndef VU_GLIB_PRIVATE_CORE_H
#define VU_GLIB_PRIVATE_CORE_H

#include <glib-object.h>
#include <libvu/vu.h>

#include "crowd.h"

struct core {
	gatomicrefcount refs;
	struct gate gate; /* device thread */
	struct vu_device *dev;
	GWeakRef device;    /* the VuGlibDevice: who hears of it */
	GBytes *failure;    /* what a request that fails ends with; NULL: nothing */
	GPtrArray *crowds;  /* that queues were given to; under the gate */
	gint closed;	    /* atomic */
	gboolean ended;	    /* under the gate: what closing does was done */
	gboolean by_runner; /* under the gate: a runner serves it, and sees to its sessions */
};

/* A vu_log_fn: lines become those of GLib. */
void core_log(void *opaque, enum vu_log_level level, const char *line);

/* Makes the C device; -errno. */
int core_new(const struct vu_device_info *info, GBytes *failure, gpointer device,
	     struct core **core);
struct core *core_ref(struct core *core);
/* With the last one the C device is freed, also in a callback: then a moment later. */
void core_unref(struct core *core);

/* Serve what is there; bits of enum vu_process. */
void core_turn(struct core *core);
/* Enter the gate for a function of the device thread; an error if it is closed or another's. */
gboolean core_enter(struct core *core, GError **error);
void core_leave(struct core *core);
/* No more callbacks after the session's end.  Any thread. */
void core_close(struct core *core);

/* Remember that a queue was given to it. */
void core_keep_crowd(struct core *core, struct crowd *crowd);

#endif
