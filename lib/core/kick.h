/* SPDX-License-Identifier: MIT */
/* How a queue hears that the driver has made something available.  Queue thread. */
#ifndef CORE_KICK_H
#define CORE_KICK_H

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

#endif
