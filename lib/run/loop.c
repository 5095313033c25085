/* SPDX-License-Identifier: MIT */
/*
 * The loop: epoll, a queue of those whose turn it is, deadlines.
 *
 * Events only put a watch on the queue; callbacks run from the queue alone.  So a callback may
 * remove any other watch, and one that always has more to do takes turns with the rest.
 * Thread: the one that calls loop_run(), except for loop_stop().
 */
#include "run/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 64 };

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void watch_init(struct watch *watch, watch_fn *ready)
{
	watch->fd = -1;
	watch->events = 0;
	watch->ready = ready;
	watch->queued = false;
}

static void loop_enqueue(struct loop *loop, struct watch *watch)
{
	if (watch->queued)
		return;
	watch->queued = true;
	TAILQ_INSERT_TAIL(&loop->queue, watch, link);
	loop->n_queue++;
}

static void loop_dequeue(struct loop *loop, struct watch *watch)
{
	if (!watch->queued)
		return;
	watch->queued = false;
	TAILQ_REMOVE(&loop->queue, watch, link);
	loop->n_queue--;
}

int loop_watch(struct loop *loop, struct watch *watch, int fd)
{
	return loop_watch_for(loop, watch, fd, EPOLLIN);
}

int loop_watch_for(struct loop *loop, struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	watch->fd = fd;
	watch->events = 0;
	return 0;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
	loop_dequeue(loop, watch);
	if (watch->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

void timer_init(struct timer *timer, timer_fn *expired)
{
	timer->expired = expired;
	timer->armed = false;
}

void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t ns)
{
	uint64_t now = loop_now();

	loop_timer_stop(timer);
	timer->deadline = ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
	timer->armed = true;
	LIST_INSERT_HEAD(&loop->timers, timer, link);
}

void loop_timer_stop(struct timer *timer)
{
	if (!timer->armed)
		return;
	timer->armed = false;
	LIST_REMOVE(timer, link);
}

static struct timer *loop_next_timer(struct loop *loop)
{
	struct timer *timer, *first = NULL;

	LIST_FOREACH(timer, &loop->timers, link)
	if (!first || timer->deadline < first->deadline)
		first = timer;
	return first;
}

static int loop_timeout_ms(struct loop *loop)
{
	struct timer *timer = loop_next_timer(loop);
	uint64_t now, ms;

	if (loop->n_queue)
		return 0;
	if (!timer)
		return -1;
	now = loop_now();
	if (timer->deadline <= now)
		return 0;
	ms = (timer->deadline - now + 999999) / 1000000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int loop_wait(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct watch *watch = events[i].data.ptr;

		watch->events |= events[i].events;
		loop_enqueue(loop, watch);
	}
	return 0;
}

static void loop_expire(struct loop *loop)
{
	uint64_t now = loop_now();
	struct timer *timer;

	while ((timer = loop_next_timer(loop)) && timer->deadline <= now) {
		loop_timer_stop(timer);
		timer->expired(timer);
	}
}

/* One turn for each watch that is on the queue now; whoever has more to do queues up again. */
static void loop_serve(struct loop *loop)
{
	struct watch *watch;

	for (unsigned int n = loop->n_queue; n && (watch = TAILQ_FIRST(&loop->queue)); n--) {
		uint32_t events = watch->events;

		loop_dequeue(loop, watch);
		watch->events = 0;
		if (watch->ready(watch, events) > 0)
			loop_enqueue(loop, watch);
	}
}

/* An eventfd or timerfd. */
static void loop_drain(const struct watch *watch)
{
	uint64_t count;

	/* Non-blocking: fails when nobody has written, and then there is nothing to drain. */
	if (read(watch->fd, &count, sizeof(count)) < 0)
		return;
}

void loop_begin(struct loop *loop)
{
	loop->quit = false;
	atomic_store(&loop->runs, getpid());
}

void loop_end(struct loop *loop)
{
	atomic_store(&loop->runs, 0);
	/* A stop meant for this run must not end the next one. */
	loop_drain(&loop->stop);
}

bool loop_is_over(const struct loop *loop)
{
	return loop->quit;
}

int loop_run(struct loop *loop)
{
	int ret = 0;

	loop_begin(loop);
	while (!loop->quit && !ret) {
		ret = loop_wait(loop, loop_timeout_ms(loop));
		loop_expire(loop);
		loop_serve(loop);
	}
	loop_end(loop);
	return ret;
}

/* The descriptor of the whole loop tells of deadlines. */
void loop_announce(struct loop *loop)
{
	struct timer *timer = loop_next_timer(loop);
	uint64_t at = timer ? timer->deadline : 0;
	struct itimerspec spec = {.it_value = {(time_t)(at / 1000000000), (long)(at % 1000000000)}};

	if (loop->alarm.fd >= 0 && at != loop->alarm_at &&
	    timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
		loop->alarm_at = at;
}

int loop_turn(struct loop *loop)
{
	int ret = loop_wait(loop, 0);

	loop_expire(loop);
	loop_serve(loop);
	loop_announce(loop);
	return ret ? ret : loop->n_queue > 0;
}

/* The deadline itself is seen to by loop_expire(). */
static int loop_on_alarm(struct watch *watch, uint32_t events)
{
	struct loop *loop = (struct loop *)((char *)watch - offsetof(struct loop, alarm));

	(void)events;
	loop_drain(watch);
	loop->alarm_at = 0;
	return 0;
}

static int loop_add_fd(struct loop *loop, struct watch *watch, int fd)
{
	int ret = fd < 0 ? -errno : loop_watch(loop, watch, fd);

	if (ret && fd >= 0)
		close(fd);
	return ret;
}

int loop_fd(struct loop *loop)
{
	int ret = 0;

	if (loop->alarm.fd < 0)
		ret = loop_add_fd(loop, &loop->alarm,
				  timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (ret)
		return ret;
	loop_announce(loop);
	return loop->epoll_fd;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
}

void loop_stop(struct loop *loop)
{
	uint64_t one = 1;
	int saved = errno;
	pid_t runs = atomic_load(&loop->runs);

	/* A child of fork() has our eventfd: a signal handler that it inherited stops nobody. */
	if (runs && runs != getpid())
		return;
	/* Fails only when the counter is full, and then the loop is about to wake anyway. */
	if (write(loop->stop.fd, &one, sizeof(one)) < 0)
		errno = saved;
}

static int loop_on_stop(struct watch *watch, uint32_t events)
{
	struct loop *loop = (struct loop *)((char *)watch - offsetof(struct loop, stop));

	(void)events;
	loop_quit(loop);
	return 0;
}

int loop_init(struct loop *loop)
{
	int ret, fd;

	TAILQ_INIT(&loop->queue);
	LIST_INIT(&loop->timers);
	loop->n_queue = 0;
	loop->quit = false;
	watch_init(&loop->stop, loop_on_stop);
	watch_init(&loop->alarm, loop_on_alarm);
	loop->alarm_at = 0;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		ret = -errno;
		goto err_epoll;
	}
	ret = loop_watch(loop, &loop->stop, fd);
	if (ret)
		goto err_eventfd;
	return 0;

err_eventfd:
	close(fd);
err_epoll:
	close(loop->epoll_fd);
	return ret;
}

void loop_destroy(struct loop *loop)
{
	struct watch *const own[] = {&loop->stop, &loop->alarm};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		int fd = own[i]->fd;

		loop_unwatch(loop, own[i]);
		if (fd >= 0)
			close(fd);
	}
	close(loop->epoll_fd);
}
