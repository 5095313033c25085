/* SPDX-License-Identifier: MIT */
/*
 * VRING_HOST_NOTIFIER_MSG: any thread asks, the device thread sends and hears the answer.  A queue
 * whose notifications may go to a page is polled: from before the front-end hears of it, until
 * after it said that kicks come again.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "core/device.h"
#include "core/kick.h"
#include "core/part.h"
#include "vhost_user/channel.h"
#include "vhost_user/session.h"

struct host_notifier {
	struct channel_request request;
	struct wire_vring_area area;
	struct vu_queue *q;
	int fd; /* ours, of what is asked for; -1 to end it */
	bool is_asked;
	bool is_on; /* the front-end has mapped a page, as far as is known */
	bool lost;  /* the device stopped since it was asked for */
	int result;
	vu_asked_fn done;
	void *asked;
};

struct host_notifiers {
	struct part part;
	pthread_mutex_t lock;
	uint32_t n;
	struct host_notifier each[];
};

static struct host_notifier *notifier_of(struct channel_request *r)
{
	return (struct host_notifier *)(void *)((char *)r -
						offsetof(struct host_notifier, request));
}

/* Queues' own kicks are enough again: what the front-end mapped went with the device's stop. */
static void notifiers_stopped(struct part *part, struct vu_device *dev)
{
	struct host_notifiers *all = (struct host_notifiers *)part;

	(void)dev;
	pthread_mutex_lock(&all->lock);
	for (uint32_t i = 0; i < all->n; i++) {
		struct host_notifier *h = &all->each[i];

		if (h->is_on || h->is_asked)
			(void)kick_poll(h->q, false);
		h->is_on = false;
		h->lost = true;
	}
	pthread_mutex_unlock(&all->lock);
}

static void notifiers_free(struct part *part)
{
	struct host_notifiers *all = (struct host_notifiers *)part;

	pthread_mutex_destroy(&all->lock);
	free(all);
}

static const struct part_ops notifiers_ops = {.stopped = notifiers_stopped, .free = notifiers_free};

int vu_device_offer_host_notifiers(struct vu_device *dev)
{
	struct host_notifiers *all;

	if (vu_device_is_attached(dev))
		return -EBUSY;
	if (dev->host_notifiers)
		return -EEXIST;
	all = calloc(1, sizeof(*all) + dev->info.n_queues * sizeof(all->each[0]));
	if (!all)
		return -ENOMEM;
	all->n = dev->info.n_queues;
	for (uint32_t i = 0; i < all->n; i++) {
		all->each[i].q = &dev->queues[i];
		all->each[i].fd = -1;
	}
	pthread_mutex_init(&all->lock, NULL);
	all->part.ops = &notifiers_ops;
	all->part.next = dev->parts;
	dev->parts = &all->part;
	dev->host_notifiers = all;
	return 0;
}

static bool notifier_may_go(struct session *s, struct channel_request *r)
{
	struct host_notifier *h = notifier_of(r);
	struct host_notifiers *all = s->dev->host_notifiers;

	pthread_mutex_lock(&all->lock);
	if (!session_has(s, WIRE_PF_HOST_NOTIFIER) || !session_has(s, WIRE_PF_BACKEND_SEND_FD) ||
	    !session_has(s, WIRE_PF_REPLY_ACK))
		h->result = -EOPNOTSUPP;
	else if (h->lost || !running_is_on(s->dev))
		h->result = -ECANCELED;
	pthread_mutex_unlock(&all->lock);
	return !h->result;
}

static void notifier_answered(struct session *s, struct channel_request *r, struct wire_msg *reply)
{
	struct host_notifier *h = notifier_of(r);
	struct vu_device *dev = h->q->dev;
	struct host_notifiers *all = dev->host_notifiers;
	vu_asked_fn done;
	void *asked;
	int result;

	(void)s;
	pthread_mutex_lock(&all->lock);
	result = reply	     ? (channel_answer(reply) ? -EREMOTEIO : 0)
		 : h->result ? h->result
			     : -ENOTCONN;
	if (h->lost)
		result = -ECANCELED;
	else if (!result)
		h->is_on = h->fd >= 0;
	/* One that failed leaves the one before: it may be there still. */
	if (!h->is_on)
		(void)kick_poll(h->q, false);
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	h->is_asked = false;
	done = h->done;
	asked = h->asked;
	pthread_mutex_unlock(&all->lock);
	if (result == -EREMOTEIO)
		log_peer_warn(&dev->log,
			      "queue %u: the front-end refuses the host notifier (QEMU wants "
			      "page-per-vq=on)",
			      h->q->index);
	if (done)
		done(dev, result, asked);
}

/* With the lock. */
static int notifier_ask(struct host_notifier *h, int fd, uint64_t offset, vu_asked_fn done,
			void *asked)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0), err;

	if (fd >= 0 && copy < 0)
		return -errno;
	/* Kicks end before the answer comes. */
	err = fd < 0 ? 0 : kick_poll(h->q, true);
	if (err) {
		close(copy);
		return err;
	}
	h->fd = copy;
	h->is_asked = true;
	h->lost = false;
	h->result = 0;
	h->done = done;
	h->asked = asked;
	h->area = (struct wire_vring_area){
		.index_flags = h->q->index | (fd < 0 ? WIRE_VRING_NOFD : 0),
		.size = fd < 0 ? 0 : (uint64_t)sysconf(_SC_PAGESIZE),
		.offset = offset,
	};
	h->request = (struct channel_request){
		.id = WIRE_BACKEND_VRING_HOST_NOTIFIER_MSG,
		.payload = &h->area,
		.size = sizeof(h->area),
		.fds = &h->fd,
		.n_fds = fd >= 0,
		.done = notifier_answered,
		.may_go = notifier_may_go,
	};
	channel_post(h->q->dev, &h->request);
	return 0;
}

int vu_queue_set_host_notifier(struct vu_queue *q, int fd, uint64_t offset, vu_asked_fn done,
			       void *asked)
{
	struct host_notifiers *all = q->dev->host_notifiers;
	int err;

	if (!all || offset % (uint64_t)sysconf(_SC_PAGESIZE) || offset > INT64_MAX)
		return -EINVAL;
	pthread_mutex_lock(&all->lock);
	err = all->each[q->index].is_asked
		      ? -EBUSY
		      : notifier_ask(&all->each[q->index], fd, offset, done, asked);
	pthread_mutex_unlock(&all->lock);
	return err;
}
