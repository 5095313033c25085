/* SPDX-License-Identifier: MIT */
/*
 * Signals eventfds that somebody else holds, too, and can therefore never block in doing so.
 *
 * The counter may be full, and O_NONBLOCK is a flag of the description, which the other side can
 * clear at any moment: no check before a write(2) is worth anything.  A completion of Linux AIO
 * adds to an eventfd from within the kernel, which does not wait (docs/decisions/0006).
 *
 * Thread: bell_open() and bell_close() the device's; bell_ring() any, several at once.
 */
#ifndef CORE_BELL_H
#define CORE_BELL_H

#include <linux/aio_abi.h>

struct bell {
	_Atomic(aio_context_t) context; /* 0: none, or not yet */
	int ready_fd;			/* ours, always writable */
};

/* ready_fd: an eventfd of ours that never is full. */
void bell_init(struct bell *bell, int ready_fd);
/* Before the first bell_ring().  Again is nothing.  -errno: AIO cannot be had here. */
int bell_open(struct bell *bell);
/* May take some 30 ms: the kernel waits for its own readers. */
void bell_close(struct bell *bell);

/*
 * Add 1 to the eventfd.  0, also where it is full.  Without AIO it is written to, unless that
 * might block: -EPERM, the other side has cleared O_NONBLOCK.
 */
int bell_ring(const struct bell *bell, int eventfd);

#endif
