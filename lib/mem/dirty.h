/* SPDX-License-Identifier: MIT */
/*
 * The dirty log: one bit for each page of guest memory, in memory that the front-end shares and
 * clears (vhost-user "Migration").  It is mapped as any region is: counted, listed for
 * vu_device_fault(), and only its size and host address mean anything.
 */
#ifndef MEM_DIRTY_H
#define MEM_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

struct region;

enum { DIRTY_PAGE = 4096 }; /* vhost-user VHOST_LOG_PAGE, whatever the host's pages are */

/*
 * len bytes at this guest address were written: mark their pages.  False: some are past the log's
 * end; those are not marked.  Any thread.
 */
bool dirty_mark(const struct region *log, uint64_t addr, uint64_t len);

#endif
