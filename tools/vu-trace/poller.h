/* SPDX-License-Identifier: MIT */
/*
 * poll(2) with somebody to call for each descriptor.  The set is made anew before each wait, so
 * what is no longer wanted is simply not added.  Callbacks may close descriptors, but free nothing
 * that is in the set.
 */
#ifndef TRACE_POLLER_H
#define TRACE_POLLER_H

#include <poll.h>
#include <stdint.h>

typedef void poller_fn(void *opaque, int fd, short events);

struct poller_user {
	poller_fn *ready;
	void *opaque;
};

struct poller {
	struct pollfd *fds;
	struct poller_user *users;
	uint32_t n, room;
	int timeout; /* ms, the least that anybody wants; -1: none */
};

void poller_reset(struct poller *p);
void poller_fini(struct poller *p);
/* Without room the descriptor is left out, and tried again soon. */
void poller_add(struct poller *p, int fd, short events, poller_fn *ready, void *opaque);
/* Wake up after ms at the latest. */
void poller_in(struct poller *p, int ms);
void poller_wait(struct poller *p);

#endif
