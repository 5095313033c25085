/* SPDX-License-Identifier: MIT */
/*
 * Two devices whose queues are in one group, a driver for each, and maybe a worker.
 *
 * The test's thread is both devices' thread and both front-ends'; the group is served by it, too,
 * or by the worker.  Each device has one queue, which inverts: readable bytes go into writable
 * ones.
 */
#ifndef RULES_PAIR_H
#define RULES_PAIR_H

#include <stdatomic.h>
#include <stdbool.h>

#include <libvu/unstable.h>

#include "frontend/peer.h"
#include "kit/log_book.h"
#include "kit/test.h"

enum { PAIR_SIDES = 2, SIDE_SLOTS = 64, SIDE_BYTES = 64 };

struct pair;

struct side_slot {
	uint64_t gpa;
	unsigned char *bytes;
	bool used;
};

struct side {
	struct pair *pair;
	struct vu_device *dev;
	struct vu_queue *queue;
	struct peer *peer;
	struct log_book log;

	/* The driver's. */
	struct side_slot slots[SIDE_SLOTS];
	uint32_t in_flight;
	uint64_t done;

	/* The device's. */
	atomic_bool holds; /* keep requests */
	struct vu_req *held[SIDE_SLOTS];
	atomic_uint n_held;
	atomic_uint stops, begun, ended;
	/* Queue thread: called before requests are taken; once, if it clears itself. */
	void (*_Atomic on_ready)(struct side *side);
	void *opaque; /* for it */
};

struct pair {
	struct side sides[PAIR_SIDES];
	struct vu_group *group;
	struct vu_worker *worker;
	bool stands; /* nobody serves the group for now */
	int fds, mappings;
};

/* Made and joined; nobody is connected. */
void pair_make(struct pair *pair, bool with_worker, uint32_t flags);
/* ... and both are started. */
void pair_open(struct pair *pair, bool with_worker);
/* What is left is freed; nothing may have leaked, and no unexpected error been logged. */
void pair_close(struct pair *pair, uint32_t errors);
/* Both devices' passes, and the group's if there is no worker, until nothing is left to do. */
void pair_pump(void *pair);

void side_start(struct side *side);
/* The front-end goes, and the device has heard of it; the next one finds the same rings. */
void side_end_session(struct side *side);
/* The device is freed. */
void side_free(struct side *side);
void side_submit(struct side *side, uint32_t n);
void side_collect(struct side *side);
/* Until all is used. */
void side_wait(struct side *side);
void side_roundtrip(struct side *side, uint32_t n);
/* The device has kept so many. */
void side_hold(struct side *side, uint32_t n);
/* Any thread that may: complete what was kept. */
void side_complete_held(struct side *side, bool remote);

#endif
