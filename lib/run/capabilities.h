/* SPDX-License-Identifier: MIT */
/* The JSON of --print-capabilities. */
#ifndef RUN_CAPABILITIES_H
#define RUN_CAPABILITIES_H

#include <stdio.h>

/* features: NULL-terminated, or NULL.  0, or -EIO when out did not take it. */
int capabilities_print(FILE *out, const char *type, const char *const *features);

#endif
