/* SPDX-License-Identifier: MIT */
/*
 * A device with threads: CREW_WORKERS worker threads with a group each, one control thread, and a
 * thread that finishes every third request from outside.  Its queues invert: readable bytes go
 * inverted into the writable ones.
 */
#ifndef RULES_CREW_H
#define RULES_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libvu/vu.h>

#include "kit/log_book.h"

enum { CREW_WORKERS = 2, CREW_QUEUES = 4, CREW_LATE = 4096 };

struct crew;

struct crew_worker {
	struct crew *crew;
	struct vu_group *group;
	pthread_t thread;
	bool polls; /* some passes before it sleeps */
};

struct crew {
	struct vu_device *dev;
	struct crew_worker workers[CREW_WORKERS];
	pthread_t control;
	pthread_t finisher;
	int connections[2]; /* a pipe of descriptors for the control thread; -1: the end */
	atomic_bool workers_end;
	bool once;		     /* loops that call once per wake */
	uint32_t taken[CREW_QUEUES]; /* each the queue's thread's */
	atomic_uint late, stops, sessions;
	struct log_book log;

	pthread_mutex_t lock;
	pthread_cond_t more;
	bool finisher_ends;
	struct vu_req *todo[CREW_LATE];
	uint32_t n_todo;
};

/* All threads run, nothing is attached.  flags: enum vu_device_flags.  -errno. */
int crew_start(struct crew *crew, uint32_t flags);
/* A connection for the device; attached when the last session has ended. */
void crew_connect(struct crew *crew, int fd);
/* The front-end must be gone. */
void crew_end(struct crew *crew);

#endif
