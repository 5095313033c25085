/* SPDX-License-Identifier: MIT */
/* Threads of workers: which CPU, which signals. */
#ifndef RUN_THREAD_H
#define RUN_THREAD_H

#include <pthread.h>

struct vu_worker_info;

/* Create a thread as info wants it: 0 or -errno. */
int thread_create(pthread_t *thread, const struct vu_worker_info *info, void *(*main)(void *opaque),
		  void *opaque);
/* In a loop that polls. */
void thread_relax(void);

#endif
