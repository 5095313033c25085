/* SPDX-License-Identifier: MIT */
/* Groups: queues that another main context serves, in parallel. */
#ifndef VU_GLIB_GROUP_H
#define VU_GLIB_GROUP_H

#include <libvu-glib/vu-glib-types.h>

G_BEGIN_DECLS

#define VU_GLIB_TYPE_GROUP (vu_glib_group_get_type())
G_DECLARE_FINAL_TYPE(VuGlibGroup, vu_glib_group, VU_GLIB, GROUP, GObject)

/**
 * VuGlibGroup:
 *
 * Queues, of one device or of several, that one main context serves.
 *
 * Give queues to it by vu_glib_queue_set_group() and have a context serve it by
 * vu_glib_group_serve(), mostly one that a thread of its own runs: their requests are handed out
 * there.  A group that is gone leaves its queues to their devices.
 */

/**
 * vu_glib_group_new:
 *
 * Makes a group.
 *
 * Returns: (transfer full): a group without queues
 */
VuGlibGroup *vu_glib_group_new(void);

/**
 * vu_glib_group_create_source:
 * @group: a group
 * @error: where to say why not
 *
 * Makes a source that serves it, for who attaches it themselves; vu_glib_group_serve() does both.
 *
 * Returns: (transfer full) (nullable): a source that serves it in the context that it is attached
 *   to.  It keeps the group alive.
 */
GSource *vu_glib_group_create_source(VuGlibGroup *group, GError **error);

/**
 * vu_glib_group_serve:
 * @group: a group
 * @context: (nullable): who serves it; %NULL: the thread-default main context
 * @error: where to say why not
 *
 * Makes a source and attaches it; another one that was attached so before is destroyed.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_group_serve(VuGlibGroup *group, GMainContext *context, GError **error);

/**
 * vu_glib_group_stop:
 * @group: a group
 *
 * The end of vu_glib_group_serve(): nobody serves it, and it may be given to another context.
 */
void vu_glib_group_stop(VuGlibGroup *group);

G_END_DECLS

#endif
