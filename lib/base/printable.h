/* SPDX-License-Identifier: MIT */
/*
 * Text of others (a file, a guest, a client) on its way to a log or to somebody's terminal, which
 * would obey the control characters in it.  No state; any thread.
 */
#ifndef BASE_PRINTABLE_H
#define BASE_PRINTABLE_H

#include <stddef.h>

enum { PRINTABLE_LONGEST = 4 }; /* bytes that one byte may become */

/*
 * Copy text with what is not printable as \x1b: control characters, and what is not UTF-8.  As many
 * whole characters as to, of size bytes, has room for; returns their length.
 */
size_t printable(char *to, size_t size, const char *text);

#endif
