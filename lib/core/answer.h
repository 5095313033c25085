/* SPDX-License-Identifier: MIT */
/*
 * Answers that a device gives later, from any thread, while sessions and the device itself may go.
 * Device thread, but for vu_answer_give().
 */
#ifndef CORE_ANSWER_H
#define CORE_ANSWER_H

#include <stdint.h>

#include <libvu/answer.h>

struct hub;
struct vu_device;
struct waiter;

/* Of a device: those that a callback has, or was left with. */
struct answers {
	struct hub *hub; /* what they share: the way to the device, as long as there is one */
	struct vu_answer *open;
	uint32_t n_open;
};

/*
 * What is to be done with a value that nobody hears; for what a callback was lent, too.  Device
 * thread; without a device, the thread that gives the answer.
 */
typedef void answer_drop_fn(void *opaque, int64_t value);

/* -ENOMEM */
int answers_init(struct vu_device *dev);
/* The device is freed: nobody hears those that are still to come. */
void answers_fini(struct vu_device *dev);
/* The session ends: nobody hears what was left open. */
void answers_abandon(struct vu_device *dev);

/*
 * For a callback to be called now, about what: a constant, for the log.  drop may be NULL.  NULL,
 * after a line: there is no memory, or the device owes too many answers.
 */
struct vu_answer *answer_new(struct vu_device *dev, const char *what, answer_drop_fn *drop,
			     void *opaque);
/*
 * It has returned `said`.  VERB_DONE: *value is that; VERB_LATER: w waits, and *value will be
 * there; -EPROTO: the session is to end, and nobody waits.
 */
int answer_wait(struct vu_answer *answer, int64_t said, struct waiter *w, int64_t *value);

#endif
