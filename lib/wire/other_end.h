/* SPDX-License-Identifier: MIT */
#ifndef WIRE_OTHER_END_H
#define WIRE_OTHER_END_H

#include <stdbool.h>

/*
 * Is fd, a Unix socket that a front-end sent, the other end of ours?  Whoever holds that never sees
 * the front-end go.  False also where it cannot be known: sockets without a name on a kernel
 * without unix_diag.
 */
bool other_end_is(int fd, int ours);

#endif
