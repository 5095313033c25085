/* SPDX-License-Identifier: MIT */
/* The verbs: they write what a queue shall have (struct queue_want) and give it commands. */
#include "core/control.h"

#include <errno.h>
#include <string.h>

#include "core/device.h"
#include "core/features.h"
#include "core/kept.h"
#include "core/patience.h"
#include "core/translations.h"

int control_set_features(struct vu_device *dev, uint64_t acked)
{
	return features_accept(dev, acked);
}

struct table *control_memory(const struct vu_device *dev)
{
	return dev->table;
}

int control_set_memory(struct vu_device *dev, struct table *table, struct waiter *w)
{
	struct table *old = dev->table;
	int rc;

	waiter_begin(w, dev, NULL, NULL);
	dev->table = table;
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];

		q->want.table = table;
		if (q->want.started)
			queue_give(q, QUEUE_CONFIGURE, w);
	}
	if (dev->memory_changed)
		dev->memory_changed(dev, dev->memory_opaque);
	rc = waiter_settle(w);
	/* The rings have references of their own until they switch. */
	table_unref(old);
	return rc;
}

void control_set_inflight(struct vu_device *dev, struct region *region, uint16_t n_queues,
			  uint16_t entries)
{
	kept_set(&dev->kept, region, n_queues, entries);
}

void control_leave_inflight(struct vu_device *dev, bool may_leave)
{
	dev->kept.may_leave = may_leave;
}

void control_set_size(struct vu_queue *q, uint32_t size)
{
	q->want.ring.size = size;
	q->want.has_size = true;
}

void control_set_areas(struct vu_queue *q, uint64_t desc, uint64_t driver, uint64_t device)
{
	q->want.ring.desc = desc;
	q->want.ring.driver = driver;
	q->want.ring.device = device;
	q->want.has_addr = true;
}

void control_set_base(struct vu_queue *q, uint32_t base)
{
	q->want.ring.base = base;
	q->want.base_set = true;
}

uint32_t control_base(const struct vu_queue *q)
{
	return q->want.ring.base;
}

void control_set_guest_addresses(struct vu_device *dev, bool guest)
{
	dev->guest_addresses = guest;
}

enum table_space control_space(const struct vu_device *dev)
{
	return dev->guest_addresses ? TABLE_GUEST : TABLE_USER;
}

void control_set_inband(struct vu_device *dev, bool inband)
{
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		dev->queues[i].want.inband = inband;
}

static const char *const fd_names[QUEUE_FDS] = {"kick", "call", "error", "dirty log's"};

/* Take over fd; -EINVAL if it is of no use as what it is to be. */
static int control_open_fd(struct vu_device *dev, struct notifier *n, enum queue_fd which, int fd)
{
	int err = notifier_open(n, fd);

	if (err)
		return err;
	if (which == QUEUE_KICK && n->kind != NOTIFIER_EVENTFD) {
		notifier_init(n);
		return -EINVAL;
	}
	/* Where there is no AIO the bell does without. */
	if (which != QUEUE_KICK && n->kind == NOTIFIER_EVENTFD)
		(void)bell_open(&dev->bell);
	return 0;
}

/* There is no kick: the ring is polled. */
static int control_open_timer(struct vu_queue *q)
{
	int err = notifier_open_timer(&q->want.fds[QUEUE_KICK]);

	if (!err)
		return 0;
	log_peer_error(&q->dev->log, "queue %u: no kick descriptor, and no timer to poll with: %s",
		       q->index, strerror(-err));
	return -EPROTO;
}

int control_set_fd(struct vu_queue *q, enum queue_fd which, int fd)
{
	struct notifier *n = &q->want.fds[which];

	notifier_close(n);
	if (fd >= 0 && control_open_fd(q->dev, n, which, fd)) {
		log_peer_error(&q->dev->log, "queue %u: the %s descriptor is no eventfd%s",
			       q->index, fd_names[which],
			       which == QUEUE_KICK ? "" : " or connected Unix socket");
		closer_close(&q->dev->closer, fd);
		return -EPROTO;
	}
	q->want.changed[which] = true;
	return which == QUEUE_KICK && fd < 0 ? control_open_timer(q) : 0;
}

int control_configure(struct vu_queue *q, struct waiter *w)
{
	waiter_begin(w, q->dev, q, NULL);
	queue_give(q, QUEUE_CONFIGURE, w);
	return waiter_settle(w);
}

void control_set_enabled(struct vu_queue *q, bool enabled)
{
	running_enable(q, enabled);
}

bool control_is_started(const struct vu_queue *q)
{
	return q->want.started;
}

bool control_is_anew(const struct vu_queue *q)
{
	return q->want.has_addr && (!q->want.started || q->want.base_set);
}

static void start_finish(struct waiter *w)
{
	struct vu_queue *q = w->q;

	w->result = q->result;
	if (!q->result)
		return;
	log_peer_error(&q->dev->log, "queue %u: cannot start: %s", q->index, q->why);
	running_stop(q);
	running_step(q->dev, RUNNING_SETTLE);
}

/* All that its ring has to know. */
void control_set_big_endian(struct vu_queue *q, bool big_endian)
{
	q->want.big_endian = big_endian;
}

static void control_fill(struct vu_queue *q)
{
	struct ring_config *c = &q->want.ring;
	struct vu_device *dev = q->dev;

	features_use(dev, c);
	/* virtio 1.3 §2.7: little-endian, but for the legacy interface. */
	c->big_endian = q->want.big_endian && !(dev->acked >> VU_F_VERSION_1 & 1);
	c->space = control_space(dev);
	c->mappings = dev->mappings;
	c->debug = dev->info.flags & VU_DEVICE_DEBUG;
	c->device_name = dev->log.name;
	c->index = q->index;
	c->max_size = q->info.max_size;
	c->max_segs = q->info.max_segs;
	c->priv_size = q->info.priv_size;
	kept_use(q, c);
	control_fill_marks(q);
	q->want.table = dev->table;
	translations_give(q);
}

int control_start(struct vu_queue *q, struct waiter *w)
{
	int err;

	if (!q->want.has_size || !q->want.has_addr) {
		log_peer_error(&q->dev->log,
			       "queue %u: started before its size and addresses were set",
			       q->index);
		return -EPROTO;
	}
	err = running_start(q);
	if (err)
		return err;
	control_fill(q);
	waiter_begin(w, q->dev, q, start_finish);
	queue_give(q, QUEUE_START, w);
	patience_stale(q->dev);
	return waiter_settle(w);
}

static void stop_finish(struct waiter *w)
{
	running_step(w->dev, RUNNING_SETTLE);
}

int control_stop(struct vu_queue *q, struct waiter *w)
{
	waiter_begin(w, q->dev, q, stop_finish);
	if (q->want.started) {
		running_stop(q);
		queue_give(q, QUEUE_STOP, w);
	}
	return waiter_settle(w);
}

static void reset_finish(struct waiter *w)
{
	struct vu_device *dev = w->dev;

	running_step(dev, RUNNING_SETTLE);
	translations_forget(dev);
	if (dev->ops.reset)
		dev->ops.reset(dev, dev->opaque);
}

int control_reset(struct vu_device *dev, struct waiter *w)
{
	waiter_begin(w, dev, NULL, reset_finish);
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];

		if (!q->want.started && !q->want.enabled)
			continue;
		running_stop(q);
		q->want.enabled = false;
		queue_give(q, QUEUE_STOP, w);
	}
	return waiter_settle(w);
}
