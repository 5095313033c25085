/* SPDX-License-Identifier: MIT */
/* Who waits for queues' threads.  Device thread. */
#include "core/waiter.h"

#include <errno.h>

#include "core/device.h"
#include "core/patience.h"

void waiter_begin(struct waiter *w, struct vu_device *dev, struct vu_queue *q,
		  void (*finish)(struct waiter *w))
{
	w->dev = dev;
	w->q = q;
	w->finish = finish;
	w->result = 0;
	w->left = 0;
	w->is_given = false;
	w->next = NULL;
}

int waiter_settle(struct waiter *w)
{
	if (w->dev->running.dying)
		return -EPROTO;
	w->is_given = true;
	if (w->left) {
		/* The end of a session is waited for in silence. */
		if (running_has_session(w->dev))
			patience_stops(w->dev, true);
		return VERB_LATER;
	}
	if (w->finish)
		w->finish(w);
	return VERB_DONE;
}

void waiter_answered(struct waiter *w)
{
	if (--w->left || !w->is_given)
		return;
	w->next = w->dev->due;
	w->dev->due = w;
	device_wake(w->dev);
}

void waiter_overtaken(struct waiter *w)
{
	w->left--;
}

void waiters_go_on(struct vu_device *dev)
{
	while (dev->due) {
		struct waiter *w = dev->due;

		dev->due = w->next;
		if (w->finish)
			w->finish(w);
		w->done(w);
	}
}

void waiters_forget(struct vu_device *dev)
{
	dev->due = NULL;
}
