/* SPDX-License-Identifier: MIT */
/*
 * The life of a group: who is its thread, which queues it has, and how it ends.  Any thread, except
 * where it says otherwise.
 *
 * It is counted: its maker has a reference, so do who holds it and every queue that was given to
 * it.  vu_group_free() dissolves it, on its own thread if somebody holds it: from then on it has no
 * thread, and its queues are adrift until each one's device thread takes it over, as a part of the
 * device's own group.  The last reference takes it away.
 *
 * The lock guards the list of members alone, for moments; of what is called under it only log lines
 * are the caller's.  While it is held, no member's device is
 * freed: that takes its queues out of their groups first.
 */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include <libvu/hold.h>

#include "core/device.h"
#include "core/kick.h"

bool group_is_inside_here(const struct vu_group *g)
{
	pthread_t owner = atomic_load_explicit(&g->owner, memory_order_relaxed);

	return owner && pthread_equal(owner, pthread_self()) && group_is_inside(g);
}

bool group_is_used(const struct vu_group *g)
{
	return atomic_load(&g->hold) == GROUP_LOOSE && group_is_inside(g) &&
	       !group_is_inside_here(g);
}

struct log *group_log(struct vu_group *g)
{
	if (g->own_of)
		return &g->own_of->log;
	return g->members ? &g->members->dev->log : NULL;
}

/* A line in the log of a device that has a queue here. */
static void group_complain(struct vu_group *g, const char *what)
{
	struct log *log;

	if (!g->own_of)
		pthread_mutex_lock(&g->lock);
	log = group_log(g);
	if (log)
		log_peer_error(log, "%s", what);
	if (!g->own_of)
		pthread_mutex_unlock(&g->lock);
	if (!log)
		vu_log_stderr(NULL, VU_LOG_ERROR, what);
}

int vu_group_new(struct vu_group **out)
{
	struct vu_group *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	err = group_init(g);
	if (err) {
		free(g);
		return err;
	}
	pthread_mutex_init(&g->lock, NULL);
	atomic_store(&g->refs, 1);
	*out = g;
	return 0;
}

static void group_unref(struct vu_group *g)
{
	if (atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&g->lock);
	group_fini(g);
	free(g);
}

/* --- whose it is --- */

static bool group_try(struct vu_group *g, enum group_hold as)
{
	enum group_hold loose = GROUP_LOOSE;

	return atomic_compare_exchange_strong(&g->hold, &loose, as);
}

/* It is this thread's, which is the last: its queues go home. */
static void group_dissolve(struct vu_group *g)
{
	group_stand_in(g);
	group_run_last_posts(g);
	group_free_sources(g);
	pthread_mutex_lock(&g->lock);
	for (struct vu_queue *q = g->members; q; q = q->next_member) {
		group_deactivate(q);
		kick_unwatch(q);
	}
	/* Pairs with group_is_dissolved(): what the thread knew of them is the device threads'. */
	atomic_store(&g->hold, GROUP_DISSOLVED);
	for (struct vu_queue *q = g->members; q; q = q->next_member)
		queue_post(q, NEWS_ADRIFT);
	pthread_mutex_unlock(&g->lock);
	/* Its maker's. */
	group_unref(g);
}

/* It is nobody's again: who made it may have freed it meanwhile. */
static void group_let_go(struct vu_group *g)
{
	atomic_store_explicit(&g->owner, 0, memory_order_relaxed);
	/* Whoever serves it next looks at everything, and may wait otherwise. */
	g->until_look = 1;
	g->waits = false;
	/* Pairs with vu_group_free(): one of the two sees what the other did. */
	atomic_store(&g->hold, GROUP_LOOSE);
	if (atomic_load(&g->closing) && group_try(g, GROUP_BORROWED))
		group_dissolve(g);
}

int vu_group_hold(struct vu_group *g)
{
	if (g->own_of)
		return -EINVAL;
	while (!group_try(g, GROUP_HELD)) {
		if (atomic_load(&g->hold) != GROUP_BORROWED || group_is_inside_here(g))
			return -EBUSY;
		sched_yield();
	}
	atomic_fetch_add(&g->refs, 1);
	/* The first thing that its thread does is to look, and to say that it is here. */
	g->until_look = 1;
	return 0;
}

int vu_group_release(struct vu_group *g)
{
	if (atomic_load(&g->hold) != GROUP_HELD)
		return -EINVAL;
	if (group_is_inside_here(g)) {
		group_complain(g, "vu_group_release() inside a callback of the group is ignored: "
				  "its thread is in it");
		return -EDEADLK;
	}
	group_let_go(g);
	group_unref(g);
	return 0;
}

/* What cannot be freed: NULL, or why. */
static const char *group_why_kept(struct vu_group *g)
{
	if (g->own_of)
		return "vu_group_free() of the device's own group is ignored: it goes with the "
		       "device";
	if (group_is_used(g))
		return "vu_group_free() while another thread serves the group is ignored: end that "
		       "thread first, or let it take the group by vu_group_hold()";
	if (group_is_inside_here(g) && atomic_load(&g->hold) != GROUP_HELD)
		return "vu_group_free() inside a callback of the group is ignored: free it when "
		       "vu_group_process() has returned";
	return NULL;
}

