/* SPDX-License-Identifier: MIT */
/*
 * What the device thread does besides serving its own queues: it takes what other threads posted,
 * lets go on what waited, and ends what is to end.
 */
#include <errno.h>
#include <stddef.h>

#include "core/control.h"
#include "core/device.h"
#include "core/patience.h"
#include "core/translations.h"
#include "core/transport.h"

void device_answered(struct vu_device *dev, struct vu_queue *q)
{
	/* Acquire pairs with queue_answer(). */
	uint32_t done = atomic_load_explicit(&q->done, memory_order_acquire);
	struct waiter *w = q->asked;

	/* An older number: overtaken by QUEUE_ABANDON, whose answer is still to come. */
	if (!w || done >> 8 != q->given)
		return;
	q->asked = NULL;
	if (!--dev->waiting)
		patience_stops(dev, false);
	waiter_answered(w);
}

/* The driver is to be told: kept until the transport can. */
static void device_note_untold(struct vu_device *dev, struct vu_queue *q, uint32_t news)
{
	if (!q->untold) {
		q->next_untold = dev->untold;
		dev->untold = q;
	}
	q->untold |= news;
}

struct vu_queue *device_next_untold(struct vu_device *dev, uint32_t *news)
{
	struct vu_queue *q = dev->untold;

	if (!q)
		return NULL;
	dev->untold = q->next_untold;
	*news = q->untold;
	q->untold = 0;
	return q;
}

static void device_take_news(struct vu_device *dev)
{
	struct mail *mail = mailbox_take(&dev->news);

	while (mail) {
		struct vu_queue *q =
			(struct vu_queue *)(void *)((char *)mail -
						    offsetof(struct vu_queue, news_mail));
		uint32_t news;

		mail = mail->next;
		mail_open(&q->news_mail);
		news = atomic_exchange(&q->news, 0);
		if (news & NEWS_TOLD)
			device_note_untold(dev, q, news & NEWS_TOLD);
		if (news & NEWS_MISS)
			translations_missed(q);
		if (news & NEWS_ANSWERED)
			device_answered(dev, q);
		if (news & NEWS_ADRIFT)
			group_settle(q);
	}
}

void device_send(struct vu_device *dev, struct errand *errand)
{
	if (mailbox_post(&dev->errands, &errand->mail))
		device_wake(dev);
}

static void device_run_errands(struct vu_device *dev)
{
	struct mail *mail = mailbox_take(&dev->errands);

	while (mail) {
		struct errand *errand =
			(struct errand *)(void *)((char *)mail - offsetof(struct errand, mail));

		mail = mail->next;
		mail_open(&errand->mail);
		errand->run(errand, dev);
	}
}

bool device_enter(struct vu_device *dev)
{
	bool was_inside = group_is_inside(&dev->own);

	group_set_inside(&dev->own, true);
	return was_inside;
}

void device_leave(struct vu_device *dev, bool was_inside)
{
	group_set_inside(&dev->own, was_inside);
	/* What became active meanwhile is looked at in the next pass. */
	if (!was_inside && dev->own.active)
		vu_group_wake(&dev->own);
}

/* Any thread. */
void device_wake(struct vu_device *dev)
{
	atomic_store(&dev->attention, true);
	vu_group_wake(&dev->own);
}

/* Any queue thread. */
void device_release_stale(struct vu_device *dev)
{
	if (atomic_fetch_sub(&dev->stale, 1) != 1)
		return;
	/* Which groups its queues have is the device thread's to know. */
	atomic_store(&dev->stale_over, true);
	device_wake(dev);
}

static void device_tell_queues(struct vu_device *dev)
{
	/* Without a session there is no ring that was held back. */
	if (!atomic_exchange(&dev->stale_over, false) || !running_has_session(dev))
		return;
	for (uint32_t i = 0; i < dev->info.n_queues; i++)
		queue_rescan_soon(&dev->queues[i]);
}

void device_tell(struct vu_device *dev)
{
	/* vhost-user "Suspended device state": nothing is sent; a change is told at the start. */
	if (running_is_on(dev))
		dev->transport->ops->tell(dev->transport);
}

/* What is found out where the session cannot be ended. */
static void device_see_faults(struct vu_device *dev)
{
	if (atomic_exchange(&dev->faulted, false)) {
		log_peer_error(&dev->log, "the front-end truncated guest memory that was in use");
		running_doom(dev, -EFAULT);
	}
	if (atomic_exchange(&dev->would_block, false)) {
		log_peer_error(
			&dev->log,
			"the front-end made a call descriptor one that blocks; without Linux "
			"AIO here (io_setup, fs.aio-max-nr) it cannot be signalled safely");
		running_doom(dev, -EPERM);
	}
}

/* Whoever waited goes on; a session that is to end, ends. */
static void device_go_on(struct vu_device *dev)
{
	if (running_has_session(dev)) {
		device_see_faults(dev);
		/* Nothing more is done for one that is to end. */
		if (dev->running.dying)
			waiters_forget(dev);
	}
	waiters_go_on(dev);
	if (!running_has_session(dev))
		return;
	if (dev->running.closing)
		running_close(dev);
	if (dev->running.dying)
		control_end(dev, dev->running.why);
	else
		dev->transport->ops->proceed(dev->transport);
}

static void device_attend(struct vu_device *dev)
{
	/* Before looking: what is asked for meanwhile gets a pass of its own. */
	atomic_exchange(&dev->attention, false);
	device_take_news(dev);
	device_tell_queues(dev);
	device_run_errands(dev);
	device_go_on(dev);
	device_tell(dev);
}

void device_take_last(struct vu_device *dev)
{
	device_take_news(dev);
	device_run_errands(dev);
	waiters_go_on(dev);
}

int vu_device_process(struct vu_device *dev)
{
	bool more;

	if (unlikely(group_is_inside(&dev->own)))
		return group_refuse(&dev->own, "vu_device_process");
	group_set_inside(&dev->own, true);
	more = group_pass(&dev->own, 0);
	if (unlikely(atomic_load_explicit(&dev->attention, memory_order_relaxed)))
		device_attend(dev);
	group_set_inside(&dev->own, false);
	if (more)
		group_announce(&dev->own);
	else
		more = vu_group_arm(&dev->own);
	if (unlikely(dev->ended)) {
		dev->ended = false;
		return more | VU_PROCESS_ENDED;
	}
	return more;
}
