/* SPDX-License-Identifier: MIT */
/*
 * thread-pool: requests that threads of the device's own finish, in any order.
 *
 * To a driver it is an entropy device (virtio 1.3 §5.4) whose bytes are slow to come by.  The
 * device thread takes requests and puts them on a list, a thread takes one from there, works, and
 * completes it by message: vu_req_complete_remote().  From vu_queue_next() to that call a request
 * has one owner, who alone touches it, so the list needs a lock, and the requests do not.
 *
 * The rest of libvu is not called from these threads: docs/threads.md says what may be.
 */
#include <libvu/vu.h>

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/random.h>

enum { MAX_THREADS = 64 };

struct settings {
	uint64_t n_threads;
};

/* In vu_req.priv: a request brings the room for its place in a list along. */
struct job {
	STAILQ_ENTRY(job) link;
	struct vu_req *req;
};

struct pool {
	struct vu_device *dev;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	STAILQ_HEAD(job_list, job) jobs;
	bool ending;
	uint32_t n_threads; /* that run: the main thread's */
	pthread_t threads[MAX_THREADS];
};

/* --- the threads --- */

/* The next job; NULL: there will be none. */
static struct job *pool_take(struct pool *pool)
{
	struct job *job;

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
	struct pool *pool = opaque;
	struct job *job;

	while ((job = pool_take(pool))) {
		struct vu_req *req = job->req;
		char bytes[256];
		ssize_t n = getrandom(bytes, sizeof(bytes), 0); /* here: the slow part */

		/* What was written counts from the start; after that req and job are gone. */
		vu_req_complete_remote(req, vu_req_write(req, 0, bytes, n > 0 ? (size_t)n : 0));
	}
	return NULL;
}

/* --- the device thread --- */

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct pool *pool = opaque;
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		struct job *job = req->priv;

		job->req = req;
		pthread_mutex_lock(&pool->lock);
		STAILQ_INSERT_TAIL(&pool->jobs, job, link);
		pthread_cond_signal(&pool->changed);
		pthread_mutex_unlock(&pool->lock);
	}
	/* No queue_stop: the threads finish what they have by themselves, and soon. */
}

/* --- life --- */

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {.size = sizeof(info),
					    .device_id = 4,
					    .n_queues = 1,
					    .priv_size = sizeof(struct job)};
	const struct settings *settings = vu_program_settings(program);
	struct pool *pool = state;
	int ret = vu_program_add_device(program, &info, &ops, pool, &pool->dev);

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	STAILQ_INIT(&pool->jobs);
	while (!ret && pool->n_threads < settings->n_threads) {
		ret = -pthread_create(&pool->threads[pool->n_threads], NULL, pool_work, pool);
		pool->n_threads += !ret;
	}
	return ret;
}

/* Front-ends are gone, but not what they had asked for: the threads end it before they go. */
static void destroy(void *state)
{
	struct pool *pool = state;

	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	while (pool->n_threads)
		pthread_join(pool->threads[--pool->n_threads], NULL);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
}

int main(int argc, char **argv)
{
	static const struct vu_option options[] = {
		{VU_OPTION_NUMBER("threads", "N", "how many (default 4)", struct settings,
				  n_threads, 1, MAX_THREADS)},
		{.name = NULL},
	};
	struct settings settings = {.n_threads = 4};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "thread-pool",
		.type = "rng",
		VU_PROGRAM_OPTIONS(options, &settings),
		VU_PROGRAM_STATE(struct pool, create, destroy),
	};

	return vu_program_main(&info, argc, argv);
}
