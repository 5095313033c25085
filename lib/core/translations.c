/* SPDX-License-Identifier: MIT */
/* Translations on their way from the transport to the queues, and misses on theirs back. */
#include "core/translations.h"

#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "core/patience.h"
#include "mem/iotlb.h"
#include "ring/ring.h"

/* Front-ends translate whole pages; an answer for one is one for all who miss it. */
#define PAGE_OF(addr) ((addr) >> 12)

/* The queue thread. */

void queue_miss(void *queue, uint64_t addr, enum space_access access)
{
	struct vu_queue *q = queue;
	uint32_t number = atomic_load_explicit(&q->miss.number, memory_order_relaxed) + 1;

	atomic_store_explicit(&q->miss.addr, addr, memory_order_relaxed);
	atomic_store_explicit(&q->miss.access, access, memory_order_relaxed);
	/* Last: should the device thread still be reading the one before, it will not take that for
	 * this one, whose mail is to come. */
	atomic_store_explicit(&q->miss.number, number ? number : 1, memory_order_release);
	queue_post(q, NEWS_MISS);
}

static void queue_use_translations(struct vu_queue *q, struct iotlb *iotlb)
{
	if (q->ring)
		(void)ring_set_translations(q->ring, iotlb);
	iotlb_unref(q->iotlb);
	q->iotlb = iotlb;
}

void queue_see_translations(struct vu_queue *q)
{
	/* Acquire pairs with queue_hand(). */
	struct iotlb *iotlb = atomic_exchange_explicit(&q->handed, NULL, memory_order_acquire);
	uint32_t refused = atomic_exchange(&q->miss.refused, 0);

	if (!iotlb && !refused)
		return;
	if (iotlb)
		queue_use_translations(q, iotlb);
	if (!q->ring)
		return;
	if (refused && refused == atomic_load_explicit(&q->miss.number, memory_order_relaxed))
		ring_refuse(q->ring);
	queue_see_areas(q);
}

void queue_drop_translations(struct vu_queue *q)
{
	iotlb_unref(atomic_exchange(&q->handed, NULL));
	iotlb_unref(q->iotlb);
	q->iotlb = NULL;
}

/* The device thread. */

/* For the queue's thread to find when it looks next. */
static void queue_hand(struct vu_queue *q)
{
	/* Release pairs with queue_see_translations(). */
	iotlb_unref(atomic_exchange_explicit(&q->handed, iotlb_ref(q->dev->iotlb),
					     memory_order_acq_rel));
}

/* Have it look: no command, so nobody waits for that. */
static void queue_call(struct vu_queue *q)
{
	if (q->group == &q->dev->own)
		queue_see_translations(q);
	else if (mailbox_post(&q->group->commands, &q->command_mail))
		group_attend(q->group);
}

static void missing_set(struct vu_queue *q, enum missing_state state)
{
	q->dev->to_ask -= q->missing.state == MISSING_NEW;
	q->dev->to_ask += state == MISSING_NEW;
	q->missing.state = state;
}

/* Is there an answer to what it misses?  SPACE_MISS: there is none. */
static int missing_look_up(const struct vu_queue *q)
{
	const struct vu_device *dev = q->dev;
	struct space_run run;
	struct space space;

	space_init_translated(&space, dev->table, control_space(dev), dev->iotlb);
	return space.find(&space, q->missing.addr, q->missing.access, &run);
}

/* Hand it what it waited for, if it is known; true: it is. */
static bool missing_supply(struct vu_queue *q)
{
	if (missing_look_up(q))
		return false;
	missing_set(q, MISSING_NOTHING);
	queue_hand(q);
	queue_call(q);
	return true;
}

static void missing_refuse(struct vu_queue *q)
{
	missing_set(q, MISSING_NOTHING);
	atomic_store(&q->miss.refused, q->missing.number);
	queue_call(q);
}

void translations_missed(struct vu_queue *q)
{
	struct missing *m = &q->missing;

	/* Acquire pairs with queue_miss(). */
	m->number = atomic_load_explicit(&q->miss.number, memory_order_acquire);
	m->addr = atomic_load_explicit(&q->miss.addr, memory_order_relaxed);
	m->access = (enum space_access)atomic_load_explicit(&q->miss.access, memory_order_relaxed);
	m->since = patience_now();
	m->is_answered = false;
	missing_set(q, MISSING_NOTHING);
	if (!q->want.started || !running_has_session(q->dev))
		return;
	if (missing_supply(q))
		return;
	missing_set(q, MISSING_NEW);
	patience_misses(q->dev);
}

