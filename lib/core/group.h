/* SPDX-License-Identifier: MIT */
/*
 * A group: the epoll set, mailbox and active queues of one thread.
 */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libvu/group.h>
#include <libvu/post.h>

#include "base/mailbox.h"

struct log;
struct vu_device;
struct vu_queue;
struct req;

/* Something in an epoll set; embedded in what owns the fd. */
struct source {
	void (*ready)(struct source *source, uint32_t events);
};

/* Whose it is to be the group's thread. */
enum group_hold {
	GROUP_LOOSE,	 /* nobody's that we know of: maybe a thread's of the caller's */
	GROUP_HELD,	 /* vu_group_hold() */
	GROUP_BORROWED,	 /* for a moment: somebody stands in for a thread that is not there */
	GROUP_DISSOLVED, /* nobody's any more: its queues are adrift */
};

/* Why every pass has something to do in group_look(). */
enum { EVERY_PASS_POLLS = 1, EVERY_PASS_DEBUG = 2 };

struct vu_group {
	int epoll_fd;
	int wake_fd;
	struct source wake;
	int again_fd; /* makes epoll_fd readable for ourselves: see group_announce() */
	struct source again;
	struct mailbox commands;      /* from device threads: queues' command mails */
	_Atomic(struct req *) remote; /* completed by other threads, newest first */
	struct mailbox posts;	      /* vu_group_post() */
	atomic_bool attention;	      /* one of the three above has something, or it closes */
	struct vu_queue *active;      /* queues that are being served: not armed */
	uint32_t until_look;	      /* passes until the kernel is asked for events */
	atomic_uint every_pass;	      /* EVERY_PASS_* bits */
	atomic_bool in_process; /* callbacks may be running: of the device's own, in all its calls;
				   group_is_inside() */
	bool more;		/* more was reported, and no arm since said 0 */
	bool announced;		/* again_fd was written and its event not fetched */
	bool waits;		/* the thread sleeps in vu_group_wait(): nobody polls epoll_fd */
	uint64_t activity;	/* vu_group_activity() */
	bool woken;		/* vu_group_wake() came since the last arm */
	_Atomic(pthread_t) owner; /* the thread that processed last, roughly; 0: none did */
	struct vu_source *sources;
	struct vu_source *polls;
	struct vu_source *removed; /* to be freed when no event can name them any more */

	/* group_life.c; any thread. */
	struct vu_device *own_of; /* it is this device's own; NULL: an object of the caller's */
	pthread_mutex_t lock;	  /* of members; held for moments */
	struct vu_queue *members; /* queues that were given to it; not of a device's own */
	atomic_uint refs;	  /* its maker's, who holds it, each member's */
	_Atomic enum group_hold hold;
	atomic_bool closing; /* vu_group_free() was called */
};

int group_init(struct vu_group *group);
void group_fini(struct vu_group *group);

int group_watch(struct vu_group *group, int fd, struct source *source, uint32_t events);
int group_rewatch(struct vu_group *group, int fd, struct source *source, uint32_t events);
/* -errno: events of it may come still. */
int group_unwatch(struct vu_group *group, int fd);

/* vu_group_process() without its frame; true: more to do at once. */
bool group_pass(struct vu_group *group, uint32_t budget);
/* There is more to do, and the caller is told so: whoever polls the fd finds it readable. */
void group_announce(struct vu_group *group);
/* -EDEADLK, for a call inside of a callback. */
int group_refuse(struct vu_group *group, const char *function);
/* What a pass does besides serving queues, not in every one; true: more to do at once. */
bool group_look(struct vu_group *group);
/* Queue thread: there are polls, or none any more. */
void group_update_every_pass(struct vu_group *group);
/* Queue thread: it is this one. */
void group_note_owner(struct vu_group *group);

/* Only its own thread may act on this; others see that it was so a moment ago. */
static inline bool group_is_inside(const struct vu_group *group)
{
	return atomic_load_explicit(&group->in_process, memory_order_relaxed);
}

static inline void group_set_inside(struct vu_group *group, bool inside)
{
	atomic_store_explicit(&group->in_process, inside, memory_order_relaxed);
}

/* Queue thread: have the queue looked at in this pass, or in the next one. */
void group_activate(struct vu_group *group, struct vu_queue *queue);
/* Queue thread: it has nothing to be looked at. */
void group_deactivate(struct vu_queue *queue);

/* group_mail.c.  Any thread: something is posted that the queue thread is to see. */
void group_attend(struct vu_group *group);
/* Any thread: a request completed elsewhere. */
void group_post_remote(struct vu_group *group, struct req *req);
/* Any thread: a queue's command mail. */
void group_post_command(struct vu_group *group, struct vu_queue *queue);
/* Queue thread: see to all that was posted. */
void group_take_mail(struct vu_group *group);
/* ... what it was told, and requests that others completed, at a moment that is not a pass. */
void group_stand_in(struct vu_group *group);
/* The queue leaves a group that is dissolved: what there is for it goes to this one. */
void group_forward(struct vu_group *from, struct vu_queue *queue, struct vu_group *to);

/* group_life.c.  Any thread: has it no thread any more, and its queues none but their devices'? */
static inline bool group_is_dissolved(const struct vu_group *group)
{
	return atomic_load_explicit(&group->hold, memory_order_acquire) == GROUP_DISSOLVED;
}
/* Is this thread inside one of its callbacks? */
bool group_is_inside_here(const struct vu_group *group);
/* Does another thread serve it that does not hold it? */
bool group_is_used(const struct vu_group *group);
/* Any thread: a log for what is said of it.  Its lock is held, or it is the device's own. */
struct log *group_log(struct vu_group *group);
/*
 * Any thread: whatever was posted until now, its thread has seen to when this returns; if it has
 * none, this one does.
 */
void group_flush(struct vu_group *group);
/* Device thread: the queue, which its group's thread has nothing to do with, is given to another.
 */
void group_move_queue(struct vu_queue *queue, struct vu_group *to);
/* Device thread: take the queue over if its group is dissolved. */
void group_settle(struct vu_queue *queue);

/* post.c, queue thread: run what was posted until now. */
void group_run_posts(struct vu_group *group);
/* A post that lies with whoever posts it. */
struct post {
	struct mail mail;
	vu_post_fn fn;
	void *opaque;
	bool is_kept; /* not to be freed */
};
void group_post(struct vu_group *group, struct post *post);
/* The group is about to be freed: run all that is posted. */
void group_run_last_posts(struct vu_group *group);

/* source.c: call what is to be polled; true if there was something. */
bool group_poll_sources(struct vu_group *group);
/* source.c: free what was removed during a pass, unless events may name it still; free all. */
void group_reap_sources(struct vu_group *group);
void group_free_sources(struct vu_group *group);

#endif
