/* SPDX-License-Identifier: MIT */
/*
 * Page faults that somebody else answers (userfaultfd(2)): for memory whose contents are on their
 * way.  Takes plain values; any thread.
 */
#ifndef MEM_USERFAULT_H
#define MEM_USERFAULT_H

#include "mem/region.h"

/* A descriptor for faults of the whole process, the kernel's included.  -errno. */
int userfault_open(void);
/*
 * From now on who touches a page of the region that is nowhere yet waits for whoever has a copy of
 * fd; or no more.  -errno.
 */
int userfault_watch(int fd, const struct region *region);
int userfault_unwatch(int fd, const struct region *region);

#endif
