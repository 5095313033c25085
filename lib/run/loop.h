/* SPDX-License-Identifier: MIT */
/*
 * A loop over fds and deadlines, for one thread.  The runner has one; each of its worker threads
 * can have another.
 */
#ifndef RUN_LOOP_H
#define RUN_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct loop;
struct watch;
struct timer;

/*
 * The fd has events (EPOLL* bits; 0 when it is called again because it asked to be).
 * Returns > 0 when it has more to do at once: it is called again after everyone else had a turn.
 * Its fd is readable until then, so that a loop around this one wakes.
 */
typedef int watch_fn(struct watch *watch, uint32_t events);
typedef void timer_fn(struct timer *timer);

struct watch {
	int fd; /* the caller's; -1 while not watched */
	uint32_t events;
	watch_fn *ready;
	bool queued;
	TAILQ_ENTRY(watch) link;
};

struct timer {
	uint64_t deadline; /* CLOCK_MONOTONIC, ns */
	timer_fn *expired;
	bool armed;
	LIST_ENTRY(timer) link;
};

struct loop {
	int epoll_fd;
	bool quit;
	_Atomic(pid_t) runs;		     /* the process that is in loop_run(), or 0 */
	struct watch stop;		     /* an eventfd, written by loop_stop() */
	TAILQ_HEAD(loop_queue, watch) queue; /* whose turn it is */
	unsigned int n_queue;
	struct watch alarm; /* a timerfd for the first deadline; only of a loop in another one */
	uint64_t alarm_at;  /* what it is set to; 0: nothing */
	LIST_HEAD(loop_timers, timer) timers; /* the armed ones: a handful, so unsorted */
};

/* CLOCK_MONOTONIC, ns. */
uint64_t loop_now(void);

int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);

/* Serve until loop_stop() or loop_quit(): 0, or -errno when waiting itself fails. */
int loop_run(struct loop *loop);
/* Any thread; async-signal-safe.  Before loop_run() it makes that return at once. */
void loop_stop(struct loop *loop);
/* The loop's thread only. */
void loop_quit(struct loop *loop);

/*
 * For a loop inside of another one: a descriptor that polls readable when loop_turn() has something
 * to do, or -errno.
 */
int loop_fd(struct loop *loop);
/* As loop_run(), turn by turn: begin, turns until it is over, end. */
void loop_begin(struct loop *loop);
/* Do what is there, without waiting.  1: there is more; 0; -errno. */
int loop_turn(struct loop *loop);
/* The descriptor tells of a timer or watch that was added between turns. */
void loop_announce(struct loop *loop);
bool loop_is_over(const struct loop *loop);
void loop_end(struct loop *loop);

void watch_init(struct watch *watch, watch_fn *ready);
/* Watch fd for EPOLLIN: 0 or epoll_ctl(2)'s -errno. */
int loop_watch(struct loop *loop, struct watch *watch, int fd);
/* The same for other EPOLL* bits. */
int loop_watch_for(struct loop *loop, struct watch *watch, int fd, uint32_t events);
/* Safe from any callback of the loop, and when nothing is watched.  Does not close the fd. */
void loop_unwatch(struct loop *loop, struct watch *watch);

void timer_init(struct timer *timer, timer_fn *expired);
void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t ns);
void loop_timer_stop(struct timer *timer);

#endif