void translations_give(struct vu_queue *q)
{
	missing_set(q, MISSING_NOTHING);
	queue_hand(q);
}

void translations_forget(struct vu_device *dev)
{
	iotlb_unref(dev->iotlb);
	dev->iotlb = NULL;
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		missing_set(&dev->queues[i], MISSING_NOTHING);
}

/* Let the queues have another snapshot; the reference is taken over. */
static int translations_use(struct vu_device *dev, struct iotlb *iotlb, int change,
			    struct waiter *w)
{
	iotlb_unref(dev->iotlb);
	dev->iotlb = iotlb;
	waiter_begin(w, dev, NULL, NULL);
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];

		if (!q->want.started)
			continue;
		if (change == IOTLB_OTHER) {
			queue_hand(q);
			queue_give(q, QUEUE_CONFIGURE, w);
		}
		if (q->missing.state != MISSING_NOTHING)
			missing_supply(q);
	}
	return waiter_settle(w);
}

/* Is all of it memory that the front-end gave? */
static bool memory_has(const struct vu_device *dev, uint64_t addr, uint64_t last)
{
	for (;;) {
		const struct span *span = table_find(dev->table, control_space(dev), addr);
		uint64_t end;

		if (!span)
			return false;
		end = span->start + (span->size - 1);
		if (end >= last)
			return true;
		addr = end + 1;
	}
}

int control_translate(struct vu_device *dev, const struct iotlb_range *range, struct waiter *w)
{
	uint64_t last = range->target + (range->last - range->first);
	struct iotlb *iotlb;
	int change;

	if (last < range->target || !memory_has(dev, range->target, last)) {
		log_peer_error(&dev->log,
			       "a translation of %#llx to %#llx is to %#llx, which is not memory "
			       "that the front-end gave",
			       (unsigned long long)range->first, (unsigned long long)range->last,
			       (unsigned long long)range->target);
		return -EFAULT;
	}
	change = iotlb_with(dev->iotlb, range, &iotlb);
	return change < 0 ? change : translations_use(dev, iotlb, change, w);
}

int control_untranslate(struct vu_device *dev, uint64_t first, uint64_t last, struct waiter *w)
{
	struct iotlb *iotlb;
	int change = iotlb_without(dev->iotlb, first, last, &iotlb);

	return change < 0 ? change : translations_use(dev, iotlb, change, w);
}

struct vu_queue *control_next_miss(struct vu_device *dev, uint64_t *addr, enum space_access *access)
{
	for (uint32_t i = 0; dev->to_ask && i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];

		if (q->missing.state != MISSING_NEW)
			continue;
		*addr = q->missing.addr;
		*access = q->missing.access;
		return q;
	}
	return NULL;
}

void control_miss_asked(struct vu_queue *q, bool by_another)
{
	missing_set(q, by_another ? MISSING_SHARED : MISSING_ASKED);
}

void control_miss_answered(struct vu_device *dev, uint64_t addr, enum space_access access,
			   enum miss_answer answer)
{
	for (uint32_t i = 0; i < dev->info.n_queues; i++) {
		struct vu_queue *q = &dev->queues[i];
		struct missing *m = &q->missing;
		bool is_it = m->state == MISSING_ASKED && m->addr == addr && m->access == access;

		if (m->state == MISSING_NOTHING || m->state == MISSING_NEW ||
		    PAGE_OF(m->addr) != PAGE_OF(addr) || missing_supply(q))
			continue;
		if (answer == MISS_LOST || !is_it)
			/* Nobody will answer, or what was answered was not asked for it. */
			missing_set(q, MISSING_NEW);
		else if (answer == MISS_REFUSED || iotlb_find(dev->iotlb, addr))
			missing_refuse(q);
		else
			/* The translation is under way, on the other socket. */
			m->is_answered = true;
	}
	if (dev->to_ask)
		device_wake(dev);
}