void vu_group_free(struct vu_group *g)
{
	const char *why = g ? group_why_kept(g) : NULL;

	if (!g)
		return;
	if (why) {
		group_complain(g, why);
		return;
	}
	/* Who holds it may dissolve it at once. */
	atomic_fetch_add(&g->refs, 1);
	atomic_store(&g->closing, true);
	if (group_try(g, GROUP_BORROWED))
		group_dissolve(g);
	else
		group_attend(g);
	group_unref(g);
}

/* --- a moment of its thread's --- */

/* Somebody who waits for a group's thread. */
struct flush {
	struct post post;
	struct vu_group *group;
	sem_t done;
};

static void flush_run(void *opaque)
{
	struct flush *f = opaque;

	/* What was posted before this was, and came after the pass took its mail. */
	group_stand_in(f->group);
	sem_post(&f->done);
}

enum { FLUSH_LOOK_MS = 50, FLUSH_LINE = 40 }; /* of looks: 2 s */

/* True: it was run. */
static bool flush_wait(struct flush *f)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += FLUSH_LOOK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return sem_timedwait(&f->done, &until) == 0;
}

/* For a thread that holds it: asked, and waited for; it may let go of it instead. */
static void group_flush_held(struct vu_group *g)
{
	struct flush f = {.post = {.fn = flush_run, .opaque = &f, .is_kept = true}, .group = g};
	unsigned int looks = 0;

	sem_init(&f.done, 0, 0);
	group_post(g, &f.post);
	while (!flush_wait(&f)) {
		if (group_try(g, GROUP_BORROWED)) {
			group_stand_in(g);
			group_run_last_posts(g);
			group_let_go(g);
		}
		/* Whatever was posted before has been seen to, ours if it was in time. */
		if (group_is_dissolved(g))
			break;
		if (++looks == FLUSH_LINE)
			group_complain(g, "a device is being freed, which waits for the thread "
					  "that serves its queues to return from a callback");
	}
	sem_destroy(&f.done);
}

void group_flush(struct vu_group *g)
{
	pthread_t owner = atomic_load_explicit(&g->owner, memory_order_relaxed);

	if (atomic_load(&g->hold) == GROUP_HELD && owner && pthread_equal(owner, pthread_self())) {
		group_stand_in(g);
	} else if (group_try(g, GROUP_BORROWED)) {
		group_stand_in(g);
		group_let_go(g);
	} else if (!group_is_dissolved(g)) {
		group_flush_held(g);
	}
}

/* --- its queues --- */

static bool group_has_debug(const struct vu_group *g)
{
	for (const struct vu_queue *q = g->members; q; q = q->next_member)
		if (q->dev->info.flags & VU_DEVICE_DEBUG)
			return true;
	return false;
}

static void group_note_debug(struct vu_group *g)
{
	if (group_has_debug(g))
		atomic_fetch_or(&g->every_pass, EVERY_PASS_DEBUG);
	else
		atomic_fetch_and(&g->every_pass, ~(unsigned int)EVERY_PASS_DEBUG);
}

/* The reference is taken already. */
static void group_join(struct vu_group *g, struct vu_queue *q)
{
	if (g->own_of)
		return;
	pthread_mutex_lock(&g->lock);
	q->next_member = g->members;
	g->members = q;
	group_note_debug(g);
	pthread_mutex_unlock(&g->lock);
}

static void group_part(struct vu_group *g, struct vu_queue *q, struct vu_group *to)
{
	struct vu_queue **link = &g->members;

	if (g->own_of)
		return;
	pthread_mutex_lock(&g->lock);
	while (*link != q)
		link = &(*link)->next_member;
	*link = q->next_member;
	group_note_debug(g);
	if (group_is_dissolved(g))
		group_forward(g, q, to);
	pthread_mutex_unlock(&g->lock);
	group_unref(g);
}

void group_move_queue(struct vu_queue *q, struct vu_group *to)
{
	struct vu_group *from = q->group;

	if (from == to)
		return;
	if (!to->own_of)
		atomic_fetch_add(&to->refs, 1);
	/* Pairs with vu_req_complete_remote(): it sees the new group, or is waited for. */
	__atomic_store_n(&q->group, to, __ATOMIC_SEQ_CST);
	while (atomic_load(&q->posting))
		sched_yield();
	group_part(from, q, to);
	group_join(to, q);
}

void group_settle(struct vu_queue *q)
{
	if (!group_is_dissolved(q->group))
		return;
	group_move_queue(q, &q->dev->own);
	if (q->ring) {
		if (q->state == QUEUE_RUNNING)
			kick_watch(q);
		q->pending = true;
		group_activate(q->group, q);
	}
	/* What it was told, and its thread never got to. */
	queue_obey(q);
}

struct vu_group *vu_device_group(struct vu_device *dev)
{
	return &dev->own;
}

int vu_queue_set_group(struct vu_queue *q, struct vu_group *g)
{
	struct vu_device *dev = q ? q->dev : NULL;

	if (!q || (g && g->own_of && g->own_of != dev))
		return -EINVAL;
	/* stale counts the rings of earlier sessions that have requests outstanding. */
	if (vu_device_is_attached(dev) || dev->waiting || atomic_load(&dev->stale) ||
	    atomic_load(&q->polls) || atomic_load(&q->poll_wanted))
		return -EBUSY;
	group_settle(q);
	/* Its group's thread may come to it once more, for what was told before the session ended.
	 */
	if (q->group != &dev->own && queue_is_told(q))
		return -EBUSY;
	group_move_queue(q, g ? g : &dev->own);
	return 0;
}
