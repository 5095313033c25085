/* SPDX-License-Identifier: MIT */
/*
 * Page faults that somebody else answers (userfaultfd(2)): for memory whose contents are on their
 * way.  Takes plain values; any thread.
 */
#ifndef MEM_USERFAULT_H
#define MEM_USERFAULT_H

#include "mem/region.h"

/*
 * /dev/userfaultfd (Linux 6.1), with which a process makes descriptors after it has given up the
 * right to; the caller's.  -1: there is none, or not for this process.
 */
int userfault_device(void);
/* A descriptor for faults of the whole process, the kernel's included.  device may be -1.  -errno.
 */
int userfault_open(int device);
/*
 * From now on who touches a page of the region that is nowhere yet waits for whoever has a copy of
 * fd; or no more.  -errno.
 */
int userfault_watch(int fd, const struct region *region);
int userfault_unwatch(int fd, const struct region *region);

#endif
