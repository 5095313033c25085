/* SPDX-License-Identifier: MIT */
/* The version of these headers, and of the library that is loaded. */
#ifndef LIBVU_VERSION_H
#define LIBVU_VERSION_H

#include <libvu/types.h>

#define VU_VERSION_MAJOR 0
#define VU_VERSION_MINOR 1
#define VU_VERSION_PATCH 0
#define VU_VERSION "0.1.0"

VU_BEGIN_DECLS

/**
 * vu_version() - the version of the loaded library, as "major.minor.patch".
 *
 * Return: a static string.  Thread: any.
 * Since: 0.1
 */
VU_API const char *vu_version(void);

VU_END_DECLS

#endif
