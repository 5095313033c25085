/* SPDX-License-Identifier: MIT */
/* One queue of a connection whose rings are watched. */
#ifndef TRACE_WATCH_QUEUE_H
#define TRACE_WATCH_QUEUE_H

#include "dialog.h"
#include "poller.h"
#include "standin.h"
#include "vring.h"

enum { OLD_CALLS = 16 };

struct watch_queue {
	struct dialog *dialog;
	uint32_t index;
	/* As the front-end said last. */
	uint32_t num, base;
	struct wire_vring_addr addr;
	bool has_addr, fresh; /* fresh: said since the ring started */
	struct vring *ring;   /* NULL: does not run */
	struct standin kick, call;
	/* The back-end may use these until it has seen that there is a new one. */
	struct standin old_calls[OLD_CALLS];
	uint32_t n_old;
};

struct watch_queue *queue_new(struct dialog *dialog, uint32_t index);
void queue_free(struct watch_queue *q);
/* SET_VRING_KICK passes, or in-band notifications do the same. */
void queue_start(struct watch_queue *q, const struct memory *memory);
/* GET_VRING_BASE goes to the back-end: kicks are the front-end's again. */
void queue_pause(struct watch_queue *q);
/* It was answered, or the device was reset. */
void queue_stop(struct watch_queue *q);
/* Replace the descriptor in fds[0]. */
void queue_set_kick(struct watch_queue *q, int *fds, uint32_t n_fds);
void queue_set_call(struct watch_queue *q, int *fds, uint32_t n_fds);
bool queue_look(struct watch_queue *q);
void queue_poll(struct watch_queue *q, struct poller *p);

#endif
