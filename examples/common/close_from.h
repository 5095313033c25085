/* SPDX-License-Identifier: MIT */
/* What a process that was forked has no use for. */
#ifndef COMMON_CLOSE_FROM_H
#define COMMON_CLOSE_FROM_H

/*
 * Close all descriptors from first on: by close_range(2), or where that cannot be had (Linux before
 * 5.9, filters of containers that do not know it) one by one.  While there is one thread.
 */
void close_from(int first);

#endif
