/* SPDX-License-Identifier: MIT */
/*
 * Whether a device runs: its front-end, its started rings, and the pairs session_begin/session_end
 * and started/stopped.  The one place that writes any of it.  Device thread.
 */
#ifndef CORE_RUNNING_H
#define CORE_RUNNING_H

#include <stdbool.h>
#include <stdint.h>

struct vu_device;
struct vu_queue;

enum running_state {
	RUNNING_FREE,	   /* no front-end: one can be taken */
	RUNNING_SUSPENDED, /* no ring is started (vhost-user "Suspended device state") */
	RUNNING_ON,	   /* `started` was called, `stopped` is due */
	RUNNING_STOPPING,  /* ... and no ring is left but those that are stopping */
	RUNNING_ENDING,	   /* the front-end is gone, but not all queues have let go */
	RUNNING_ENDING_ON, /* ... and `stopped` is due */
	RUNNING_STATES
};

enum running_event {
	RUNNING_BEGIN,	/* a front-end comes: session_begin, which may refuse it */
	RUNNING_START,	/* a ring is to start: started, if it is the first; may refuse */
	RUNNING_STOP,	/* the last ring is told to stop, or could not start */
	RUNNING_SETTLE, /* what was told to stop has stopped: stopped, if nothing is left */
	RUNNING_END,	/* the front-end is gone, or has to go */
	RUNNING_LET_GO, /* every queue has let go of it: session_end */
	RUNNING_EVENTS
};

/* A part of the device. */
struct running {
	enum running_state state;
	uint32_t n_rings; /* queues with want.started */
	bool beginning;	  /* session_begin is running, or the device is being freed */
	bool used;	  /* a ring was started and enabled in this session */
	bool closing;	  /* vu_device_drain(): it ends when all rings have stopped */
	bool dying;	  /* it ends at the next opportunity */
	int why;	  /* ... for this reason: 0 or -errno */
};

/* 0; -EPERM, after a line in the log: the table has no such transition; -errno of a callback. */
int running_step(struct vu_device *dev, enum running_event event);

/* A ring is to be enabled or not; also one that runs. */
void running_enable(struct vu_queue *q, bool enabled);
/* A ring is to start, or is told to stop (or could not start). */
int running_start(struct vu_queue *q);
void running_stop(struct vu_queue *q);
/* vu_device_drain(): stop all that is started, and end the session when it has. */
void running_close(struct vu_device *dev);
/* End it at the next opportunity; the first reason counts. */
void running_doom(struct vu_device *dev, int why);

/* Are there rings, and somebody to be told of them? */
bool running_is_on(const struct vu_device *dev);
/* A front-end is there, and it is not ending. */
bool running_has_session(const struct vu_device *dev);

#endif
