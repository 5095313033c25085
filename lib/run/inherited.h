/* SPDX-License-Identifier: MIT */
/* Sockets inherited from a service manager: LISTEN_FDS, as in sd_listen_fds(3). */
#ifndef RUN_INHERITED_H
#define RUN_INHERITED_H

enum { INHERITED_FIRST_FD = 3 };

/*
 * How many there are, from INHERITED_FIRST_FD on, now close-on-exec; 0 for none or when they are
 * meant for another process, then *other; -EINVAL for variables that make no sense.  The variables
 * are removed, so that no child takes them for its own.
 */
int inherited_fds(int *other);

#endif
