/* SPDX-License-Identifier: MIT */
/*
 * What an IOMMU translates, and what queues miss of it.
 *
 * The device has a snapshot (mem/iotlb.h), each queue that runs has one, too, and none of these
 * knows what the device's does not.  So a translation that comes in addition is handed only to
 * queues that wait for it, and nobody waits for them; one that goes, or changes, goes to all, as a
 * command that is answered.
 *
 * A queue that misses an address takes nothing more and posts NEWS_MISS.  It is handed a new
 * snapshot once that has the address, or told that there is none: then its ring breaks.
 */
#ifndef CORE_TRANSLATIONS_H
#define CORE_TRANSLATIONS_H

#include <stdint.h>

#include "mem/space.h"

struct vu_device;
struct vu_queue;

/* Queue thread: for struct ring_config. */
void queue_miss(void *queue, uint64_t addr, enum space_access access);
/* Queue thread: take what was handed to it. */
void queue_see_translations(struct vu_queue *q);
/* Queue thread: the ring is gone, and what it looked up in. */
void queue_drop_translations(struct vu_queue *q);

/* Device thread: the queue is about to start: it has what the device has. */
void translations_give(struct vu_queue *q);
/* Device thread: NEWS_MISS came. */
void translations_missed(struct vu_queue *q);
/* Device thread: no ring runs any more, so nobody says what becomes invalid. */
void translations_forget(struct vu_device *dev);

#endif
