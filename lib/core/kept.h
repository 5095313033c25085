/* SPDX-License-Identifier: MIT */
/*
 * The in-flight log that the session keeps: a shared region, of which each queue has a part that is
 * used when its ring starts.  Device thread.
 */
#ifndef CORE_KEPT_H
#define CORE_KEPT_H

#include <stdbool.h>
#include <stdint.h>

struct region;
struct ring_config;
struct vu_queue;

/* A part of the device, forgotten with the session. */
struct kept {
	struct region *region; /* NULL: none */
	uint16_t n_queues;     /* that it has a part for */
	uint16_t entries;      /* of each part */
	bool is_told;	       /* that it is too short */
	bool may_leave;	       /* a stop may leave requests in there */
};

/* Use this from the next start of a ring on.  The reference is taken over; NULL: none any more. */
void kept_set(struct kept *kept, struct region *region, uint16_t n_queues, uint16_t entries);
/* The queue's part of it, if there is one. */
void kept_use(struct vu_queue *q, struct ring_config *config);

#endif
