/* SPDX-License-Identifier: MIT */
/*
 * What other threads have for a group: commands for its queues, requests that they completed,
 * functions to run (post.c).  Posted by any thread, taken by the queue thread.
 */
#include <errno.h>
#include <stddef.h>

#include "core/device.h"

/* Any thread. */
void group_attend(struct vu_group *g)
{
	atomic_store(&g->attention, true);
	vu_group_wake(g);
}

/* Any thread. */
void group_post_command(struct vu_group *g, struct vu_queue *q)
{
	if (mailbox_post(&g->commands, &q->command_mail))
		group_attend(g);
}

/* Any thread. */
void group_post_remote(struct vu_group *g, struct req *req)
{
	struct req *head = atomic_load_explicit(&g->remote, memory_order_relaxed);

	do {
		req->remote_next = head;
		/* Release pairs with the acquire in group_remote(). */
	} while (!atomic_compare_exchange_weak_explicit(
		&g->remote, &head, req, memory_order_release, memory_order_relaxed));
	if (!head)
		group_attend(g);
}

/* All that others completed, oldest first. */
static struct req *group_remote(struct vu_group *g)
{
	struct req *oldest = NULL;
	struct req *req = atomic_exchange_explicit(&g->remote, NULL, memory_order_acquire);

	while (req) {
		struct req *next = req->remote_next;

		req->remote_next = oldest;
		oldest = req;
		req = next;
	}
	return oldest;
}

static void group_take_remote(struct vu_group *g)
{
	struct req *oldest = group_remote(g);

	while (oldest) {
		struct req *req = oldest;

		oldest = req->remote_next;
		__atomic_store_n(&req->is_remote, false, __ATOMIC_RELAXED);
		/* Its length was checked by vu_req_complete_remote(). */
		vu_req_complete(&req->pub, req->written);
	}
}

/* The first of the list, opened; the list goes on. */
static struct vu_queue *group_open(struct mail **list)
{
	struct mail *mail = *list;

	*list = mail->next;
	mail_open(mail);
	return (struct vu_queue *)(void *)((char *)mail - offsetof(struct vu_queue, command_mail));
}

static void group_take_commands(struct vu_group *g)
{
	struct mail *mail = mailbox_take(&g->commands);

	while (mail)
		queue_obey(group_open(&mail));
}

void group_take_mail(struct vu_group *g)
{
	/* Before looking: what is posted meanwhile gets a pass of its own. */
	atomic_exchange(&g->attention, false);
	group_take_commands(g);
	group_take_remote(g);
	group_run_posts(g);
	/* Every pass is to say so. */
	if (atomic_load(&g->closing))
		atomic_store(&g->attention, true);
}

/* What calls a device is a callback here, too, for its thread if that is this one. */
static void group_obey_inside(struct vu_queue *q)
{
	struct vu_device *dev = q->dev;
	pthread_t owner = atomic_load_explicit(&dev->own.owner, memory_order_relaxed);
	bool ours = !owner || pthread_equal(owner, pthread_self());
	bool inside = ours && device_enter(dev);

	queue_obey(q);
	if (ours)
		device_leave(dev, inside);
}

void group_stand_in(struct vu_group *g)
{
	struct mail *mail = mailbox_take(&g->commands);
	bool inside = group_is_inside(g);

	group_note_owner(g);
	group_set_inside(g, true);
	while (mail)
		group_obey_inside(group_open(&mail));
	group_take_remote(g);
	group_set_inside(g, inside);
}

/* Nobody takes the mail of a group without a thread: each of its queues finds its own, by this. */
void group_forward(struct vu_group *from, struct vu_queue *q, struct vu_group *to)
{
	struct mail *mail = mailbox_take(&from->commands);
	struct req *oldest = group_remote(from);

	/* The others' devices look what they told them: see group_settle(). */
	while (mail)
		group_open(&mail);
	while (oldest) {
		struct req *req = oldest;

		oldest = req->remote_next;
		group_post_remote(req->ring->config.queue == q ? to : from, req);
	}
}
