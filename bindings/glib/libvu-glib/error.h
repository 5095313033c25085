/* SPDX-License-Identifier: MIT */
/* From -errno to GError and back. */
#ifndef VU_GLIB_PRIVATE_ERROR_H
#define VU_GLIB_PRIVATE_ERROR_H

#include <libvu-glib/vu-glib-types.h>

/* TRUE for ret >= 0; else the error says "what: the errno's words". */
gboolean error_check(int ret, const char *what, GError **error);
/* FALSE, with that error. */
gboolean error_fail(GError **error, VuGlibError code, const char *what);
/* The -errno that a handler's refusal is to libvu; never 0. */
int error_to_errno(const GError *error);

#endif
