/* SPDX-License-Identifier: MIT */
/* VuGlibGroup: a crowd that a main context serves. */
#include "group.h"

#include <libvu/vu.h>

#include "error.h"
#include "source.h"

struct _VuGlibGroup {
	GObject parent;
	struct crowd *crowd; /* NULL: none could be made */
	int why;	     /* -errno of that */
	struct source_place place;
};

G_DEFINE_TYPE(VuGlibGroup, vu_glib_group, G_TYPE_OBJECT)

static void vu_glib_group_init(VuGlibGroup *group)
{
	source_place_init(&group->place);
	group->crowd = crowd_new(&group->why);
}

static void group_finalize(GObject *object)
{
	VuGlibGroup *group = VU_GLIB_GROUP(object);

	source_place_clear(&group->place);
	if (group->crowd) {
		crowd_end(group->crowd);
		crowd_unref(group->crowd);
	}
	G_OBJECT_CLASS(vu_glib_group_parent_class)->finalize(object);
}

static void vu_glib_group_class_init(VuGlibGroupClass *klass)
{
	G_OBJECT_CLASS(klass)->finalize = group_finalize;
}

VuGlibGroup *vu_glib_group_new(void)
{
	return g_object_new(VU_GLIB_TYPE_GROUP, NULL);
}

struct crowd *group_crowd(VuGlibGroup *group, GError **error)
{
	error_check(group->why, "no group could be made", error);
	return group->crowd;
}

static gboolean group_turn(gpointer object)
{
	crowd_turn(VU_GLIB_GROUP(object)->crowd);
	return TRUE;
}

GSource *vu_glib_group_create_source(VuGlibGroup *group, GError **error)
{
	g_return_val_if_fail(VU_GLIB_IS_GROUP(group), NULL);
	if (!group_crowd(group, error))
		return NULL;
	return source_new(vu_group_fd(group->crowd->group), group, group_turn, "VuGlibGroup");
}

gboolean vu_glib_group_serve(VuGlibGroup *group, GMainContext *context, GError **error)
{
	GSource *source;

	g_return_val_if_fail(VU_GLIB_IS_GROUP(group), FALSE);
	source = vu_glib_group_create_source(group, error);
	if (source)
		source_place_put(&group->place, source, context);
	return source != NULL;
}

void vu_glib_group_stop(VuGlibGroup *group)
{
	g_return_if_fail(VU_GLIB_IS_GROUP(group));
	source_place_empty(&group->place);
}
