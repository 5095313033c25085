/* SPDX-License-Identifier: MIT */
/*
 * Threads that wait for the host's disks in a queue's place (--thread-pool-size).
 *
 * The queue's thread takes a request and checks it; what may wait long it gives away, with the
 * checked copy of all that is not data.  A thread of the pool runs the handler and completes the
 * request by message.  Requests overtake each other: drivers wait for an answer where they want an
 * order.  When a queue stops, its requests here finish by themselves.
 */
#include "fs_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { ARGS_MAX = 64 /* of the rows that are FS_SLOW, and READ */ };

/* In vu_req.priv. */
struct fs_job {
	STAILQ_ENTRY(fs_job) link;
	struct fs_call call;
	const struct fs_row *row;
	_Alignas(8) unsigned char args[ARGS_MAX];
};

struct fs_pool_thread {
	pthread_t id;
	struct fs_pool *pool;
	struct fs_scratch *scratch;
};

struct fs_pool {
	pthread_mutex_t lock; /* of jobs and ending */
	pthread_cond_t changed;
	STAILQ_HEAD(fs_jobs, fs_job) jobs;
	bool ending;
	uint32_t n; /* threads that run: the main thread's */
	struct fs_pool_thread threads[];
};

uint32_t fs_pool_priv_size(void)
{
	return sizeof(struct fs_job);
}

void fs_pool_give(struct fs_call *c, const struct fs_row *row)
{
	struct fs_pool *pool = c->fs->pool;
	struct fs_job *job = c->req->priv;

	job->call = *c;
	job->row = row;
	memcpy(job->args, c->args, row->args < ARGS_MAX ? row->args : ARGS_MAX);
	pthread_mutex_lock(&pool->lock);
	STAILQ_INSERT_TAIL(&pool->jobs, job, link);
	pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

/* The next job; NULL: there will be none. */
static struct fs_job *pool_take(struct fs_pool *pool)
{
	struct fs_job *job;

	pthread_mutex_lock(&pool->lock);
	while (!(job = STAILQ_FIRST(&pool->jobs)) && !pool->ending)
		pthread_cond_wait(&pool->changed, &pool->lock);
	if (job)
		STAILQ_REMOVE_HEAD(&pool->jobs, link);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *pool_work(void *opaque)
{
	struct fs_pool_thread *thread = opaque;
	struct fs_job *job;

	while ((job = pool_take(thread->pool))) {
		/* The job is the request's: gone as soon as that is complete. */
		struct fs_call call = job->call;

		call.args = job->args;
		fs_call_resume(&call, job->row, thread->scratch);
	}
	return NULL;
}

static int pool_add_thread(struct fs_pool *pool)
{
	struct fs_pool_thread *thread = &pool->threads[pool->n];
	int ret;

	thread->pool = pool;
	thread->scratch = calloc(1, sizeof(*thread->scratch));
	if (!thread->scratch)
		return -ENOMEM;
	ret = -pthread_create(&thread->id, NULL, pool_work, thread);
	if (ret)
		free(thread->scratch);
	pool->n += !ret;
	return ret;
}

int fs_pool_start(struct fs *fs)
{
	uint32_t n = (uint32_t)fs->settings->pool_size;
	struct fs_pool *pool;
	int ret = 0;

	if (!n)
		return 0;
	pool = calloc(1, sizeof(*pool) + n * sizeof(pool->threads[0]));
	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	STAILQ_INIT(&pool->jobs);
	fs->pool = pool;
	while (pool->n < n && !ret)
		ret = pool_add_thread(pool);
	return ret;
}

void fs_pool_end(struct fs *fs)
{
	struct fs_pool *pool = fs->pool;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	for (uint32_t i = 0; i < pool->n; i++) {
		pthread_join(pool->threads[i].id, NULL);
		free(pool->threads[i].scratch);
	}
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	fs->pool = NULL;
}
