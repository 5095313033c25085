/* SPDX-License-Identifier: MIT */
/* A worker's inside, and the groups that it serves. */
#ifndef RUN_SEATS_H
#define RUN_SEATS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libvu/unstable.h>

struct seat {
	struct seat *next;
	uint64_t number;	/* no other seat of the worker ever has it */
	struct vu_group *group; /* held */
	bool leaves;		/* to be served no more */
	bool is_watched;	/* thread: in the epoll set with events */
};

struct vu_worker {
	struct vu_worker_info info;
	char name[16];
	pthread_t thread;
	_Atomic(pthread_t) self; /* the same, once it runs */
	bool running;		 /* there is a thread to be joined */
	atomic_uint refs;
	atomic_bool stop;
	atomic_bool changed; /* the seats are to be looked at */
	int epoll_fd;
	int wake_fd;

	pthread_mutex_t lock; /* of the seats; no callback runs under it */
	pthread_cond_t left;  /* a seat was left */
	struct seat *seats;   /* read by its thread without it */
	struct seat *new_seats;
	uint64_t last_number;

	/* Its thread. */
	bool is_freed;	      /* in a callback of its own */
	struct seat *serving; /* its group is in a pass */
	uint64_t window;
};

/* Its lock is held, so no seat's group goes meanwhile: the thread is to look at `changed`. */
void worker_wake(struct vu_worker *w);
/* Thread, or in its place: others have seats for it, or want some left. */
void worker_look(struct vu_worker *w);
/* The same: no group is served any more. */
void worker_leave_all(struct vu_worker *w);

#endif
