/* SPDX-License-Identifier: MIT */
/*
 * Closes descriptors that somebody else made, and never waits for what is behind them.
 *
 * close(2) waits for a file system in user space, and for a network socket with SO_LINGER, as long
 * as the other side likes; the last close of a Unix socket closes what was sent to it and not
 * received, too.  Such ones are closed by a worker of the kernel's (io_uring); where that is not
 * allowed they stay open.
 *
 * Thread: one at a time.
 */
#ifndef BASE_CLOSER_H
#define BASE_CLOSER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io_uring_sqe;

struct closer {
	int ring_fd; /* -1: not needed yet, or not to be had */
	pid_t owner; /* whose ring it is: a forked child has none */
	unsigned char *ring;
	size_t ring_bytes;
	struct io_uring_sqe *sqes;
	uint32_t *tail;			 /* of what is submitted */
	uint32_t *done_head, *done_tail; /* of what is closed */
	uint32_t kept;			 /* open until the process ends */
	uint32_t pending;		 /* given to the ring, and not known to be closed */
};

void closer_init(struct closer *closer);
/* Gives the workers half a second to close one more; what is not closed then may stay open. */
void closer_fini(struct closer *closer);

/* Close a descriptor that others may hold, too, of a kind that is harmless or a Unix socket. */
void closer_close(struct closer *closer, int fd);
/* Close one of any kind, with all that was sent to it and not received if it is a Unix socket. */
void closer_close_any(struct closer *closer, int fd);
/* Close one that may block who does. */
void closer_put_aside(struct closer *closer, int fd);
/* How many of the latter are open still. */
uint32_t closer_open_ones(struct closer *closer);

#endif
