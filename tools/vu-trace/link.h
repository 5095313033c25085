/* SPDX-License-Identifier: MIT */
/*
 * Both directions between two sockets: the connection itself, or the back-end channel.  What one
 * side does (sends, shuts down, goes) the other one sees.
 */
#ifndef TRACE_LINK_H
#define TRACE_LINK_H

#include <stdbool.h>

#include "poller.h"
#include "relay.h"
#include "trace.h"

struct link;

/*
 * That side's message is held and goes on when this returns: relay_header() and so on tell what it
 * is, and its descriptors may be replaced.  result is relay_read()'s.
 */
typedef void link_fn(struct link *link, enum side from, int result);

struct link {
	int fds[2];		/* owned; by enum side */
	struct relay relays[2]; /* from that side */
	bool gone[2];		/* that side takes nothing any more */
	bool open;
	int error;	 /* why it had to be cut, or 0 */
	enum side first; /* who went first, once one did */
	bool any_gone;
	bool channel;
	link_fn *passes;
	void *opaque;
};

struct link *link_new(int front_end, int back_end, bool channel, link_fn *passes, void *opaque);
void link_free(struct link *link);
/* Close both sockets. */
void link_close(struct link *link);
void link_poll(struct link *link, struct poller *p);
/* Now and then: messages that are stuck in their middle. */
void link_tick(struct link *link);

#endif
