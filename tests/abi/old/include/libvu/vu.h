/* SPDX-License-Identifier: MIT */
/*
 * libvu: write vhost-user back-ends.  This is the only header to include, but for what is not
 * promised yet: unstable.h.
 *
 *   cc device.c $(pkg-config --cflags --libs libvu)
 *
 * Objects, from the bottom up:
 *   vu_device   one virtio device; serves at most one front-end at a time
 *   vu_queue    one of its virtqueues
 *   vu_req      one request: a descriptor chain the driver made available
 *   vu_group    the queues that one thread serves, with fds and timers of the device's own
 *   vu_runner   optional: sockets, reconnection, the loop
 *   vu_program  optional: a complete main()
 *
 * Conventions, everywhere:
 *  - A function that can fail returns 0 (or a documented positive value) or -errno.  errno itself
 *    carries no meaning.
 *  - Sizes and offsets are bytes; times are nanoseconds; feature masks hold bit n at 1 << n,
 *    those called ..._high bit 64 + n.
 *  - A struct the caller fills starts with `size_t size`, set to sizeof that struct: programs built
 *    against an older or newer header keep working (an unknown, non-zero tail is -E2BIG).
 *  - What the library hands out is opaque, or a struct that only grows at its end.
 *  - "device thread": whichever thread calls vu_device_process(), one at a time.
 *    "queue thread": whichever thread calls vu_group_process() of the queue's group, one at a
 *    time; the device thread for queues never given to a group.
 */
#ifndef LIBVU_VU_H
#define LIBVU_VU_H

#include <libvu/types.h>
#include <libvu/version.h>
#include <libvu/log.h>
#include <libvu/device.h>
#include <libvu/queue.h>
#include <libvu/memory.h>
#include <libvu/group.h>
#include <libvu/runner.h>
#include <libvu/program.h>
#include <libvu/shorthand.h>

#endif
