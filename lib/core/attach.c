/* SPDX-License-Identifier: MIT */
/* A front-end comes and goes: what happens around running.c's states.  Device thread. */
#include <errno.h>

#include "core/control.h"
#include "core/device.h"
#include "core/patience.h"
#include "core/translations.h"
#include "core/transport.h"
#include "mem/region.h"
#include "mem/table.h"

int control_begin(struct vu_device *dev, struct transport *t)
{
	int err;

	if (vu_device_is_attached(dev) || dev->running.beginning)
		return -EBUSY;
	err = running_step(dev, RUNNING_BEGIN);
	if (err)
		return err;
	dev->transport = t;
	dev->ended = dev->running.used = false;
	atomic_store(&dev->faulted, false);
	atomic_store(&dev->would_block, false);
	patience_silence(dev, true);
	log_peer_info(&dev->log, "connected");
	return 0;
}

bool control_is_open(const struct vu_device *dev)
{
	return running_has_session(dev) && !dev->running.dying && !dev->running.closing;
}

/* What the front-end gave. */
static void device_forget(struct vu_device *dev)
{
	atomic_store(&dev->features, 0);
	dev->acked = 0;
	dev->acked_any = dev->acked_ok = false;
	translations_forget(dev);
	table_unref(dev->table);
	dev->table = NULL;
	dev->guest_addresses = false;
	region_unref(dev->dirty_log);
	dev->dirty_log = NULL;
	dev->was_logging = false;
	kept_set(&dev->kept, NULL, 0, 0);
	dev->kept.may_leave = false;
}

/* Every queue has let go: free what they might have been looking at. */
static void device_let_go(struct waiter *ending)
{
	struct vu_device *dev = ending->dev;

	patience_stops(dev, false);
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		queue_forget(&dev->queues[i]);
	dev->untold = NULL;
	running_step(dev, RUNNING_SETTLE);
	device_forget(dev);
	dev->transport->ops->release(dev->transport);
	dev->transport = NULL;
	dev->ended = true;
	running_step(dev, RUNNING_LET_GO);
}

void control_end(struct vu_device *dev, int why)
{
	if (!running_has_session(dev))
		return;
	log_peer_info(&dev->log, "disconnected");
	log_tell_left_out(&dev->log);
	if (!dev->running.dying)
		dev->running.why = why;
	dev->transport->ops->disconnect(dev->transport);
	patience_silence(dev, false);
	waiters_forget(dev);
	answers_abandon(dev);
	patience_awaits(dev, NULL);
	running_step(dev, RUNNING_END);
	dev->ending.done = device_let_go;
	waiter_begin(&dev->ending, dev, NULL, NULL);
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		queue_give(&dev->queues[i], QUEUE_ABANDON, &dev->ending);
	if (waiter_settle(&dev->ending) == VERB_DONE)
		device_let_go(&dev->ending);
}

void vu_device_detach(struct vu_device *dev)
{
	if (!running_has_session(dev))
		return;
	/* From a callback, a message may be half handled: end after it. */
	if (group_is_inside(&dev->own)) {
		running_doom(dev, 0);
	} else {
		device_enter(dev);
		control_end(dev, 0);
		device_leave(dev, false);
	}
	/* The next pass ends it, or tells of its end. */
	device_wake(dev);
}

void vu_device_drain(struct vu_device *dev)
{
	if (!running_has_session(dev))
		return;
	dev->running.closing = true;
	/* The next pass does the rest: running_close(). */
	device_wake(dev);
}

int vu_device_is_attached(const struct vu_device *dev)
{
	return dev->running.state != RUNNING_FREE;
}

int vu_device_is_left(const struct vu_device *dev)
{
	if (!running_has_session(dev) || !dev->running.used)
		return 0;
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		if (queue_is_wanted(&dev->queues[i]))
			return 0;
	return 1;
}
