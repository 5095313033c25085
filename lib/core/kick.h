/* SPDX-License-Identifier: MIT */
/* How a queue hears that the driver has made something available.  Queue thread. */
#ifndef CORE_KICK_H
#define CORE_KICK_H

#include <stdbool.h>

struct vu_queue;

void kick_init(struct vu_queue *q);
/* A ring begins: one that never moves, however often it is kicked, is told about. */
void kick_begin(struct vu_queue *q);
/*
 * Watch the kick descriptor, or set its timer, while the ring runs; and no more.  Where it cannot
 * be watched the ring is broken: nothing would ever be heard of it.
 */
void kick_watch(struct vu_queue *q);
void kick_unwatch(struct vu_queue *q);

/*
 * Any thread: have the queue looked at every now and then, whether it is kicked or not; or no more.
 * -ENOMEM: it stays as it is.
 */
int kick_poll(struct vu_queue *q, bool on);
/* Nothing is polled any more. */
void kick_fini(struct vu_queue *q);

#endif
