/* SPDX-License-Identifier: MIT */
/* Telling a service manager that we are ready, as in sd_notify(3). */
#ifndef RUN_NOTIFY_H
#define RUN_NOTIFY_H

#include <stdbool.h>

/*
 * A socket to who waits for a message (NOTIFY_SOCKET), or -1: nobody does, or it cannot be reached,
 * and a line on standard error says so.  The variable is removed, so that no child speaks for us.
 */
int notify_open(const char *program);
/* Have the manager keep a file under this name for who is started after us (FDSTORE): 0 or -errno.
 */
int notify_keep_file(int notify, const char *name, int fd);
/* Say that we are ready, if we are, and close the socket; -1: nobody is told. */
void notify_close(int fd, bool ready);

#endif
