/* SPDX-License-Identifier: MIT */
/*
 * vu-trace: what its files share.
 *
 *   main.c         options
 *   run.c          the loop: sockets that are listened on, signals, time
 *   program.c      a back-end's program, run with another socket path
 *   proxy.c        one connection: both sockets, the back-end channel
 *   relay.c        one direction of one socket: bytes and descriptors, unchanged
 *   dialog.c       what was negotiated, which requests wait for replies
 *   check.c        what the specification does not allow
 *   values.c       payloads in words and as JSON; names of features
 *   describe_fd.c  what a descriptor is
 *   watch.c        rings of a connection, learnt from its messages (--requests)
 *   watch_queue.c  one queue: its descriptors, its ring, lines about its requests
 *   standin.c      an eventfd in the place of a kick or call descriptor
 *   vring*.c       a ring seen from outside, split or packed
 *   seen.c         one request, from descriptors
 *   memory.c       the guest's memory, read by pread(2)
 *   types.c        the table of device types; type_*.c put their requests into words
 *   report.c       lines of any kind, on their way to print_text.c or print_json.c, and to stats.c
 *
 * One thread does everything, and never waits but in poll(2).  All that passes is hostile: it is
 * looked at, never relied on.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>

enum side { FRONT_END, BACK_END };

static inline enum side side_other(enum side side)
{
	return side == FRONT_END ? BACK_END : FRONT_END;
}

static inline const char *side_name(enum side side)
{
	return side == FRONT_END ? "front-end" : "back-end";
}

/* CLOCK_MONOTONIC, ns. */
uint64_t trace_now(void);

#endif
