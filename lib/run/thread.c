/* SPDX-License-Identifier: MIT */
/* Threads of workers: which CPU, which signals. */
#include "run/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#include <libvu/runner.h>

enum { MAX_CPUS = 8192 }; /* more than Linux knows */

void thread_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static int thread_set_cpu(pthread_attr_t *attr, uint32_t cpu)
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

int thread_create(pthread_t *thread, const struct vu_worker_info *info, void *(*main)(void *opaque),
		  void *opaque)
{
	/* Signals are for the program's threads.  These come from what a thread does itself. */
	static const int synchronous[] = {SIGBUS,  SIGSEGV, SIGILL, SIGFPE,
					  SIGTRAP, SIGABRT, SIGSYS};
	pthread_attr_t attr;
	sigset_t blocked, old;
	int ret = pthread_attr_init(&attr);

	if (ret)
		return -ret;
	if (info->pin)
		ret = thread_set_cpu(&attr, info->cpu);
	if (!ret) {
		sigfillset(&blocked);
		for (size_t i = 0; i < sizeof(synchronous) / sizeof(synchronous[0]); i++)
			sigdelset(&blocked, synchronous[i]);
		pthread_sigmask(SIG_SETMASK, &blocked, &old);
		ret = pthread_create(thread, &attr, main, opaque);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attr);
	return -ret;
}
