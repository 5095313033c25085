/* SPDX-License-Identifier: MIT */
/* What queues need of a VuGlibGroup. */
#ifndef VU_GLIB_PRIVATE_GROUP_H
#define VU_GLIB_PRIVATE_GROUP_H

#include <libvu-glib/vu-glib-group.h>

#include "crowd.h"

/* NULL with an error if libvu had none to give. */
struct crowd *group_crowd(VuGlibGroup *group, GError **error);

#endif
