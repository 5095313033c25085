/* SPDX-License-Identifier: MIT */
/* Descriptors inherited from a service manager: LISTEN_FDS, as in sd_listen_fds(3). */
#ifndef RUN_INHERITED_H
#define RUN_INHERITED_H

#include <stdbool.h>

enum { INHERITED_FIRST_FD = 3 };

/*
 * How many there are, from INHERITED_FIRST_FD on, now close-on-exec; 0 for none or when they are
 * meant for another process, then *other; -EINVAL for variables that make no sense.  The variables
 * are removed, so that no child takes them for its own.
 *
 * names receives LISTEN_FDNAMES if there are any, which is to be freed, or NULL.
 */
int inherited_fds(int *other, char **names);
/* Is the one at index i a file?  Those serve no front-end: somebody kept them for us. */
bool inherited_is_file(int i);
/* The index of the first file of that name among n, or -1. */
int inherited_find_file(int n, const char *names, const char *name);

#endif
