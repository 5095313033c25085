/* SPDX-License-Identifier: MIT */
/*
 * A device of four queues on two groups: what the driver writes comes back inverted.
 *
 * Queues 0 and 2 belong to the first group, 1 and 3 to the second.  What happens on queue threads
 * is noted in atomics, so that a test may look at it meanwhile.
 */
#ifndef RUN_ECHO_H
#define RUN_ECHO_H

#include <stdatomic.h>

#include <libvu/vu.h>

enum { ECHO_QUEUES = 4, ECHO_GROUPS = 2, ECHO_HELD = 256, ECHO_BYTES = 64 };

struct echo_queue {
	struct vu_req *held[ECHO_HELD]; /* queue thread */
	atomic_uint n_held;
	atomic_uint stops;    /* calls of queue_stop */
	atomic_int ready_tid; /* the thread of queue_ready ... */
	atomic_int stop_tid;  /* ... and of queue_stop */
	atomic_int cpus, cpu; /* how many CPUs that may run on, and the last of them */
	atomic_uint pause_ms; /* queue_ready sleeps so long, once */
};

struct echo {
	struct vu_device *dev;
	struct vu_group *groups[ECHO_GROUPS];
	struct echo_queue queues[ECHO_QUEUES];
	atomic_bool hold;			    /* keep requests until queue_stop */
	atomic_uint reloads;			    /* the configuration space is this number */
	void (*begin)(struct echo *, void *opaque); /* session_begin */
	void *opaque;
};

/* For vu_device_new(), with a struct echo for opaque; then comes echo_add_groups(). */
extern const struct vu_device_info echo_info;
extern const struct vu_ops echo_ops;
int echo_add_groups(struct echo *echo);
void echo_free_groups(struct echo *echo);

/* 0 or -errno; level and fn as in struct vu_device_info. */
int echo_new(const char *name, uint32_t level, vu_log_fn fn, struct echo **echo);
/* No front-end is attached, no thread serves the groups. */
void echo_free(struct echo *echo);
void echo_reload(struct echo *echo);

#endif
