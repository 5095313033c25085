/* SPDX-License-Identifier: MIT */
/*
 * Answers: each belongs to the device thread until a callback returns VU_LATER, and to whoever is
 * to give it from then on; giving posts it back as an errand.  The hub outlives the device as long
 * as answers are open, so that whoever gives one late finds that there is none any more.
 */
#include "core/answer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/device.h"
#include "core/patience.h"

/* A front-end that comes and goes has each of its sessions leave one at most. */
enum { OPEN_MAX = 256 };

struct hub {
	pthread_mutex_t lock;
	struct vu_device *dev; /* NULL: it was freed */
	uint32_t refs;	       /* the device and the open answers */
};

struct vu_answer {
	struct errand errand; /* first */
	struct hub *hub;
	struct vu_answer *next, **at; /* of those of the device */
	const char *what;
	answer_drop_fn *drop;
	void *opaque;
	struct waiter *waiter; /* NULL: the callback runs, or nobody waits any more */
	int64_t *out;	       /* ... where it looks */
	/* Under the hub's lock. */
	int64_t value;
	bool is_given;
	bool is_unheard;
};

static void hub_unlock_unref(struct hub *hub)
{
	bool is_last = !--hub->refs;

	pthread_mutex_unlock(&hub->lock);
	if (!is_last)
		return;
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

int answers_init(struct vu_device *dev)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return -ENOMEM;
	pthread_mutex_init(&hub->lock, NULL);
	hub->dev = dev;
	hub->refs = 1;
	dev->answers.hub = hub;
	return 0;
}

static void answer_unlink(struct vu_answer *a)
{
	*a->at = a->next;
	if (a->next)
		a->next->at = a->at;
}

void answers_fini(struct vu_device *dev)
{
	struct hub *hub = dev->answers.hub;

	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	/* Those that are given are in the mailbox, for device_take_last(). */
	for (struct vu_answer *a = dev->answers.open, *next; a; a = next) {
		next = a->next;
		if (!a->is_given)
			answer_unlink(a);
	}
	hub->dev = NULL;
	hub_unlock_unref(hub);
	dev->answers.hub = NULL;
}

/* Out of the device's list, and gone. */
static void answer_free(struct vu_answer *a, struct vu_device *dev)
{
	answer_unlink(a);
	dev->answers.n_open--;
	pthread_mutex_lock(&a->hub->lock);
	hub_unlock_unref(a->hub);
	free(a);
}

static void answer_unheard(struct vu_answer *a)
{
	if (a->drop)
		a->drop(a->opaque, a->value);
}

static void answer_arrived(struct errand *errand, struct vu_device *dev)
{
	struct vu_answer *a = (struct vu_answer *)(void *)errand;
	struct waiter *w = a->waiter;

	if (w) {
		*a->out = a->value;
		patience_awaits(dev, NULL);
		waiter_answered(w);
	} else {
		answer_unheard(a);
	}
	answer_free(a, dev);
}

struct vu_answer *answer_new(struct vu_device *dev, const char *what, answer_drop_fn *drop,
			     void *opaque)
{
	struct answers *all = &dev->answers;
	struct vu_answer *a = NULL;

	if (all->n_open < OPEN_MAX)
		a = calloc(1, sizeof(*a));
	if (!a) {
		log_peer_error(&dev->log,
			       "%s: %u answers to earlier sessions are not given yet, or no memory",
			       what, all->n_open);
		return NULL;
	}
	a->errand.run = answer_arrived;
	a->hub = all->hub;
	a->what = what;
	a->drop = drop;
	a->opaque = opaque;
	a->at = &all->open;
	a->next = all->open;
	if (a->next)
		a->next->at = &a->next;
	all->open = a;
	all->n_open++;
	pthread_mutex_lock(&a->hub->lock);
	a->hub->refs++;
	pthread_mutex_unlock(&a->hub->lock);
	return a;
}

/* Nobody waits for it any more.  True: it was given. */
static bool answer_abandon(struct vu_answer *a)
{
	bool is_given;

	a->waiter = NULL;
	pthread_mutex_lock(&a->hub->lock);
	a->is_unheard = true;
	is_given = a->is_given;
	pthread_mutex_unlock(&a->hub->lock);
	return is_given;
}

int answer_wait(struct vu_answer *a, int64_t said, struct waiter *w, int64_t *value)
{
	struct vu_device *dev = a->hub->dev;
	int rc;

	if (said != VU_LATER) {
		*value = said;
		/* What was lent to the callback goes on being used by who called it. */
		a->drop = NULL;
		if (!answer_abandon(a))
			answer_free(a, dev);
		else
			log_error(&dev->log,
				  "%s: the device gave an answer, and returned another one: a "
				  "callback that gives it by vu_answer_give() returns VU_LATER",
				  a->what);
		return VERB_DONE;
	}
	waiter_begin(w, dev, NULL, NULL);
	w->left = 1;
	rc = waiter_settle(w);
	if (rc == VERB_LATER) {
		a->waiter = w;
		a->out = value;
		patience_awaits(dev, a->what);
	} else {
		answer_abandon(a);
	}
	return rc;
}

void answers_abandon(struct vu_device *dev)
{
	for (struct vu_answer *a = dev->answers.open; a; a = a->next)
		answer_abandon(a);
}

int vu_answer_give(struct vu_answer *a, int64_t value)
{
	struct hub *hub = a->hub;
	bool is_unheard;

	pthread_mutex_lock(&hub->lock);
	a->value = value;
	a->is_given = true;
	if (hub->dev) {
		is_unheard = a->is_unheard;
		/* From here on it is the device thread's. */
		device_send(hub->dev, &a->errand);
		pthread_mutex_unlock(&hub->lock);
		return is_unheard ? -ESTALE : 0;
	}
	hub_unlock_unref(hub);
	answer_unheard(a);
	free(a);
	return -ESTALE;
}
