/* SPDX-License-Identifier: MIT */
/*
 * An eventfd of ours in the place of a kick or call descriptor of the front-end's, so that we see
 * when it is written to: what comes in at one end is passed on at the other.
 */
#ifndef TRACE_STANDIN_H
#define TRACE_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

struct standin {
	int theirs; /* owned; the front-end's; -1: there is none */
	int ours;   /* owned; what the back-end has */
	bool paused;
};

void standin_init(struct standin *s);
/* Takes over theirs; *give is for the back-end.  -errno: theirs stays the caller's. */
int standin_open(struct standin *s, int theirs, int *give);
void standin_close(struct standin *s);
/* What the back-end did not take goes back to the front-end: for a kick, when a ring ends. */
void standin_give_back(struct standin *s);
/* From the front-end's to ours, or the other way.  False: nothing was there. */
bool standin_kick(struct standin *s);
bool standin_call(struct standin *s);

#endif
