/* SPDX-License-Identifier: MIT */
/*
 * Postcopy migration as the destination sees it (vhost-user POSTCOPY_ADVISE, _LISTEN, _END).
 *
 * Between LISTEN and END memory comes in two halves: the front-end is told where it is mapped, and
 * acknowledges that by the same message with nothing in it.  Only then is it watched, and used.
 * No thread of ours may hold the descriptor of the faults while it may be in one: if the
 * front-end dies then, the last copy goes with it, which ends all waiting.  So ours is closed
 * before the first ring starts.  Device thread.
 */
#ifndef VHOST_USER_POSTCOPY_H
#define VHOST_USER_POSTCOPY_H

#include <stdbool.h>
#include <stdint.h>

struct region;
struct session;
struct table;
struct wire_msg;

/* A part of the session. */
struct postcopy {
	int fd; /* of the faults; -1: there is none, or it is the front-end's alone */
	bool advised;
	bool listening;
	uint32_t awaited;	 /* the message whose acknowledgement is due; 0: none */
	struct table *table;	 /* what is used then */
	struct region **regions; /* references to what is watched, or will be then */
	uint32_t n_watched, n_regions;
};

void postcopy_init(struct postcopy *p);
void postcopy_fini(struct postcopy *p);
/* Is this message, which came when one is awaited, the acknowledgement? */
bool postcopy_is_ack(const struct postcopy *p, const struct wire_msg *msg);
/* A ring is about to start. */
void postcopy_ring_starts(struct session *s);
/*
 * For the end of a handler that made a table: take over the reference, answer msg with where the n
 * regions of its payload, from `at` on, are mapped, and wait for the acknowledgement.  Returns what
 * a handler returns.
 */
int postcopy_propose(struct session *s, struct wire_msg *msg, struct table *table,
		     struct region *const *regions, uint32_t n, uint32_t at);
/* It came: the table to be used, or NULL after a line in the log. */
struct table *postcopy_accept(struct session *s);

#endif
