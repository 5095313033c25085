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

#include "base/mailbox.h"

struct vu_device;
struct vu_queue;
struct req;

/* Something in an epoll set; embedded in what owns the fd. */
struct source {
	void (*ready)(struct source *source, uint32_t events);
};

enum rescan { RESCAN_NONE, RESCAN_ASKED, RESCAN_UNDERWAY };

struct vu_group {
	struct vu_device *dev; /* NULL: it was freed before the group */
	int epoll_fd;
	int wake_fd;
	struct source wake;
	int again_fd; /* makes epoll_fd readable for ourselves: see group_announce() */
	struct source again;
	struct mailbox commands;      /* from the control thread: queues' command mails */
	_Atomic(struct req *) remote; /* completed by other threads, newest first */
	struct mailbox posts;	      /* vu_group_post() */
	atomic_int rescan;	      /* enum rescan: what held queues back may be gone */
	atomic_bool attention;	      /* one of the four above has something */
	struct vu_queue *active;      /* queues that are being served: not armed */
	uint32_t until_look;	      /* passes until the kernel is asked for events */
	bool every_pass;	      /* ... and group_look() has something to do in each */
	bool in_process;   /* callbacks may be running: of the device's own, in all its calls */
	bool more;	   /* more was reported, and no arm since said 0 */
	bool announced;	   /* again_fd was written and its event not fetched */
	bool waits;	   /* the thread sleeps in vu_group_wait(): nobody polls epoll_fd */
	uint64_t activity; /* vu_group_activity() */
	bool woken;	   /* vu_group_wake() came since the last arm */
	bool has_owner;	   /* owner is set: processed at least once */
	pthread_t owner;   /* the thread that processed last */
	struct vu_source *sources;
	struct vu_source *polls;
	struct vu_source *removed; /* to be freed when no event can name them any more */
	struct vu_group *next;	   /* of the device */
};

int group_init(struct vu_group *group, struct vu_device *dev);
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
int group_refuse(const struct vu_group *group, const char *function);
/* What a pass does besides serving queues, not in every one; true: more to do at once. */
bool group_look(struct vu_group *group);
/* What every_pass depends on has changed. */
void group_update_every_pass(struct vu_group *group);

/* Queue thread: have the queue looked at in this pass, or in the next one. */
void group_activate(struct vu_group *group, struct vu_queue *queue);
/* Queue thread: it has nothing to be looked at. */
void group_deactivate(struct vu_queue *queue);
/* Any thread: commands, remote or rescan has something for the queue thread. */
void group_attend(struct vu_group *group);
/* Any thread: let the queue thread see what held its queues back. */
void group_rescan_soon(struct vu_group *group);
/* In the place of its thread, which is gone: carry out what it was told. */
void group_stand_in(struct vu_group *group);
/* The device is freed: the group serves its own fds and timers, until it is freed, too. */
void group_orphan(struct vu_group *group);
/* Any thread: a request completed elsewhere. */
void group_post_remote(struct vu_group *group, struct req *req);

/* post.c, queue thread: run what was posted until now. */
void group_run_posts(struct vu_group *group);
/* The group is about to be freed: run all that is posted. */
void group_run_last_posts(struct vu_group *group);

/* source.c: call what is to be polled; true if there was something. */
bool group_poll_sources(struct vu_group *group);
/* source.c: free what was removed during a pass, unless events may name it still; free all. */
void group_reap_sources(struct vu_group *group);
void group_free_sources(struct vu_group *group);

#endif
