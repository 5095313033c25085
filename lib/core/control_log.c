/* SPDX-License-Identifier: MIT */
/*
 * The verbs about the dirty log: the device has one, and every ring that runs marks what it writes
 * in there as long as the features say so.  Device thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "mem/region.h"

#define BIT(n) (UINT64_C(1) << (n))

static bool device_logs(const struct vu_device *dev)
{
	return dev->acked & BIT(VU_F_LOG_ALL);
}

void control_fill_marks(struct vu_queue *q)
{
	struct vu_device *dev = q->dev;

	q->want.marks.log = dev->dirty_log;
	q->want.marks.is_on = device_logs(dev);
	/* virtio 1.3 §6.1: then every address of a ring is one of the driver's own. */
	q->want.marks.is_in_place = dev->acked & BIT(VU_F_ACCESS_PLATFORM);
}

/* Have every ring that runs mark as it is to from now on. */
static void control_give_marks(struct vu_device *dev, struct waiter *w)
{
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];

		control_fill_marks(q);
		if (q->want.started)
			queue_give(q, QUEUE_CONFIGURE, w);
	}
}

int control_set_log(struct vu_device *dev, struct region *log, struct waiter *w)
{
	struct region *old = dev->dirty_log;
	int rc;

	waiter_begin(w, dev, NULL, NULL);
	dev->dirty_log = log;
	control_give_marks(dev, w);
	rc = waiter_settle(w);
	/* The rings have references of their own until they switch. */
	region_unref(old);
	return rc;
}

int control_set_log_fd(struct vu_device *dev, int fd, struct waiter *w)
{
	int err = 0;

	/* Each queue signals one of its own. */
	for (uint32_t i = 0; i < dev->info.n_queues && !err; i++) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			err = -errno;
			log_peer_error(&dev->log, "no descriptors to tell of the dirty log: %s",
				       strerror(errno));
		} else {
			err = control_set_fd(&dev->queues[i], QUEUE_LOG, copy);
		}
	}
	closer_close(&dev->closer, fd);
	if (err)
		return err;
	waiter_begin(w, dev, NULL, NULL);
	control_give_marks(dev, w);
	return waiter_settle(w);
}

bool control_set_logged(struct vu_queue *q, bool is_logged, uint64_t at)
{
	struct marks_config *m = &q->want.marks;
	bool changes = m->is_used_on != is_logged || (is_logged && m->used_at != at);

	m->is_used_on = is_logged;
	m->used_at = at;
	return changes && q->want.started;
}

/* What the features say of a queue; true: its ring, or its being enabled, changes. */
static bool control_fill_features(struct vu_queue *q)
{
	struct marks_config before = q->want.marks;
	const struct marks_config *now = &q->want.marks;
	bool is_enabled = q->want.enabled;

	control_fill_marks(q);
	/* vhost-user "Ring states": without that bit all rings are enabled at once. */
	if (!(q->dev->acked & BIT(VU_F_PROTOCOL_FEATURES)))
		running_enable(q, true);
	return q->want.enabled != is_enabled ||
	       (q->want.started && (now->is_on != before.is_on || now->log != before.log));
}

int control_use_features(struct vu_device *dev, struct waiter *w)
{
	struct region *old = NULL;
	int rc;

	waiter_begin(w, dev, NULL, NULL);
	/* The front-end says no other word about its end. */
	if (dev->was_logging && !device_logs(dev)) {
		old = dev->dirty_log;
		dev->dirty_log = NULL;
	}
	dev->was_logging = device_logs(dev);
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		if (control_fill_features(&dev->queues[i]))
			queue_give(&dev->queues[i], QUEUE_CONFIGURE, w);
	rc = waiter_settle(w);
	region_unref(old);
	return rc;
}
