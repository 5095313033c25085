/* SPDX-License-Identifier: MIT */
/*
 * One session of a hostile front-end and guest: what it does follows from a seed, except when a
 * second thread writes and how long the program takes.
 */
#ifndef SESSIONS_ATTACK_H
#define SESSIONS_ATTACK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chance.h"
#include "frontend/peer.h"
#include "target.h"

/* What was done, for the report. */
struct attack_counts {
	uint64_t sessions, steps, chains, used, scribbles, ended_by_it;
};

struct attack;
/* What requests of a device look like. */
struct attack_shape {
	const char *name;
	uint32_t queue; /* where they go; others have buffers to be written to */
	bool replies;	/* behind a request is room for a reply */
	/*
	 * Write a request's head, with so many readable bytes behind it, or, if that is set to 0,
	 * none: how long that is, at most ATTACK_HEAD.
	 */
	uint32_t (*write)(struct attack *a, unsigned char *at, uint64_t *behind);
};

/* By a device's name; NULL: there is none. */
const struct attack_shape *attack_find_shape(const char *name);

struct attack {
	struct chance chance;
	struct peer *peer;
	bool over;		      /* the session has ended */
	bool cut;		      /* guest memory was truncated: nobody here may touch it */
	bool bad_guest, bad_frontend; /* who misbehaves: so that the rest goes deep */
	uint64_t buffers;	      /* guest address of ATTACK_BYTES for requests */

	struct wire_inflight inflight;
	int inflight_fd; /* -1: none */
	unsigned char *log;
	size_t log_size;

	/* The second thread, which writes over what is shared. */
	pthread_t scribbler;
	bool has_scribbler;
	atomic_bool scribbler_ends;
	_Atomic uint64_t scribbles;
	struct chance scribbler_chance;

	const struct attack_shape *shape; /* NULL: requests look like none in particular */
	struct attack_counts *counts;
	bool is_told;	 /* each step is named on stderr */
	bool is_shut_in; /* the program knows no file systems, as it has no /proc */
};

enum { ATTACK_BYTES = 1 << 20, ATTACK_TIMEOUT_MS = 300, ATTACK_HEAD = 64 };

/* All of one session; -ENOMEM where there is none for it. */
int attack_run(const struct target *target, uint64_t seed, bool is_told,
	       const struct attack_shape *shape, struct attack_counts *counts);

/* For the steps. */
struct driver_ring *attack_queue(struct attack *a); /* any one; NULL: there is none */
/* The result of something said: a session that is over is noticed. */
void attack_note(struct attack *a, int err);
/* Read what the program sent, whatever it is. */
void attack_drain(struct attack *a);
/* A descriptor of any kind, to be closed; also ones that are worth nothing. */
int attack_odd_fd(struct attack *a);
void attack_scribble(struct attack *a, bool on);

/* The steps, by theme: attack_ring.c, attack_message.c, attack_moving.c. */
typedef void attack_step(struct attack *a);
attack_step step_chains, step_descriptors, step_indices, step_collect, step_kick, step_fill_call;
attack_step step_message, step_vring, step_memory, step_inflight, step_config, step_status,
	step_features, step_channel, step_restart, step_fds;
attack_step step_log, step_state, step_iotlb;

#endif
