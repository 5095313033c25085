/* SPDX-License-Identifier: MIT */
/*
 * libvu-glib: vhost-user back-ends as GObjects.  This is the only header to include.
 *
 *   cc device.c $(pkg-config --cflags --libs libvu-glib)
 */
#ifndef VU_GLIB_H
#define VU_GLIB_H

#include <libvu-glib/vu-glib-types.h>
#include <libvu-glib/vu-glib-enums.h>
#include <libvu-glib/vu-glib-request.h>
#include <libvu-glib/vu-glib-group.h>
#include <libvu-glib/vu-glib-queue.h>
#include <libvu-glib/vu-glib-device.h>
#include <libvu-glib/vu-glib-runner.h>

#endif
