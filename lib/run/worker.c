/* SPDX-License-Identifier: MIT */
/*
 * Worker threads: the loop that group.h describes, with adaptive polling.
 *
 * A worker belongs to the runner from vu_runner_add_worker() to the end of the run.  The list is
 * the runner's thread's; a worker's thread shares nothing with it but `stop` and its group's wake.
 *
 * Polling: as long as work comes in, a worker looks at its rings again and again, and asks for no
 * notification.  Without work for `window` ns it sleeps.  A wake that came within poll_ns of the
 * last work would have been found by polling, so the window doubles, up to poll_ns; one that took
 * longer would not, so the window is halved, down to none.
 */
#include "run/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/first_size.h"

enum { MAX_CPUS = 8192 };     /* more than Linux knows */
enum { WINDOW_FLOOR = 4000 }; /* ns; below, a look at the clock costs more than it saves */

struct worker {
	struct worker *next;
	struct vu_runner *runner;
	struct vu_group *group;
	struct vu_worker_info info;
	char name[16];
	pthread_t thread;
	bool running;
	atomic_bool stop;
	uint64_t window; /* worker's thread */
};

static void worker_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

uint64_t worker_adapt(uint64_t window, uint64_t max, uint64_t idle)
{
	if (idle > max)
		return window / 2 < WINDOW_FLOOR ? 0 : window / 2;
	if (window > max / 2)
		return max;
	window *= 2;
	if (window < WINDOW_FLOOR)
		window = WINDOW_FLOOR;
	return window > max ? max : window;
}

/* Without polling: no need to know the time. */
static void worker_serve(struct worker *w)
{
	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		if (vu_group_process(w->group, 0) > 0)
			continue;
		/* Between this look at stop and the sleep, vu_group_wake() is not forgotten. */
		if (atomic_load_explicit(&w->stop, memory_order_acquire))
			break;
		if (vu_group_arm(w->group) == 0)
			vu_group_wait(w->group, -1);
	}
}

static void worker_serve_polling(struct worker *w)
{
	uint64_t worked = loop_now(); /* when there was work last */
	uint64_t seen = vu_group_activity(w->group), activity;

	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		int more = vu_group_process(w->group, 0);
		uint64_t now = loop_now();

		activity = vu_group_activity(w->group);
		if (more > 0 || activity != seen) {
			seen = activity;
			worked = now;
			continue;
		}
		if (now - worked < w->window) {
			worker_relax();
			continue;
		}
		if (atomic_load_explicit(&w->stop, memory_order_acquire))
			break;
		if (vu_group_arm(w->group) == 0) {
			vu_group_wait(w->group, -1);
			now = loop_now();
			w->window = worker_adapt(w->window, w->info.poll_ns, now - worked);
		}
		worked = now;
	}
}

static void *worker_main(void *opaque)
{
	struct worker *w = opaque;

	pthread_setname_np(pthread_self(), w->name);
	if (w->info.poll_ns)
		worker_serve_polling(w);
	else
		worker_serve(w);
	return NULL;
}

static int worker_set_cpu(pthread_attr_t *attr, uint32_t cpu)
{
	size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
	cpu_set_t *set;
	int ret;

	if (cpu >= MAX_CPUS)
		return EINVAL;
	set = CPU_ALLOC(MAX_CPUS);
	if (!set)
		return ENOMEM;
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	ret = pthread_attr_setaffinity_np(attr, size, set);
	CPU_FREE(set);
	return ret;
}

/* Create its thread to run main: 0 or -errno. */
static int worker_create(struct worker *w, void *(*main)(void *opaque))
{
	/* Signals are for the program's threads.  These come from what a thread does itself. */
	static const int synchronous[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
	pthread_attr_t attr;
	sigset_t blocked, old;
	int ret = pthread_attr_init(&attr);

	if (ret)
		return -ret;
	if (w->info.pin)
		ret = worker_set_cpu(&attr, w->info.cpu);
	if (!ret) {
		sigfillset(&blocked);
		for (size_t i = 0; i < sizeof(synchronous) / sizeof(synchronous[0]); i++)
			sigdelset(&blocked, synchronous[i]);
		pthread_sigmask(SIG_SETMASK, &blocked, &old);
		ret = pthread_create(&w->thread, &attr, main, w);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attr);
	return -ret;
}

static int worker_start(struct worker *w)
{
	int ret;

	if (w->running)
		return 0;
	atomic_store_explicit(&w->stop, false, memory_order_relaxed);
	ret = worker_create(w, worker_main);
	w->running = !ret;
	return ret;
}

int worker_start_all(struct vu_runner *runner)
{
	int ret = 0;

	for (struct worker *w = runner->workers; w && !ret; w = w->next)
		ret = worker_start(w);
	return ret;
}

static void worker_tell(struct worker *w)
{
	atomic_store_explicit(&w->stop, true, memory_order_release);
	vu_group_wake(w->group);
}

static void worker_join(struct worker *w)
{
	if (w->running)
		pthread_join(w->thread, NULL);
	w->running = false;
}

void worker_stop_all(struct vu_runner *runner)
{
	struct worker *w;

	/* All are told before the first is waited for. */
	for (w = runner->workers; w; w = w->next) {
		if (w->running)
			worker_tell(w);
	}
	for (w = runner->workers; w; w = w->next)
		worker_join(w);
}

void worker_forget_all(struct vu_runner *runner)
{
	struct worker *w;

	while ((w = runner->workers)) {
		runner->workers = w->next;
		free(w);
	}
	runner->n_workers = 0;
}

void worker_stand_in(struct vu_runner *runner)
{
	for (struct worker *w = runner->workers; w; w = w->next)
		if (!w->running)
			vu_group_process(w->group, 0);
}

static void *worker_try(void *opaque)
{
	return opaque;
}

/* Can a thread run as info wants it?  Better told now than when serving begins. */
static int worker_probe(struct worker *w)
{
	int ret = w->info.pin ? worker_create(w, worker_try) : 0;

	if (!ret && w->info.pin)
		pthread_join(w->thread, NULL);
	return ret;
}

int vu_runner_add_worker(struct vu_runner *runner, struct vu_group *group,
			 const struct vu_worker_info *info)
{
	struct worker *w;
	int ret = 0;

	for (w = runner->workers; w; w = w->next)
		if (w->group == group)
			return -EEXIST;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->runner = runner;
	w->group = group;
	snprintf(w->name, sizeof(w->name), "vu-worker%u", runner->n_workers % 10000);
	if (info)
		ret = runner_take(&runner->info, &w->info, sizeof(w->info), info, FIRST_WORKER_INFO,
				  "struct vu_worker_info");
	if (!ret)
		ret = runner->running ? worker_start(w) : worker_probe(w);
	if (ret) {
		free(w);
		return ret;
	}
	w->next = runner->workers;
	runner->workers = w;
	runner->n_workers++;
	return 0;
}

int vu_runner_remove_worker(struct vu_runner *runner, struct vu_group *group)
{
	struct worker **link = &runner->workers, *w;

	while ((w = *link) && w->group != group)
		link = &w->next;
	if (!w)
		return -ENOENT;
	if (w->running && pthread_equal(w->thread, pthread_self()))
		return -EDEADLK;
	if (w->running)
		worker_tell(w);
	worker_join(w);
	*link = w->next;
	free(w);
	return 0;
}
