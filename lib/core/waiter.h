/* SPDX-License-Identifier: MIT */
/*
 * Somebody who waits for queues' threads: for how much, what the verb does then, and how whoever
 * asked goes on.  Embedded in what waits; device thread.
 */
#ifndef CORE_WAITER_H
#define CORE_WAITER_H

#include <stdbool.h>
#include <stdint.h>

struct vu_device;
struct vu_queue;

/* What a verb returns besides -errno. */
enum { VERB_DONE, VERB_LATER };

struct waiter {
	/* By who waits: called in a pass of the device once nothing is left, if that was later. */
	void (*done)(struct waiter *w);
	int result; /* the verb's, once it is done: 0 or -errno */

	/* By the verb. */
	void (*finish)(struct waiter *w); /* its last step; may be NULL */
	struct vu_device *dev;
	struct vu_queue *q;  /* the queue that it is about, or NULL */
	uint32_t left;	     /* commands given and not answered */
	bool is_given;	     /* all of them are given */
	struct waiter *next; /* of the device's that are due */
};

/* A verb begins, and no other may be waited for by this one. */
void waiter_begin(struct waiter *w, struct vu_device *dev, struct vu_queue *q,
		  void (*finish)(struct waiter *w));
/*
 * It has given its commands: VERB_DONE, its last step is done, too; VERB_LATER; or -EPROTO: the
 * session is to be ended, so nothing more is done, and nobody is answered.
 */
int waiter_settle(struct waiter *w);
/* A command was answered, or is overtaken by one that somebody else waits for. */
void waiter_answered(struct waiter *w);
void waiter_overtaken(struct waiter *w);
/* Each pass: those that have nothing left go on. */
void waiters_go_on(struct vu_device *dev);
/* The session ends: nobody goes on. */
void waiters_forget(struct vu_device *dev);

#endif
