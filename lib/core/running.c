/* SPDX-License-Identifier: MIT */
/* The table of what a device's session and its rings may do; see running.h.  Device thread. */
#include "core/running.h"

#include <errno.h>
#include <string.h>

#include "core/device.h"
#include "core/features.h"
#include "core/translations.h"

enum running_call { CALL_NOTHING, CALL_BEGIN, CALL_STARTED, CALL_STOPPED, CALL_END };

/* A state that is not named here cannot be reached: its row is all zero. */
struct transition {
	bool legal;
	enum running_state next;
	enum running_call call;
};

#define TO(next_state, call_name)                                                                  \
	{                                                                                          \
		true, RUNNING_##next_state, CALL_##call_name                                       \
	}

/* docs/architecture.md has it as a table, tests/unit/test_running.c tries every field. */
static const struct transition table[RUNNING_STATES][RUNNING_EVENTS] = {
	[RUNNING_FREE] =
		{
			[RUNNING_BEGIN] = TO(SUSPENDED, BEGIN),
		},
	[RUNNING_SUSPENDED] =
		{
			[RUNNING_START] = TO(ON, STARTED),
			[RUNNING_SETTLE] = TO(SUSPENDED, NOTHING),
			[RUNNING_END] = TO(ENDING, NOTHING),
		},
	[RUNNING_ON] =
		{
			[RUNNING_START] = TO(ON, NOTHING),
			[RUNNING_STOP] = TO(STOPPING, NOTHING),
			[RUNNING_SETTLE] = TO(ON, NOTHING),
			[RUNNING_END] = TO(ENDING_ON, NOTHING),
		},
	[RUNNING_STOPPING] =
		{
			[RUNNING_START] = TO(ON, NOTHING),
			[RUNNING_SETTLE] = TO(SUSPENDED, STOPPED),
			[RUNNING_END] = TO(ENDING_ON, NOTHING),
		},
	[RUNNING_ENDING] =
		{
			[RUNNING_SETTLE] = TO(ENDING, NOTHING),
			[RUNNING_LET_GO] = TO(FREE, END),
		},
	[RUNNING_ENDING_ON] =
		{
			[RUNNING_SETTLE] = TO(ENDING, STOPPED),
		},
};

static const char *const state_names[RUNNING_STATES] = {
	"free", "suspended", "running", "stopping", "ending", "ending with rings",
};
static const char *const event_names[RUNNING_EVENTS] = {
	"begin", "start", "stop", "settle", "end", "let go",
};

static int call_begin(struct vu_device *dev)
{
	bool inside;
	int err;

	if (!dev->ops.session_begin)
		return 0;
	inside = device_enter(dev);
	dev->running.beginning = true;
	err = dev->ops.session_begin(dev, dev->opaque);
	dev->running.beginning = false;
	device_leave(dev, inside);
	return err;
}

static int call_started(struct vu_device *dev)
{
	int err = dev->ops.started ? dev->ops.started(dev, dev->opaque) : 0;

	/* It has not started, so it does not stop. */
	if (err)
		log_peer_error(&dev->log, "the device refused to start: %s", strerror(-err));
	else
		/* A change of the configuration made meanwhile is to be announced. */
		device_wake(dev);
	return err;
}

/* What may refuse is called before the state changes. */
static int call_before(struct vu_device *dev, enum running_call call)
{
	if (call == CALL_BEGIN)
		return call_begin(dev);
	if (call == CALL_STARTED)
		return call_started(dev);
	/* The last in-band call may be due. */
	if (call == CALL_STOPPED)
		device_tell(dev);
	return 0;
}

static void call_after(struct vu_device *dev, enum running_call call)
{
	if (call == CALL_STOPPED) {
		translations_forget(dev);
		for (struct part *part = dev->parts; part; part = part->next)
			part->ops->stopped(part, dev);
	}
	if (call == CALL_STOPPED && dev->ops.stopped)
		dev->ops.stopped(dev, dev->opaque);
	if (call == CALL_END && dev->ops.session_end)
		dev->ops.session_end(dev, dev->running.why, dev->opaque);
}

int running_step(struct vu_device *dev, enum running_event event)
{
	struct running *r = &dev->running;
	const struct transition *t = &table[r->state][event];
	int err;

	if (!t->legal) {
		log_peer_error(&dev->log, "%s while %s is not in the table of states",
			       event_names[event], state_names[r->state]);
		return -EPERM;
	}
	err = call_before(dev, t->call);
	if (err)
		return err;
	if (r->state != t->next)
		log_debug(&dev->log, "device: %s -> %s", state_names[r->state],
			  state_names[t->next]);
	r->state = t->next;
	if (event == RUNNING_END) {
		r->n_rings = 0;
		r->closing = r->dying = false;
	}
	call_after(dev, t->call);
	return 0;
}

int running_start(struct vu_queue *q)
{
	struct vu_device *dev = q->dev;
	int err;

	if (!dev->acked_ok) {
		features_log_refusal(dev);
		return -EPROTO;
	}
	err = running_step(dev, RUNNING_START);
	if (err)
		return -EPROTO;
	dev->running.n_rings += !q->want.started;
	q->want.started = true;
	dev->running.used |= queue_is_wanted(q);
	return 0;
}

void running_enable(struct vu_queue *q, bool enabled)
{
	q->want.enabled = enabled;
	q->dev->running.used |= queue_is_wanted(q);
}

void running_stop(struct vu_queue *q)
{
	if (!q->want.started)
		return;
	q->want.started = false;
	if (!--q->dev->running.n_rings)
		running_step(q->dev, RUNNING_STOP);
}

static void closing_finish(struct waiter *w)
{
	running_step(w->dev, RUNNING_SETTLE);
}

static void closing_done(struct waiter *w)
{
	/* device_go_on() looks once more whether anything is left. */
	(void)w;
}

void running_close(struct vu_device *dev)
{
	struct waiter *w = &dev->closing;

	/* A message's commands come first, then ours. */
	if (dev->running.dying || dev->waiting)
		return;
	w->done = closing_done;
	waiter_begin(w, dev, NULL, closing_finish);
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];

		if (!q->want.started)
			continue;
		running_stop(q);
		queue_give(q, QUEUE_STOP, w);
	}
	if (waiter_settle(w) == VERB_DONE)
		running_doom(dev, 0);
}

void running_doom(struct vu_device *dev, int why)
{
	struct running *r = &dev->running;

	if (!r->dying)
		r->why = why;
	r->dying = true;
	device_wake(dev);
}

bool running_is_on(const struct vu_device *dev)
{
	return dev->running.state == RUNNING_ON || dev->running.state == RUNNING_STOPPING;
}

bool running_has_session(const struct vu_device *dev)
{
	return dev->running.state == RUNNING_SUSPENDED || running_is_on(dev);
}
