/* SPDX-License-Identifier: MIT */
/*
 * See scsi_pass.h.  A queue's thread gives commands to threads of the logical unit's, which wait
 * for the device; what they are done with comes back by a list, and an eventfd that the queue's
 * thread watches.  They touch nothing of the guest's.
 */
#include "scsi_pass.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct pass_list {
	struct pass_job *first, **end;
};

struct pass_pool {
	int fd;
	pthread_mutex_t lock; /* of all that follows, and of what queues have ready */
	pthread_cond_t changed, returned;
	struct pass_list jobs;
	bool ending;
	uint32_t n_threads, n_idle;
	pthread_t threads[PASS_THREADS];
};

/* What a queue has of it. */
struct pass_queue {
	struct pass_pool *pool;
	struct disk_queue *disk;
	struct vu_source *source;
	int event;
	uint32_t out; /* jobs that have not been collected */
	struct vu_req *waiting, *last_waiting;
	uint32_t n_ready;	/* of those out; the pool's lock */
	struct pass_list ready; /* likewise */
};

static void list_init(struct pass_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_add(struct pass_list *list, struct pass_job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct pass_job *list_take(struct pass_list *list)
{
	struct pass_job *job = list->first;

	if (job)
		list->first = job->next;
	if (!list->first)
		list->end = &list->first;
	return job;
}

/* --- threads that wait --- */

static struct pass_job *pool_take(struct pass_pool *pool)
{
	struct pass_job *job;

	pthread_mutex_lock(&pool->lock);
	pool->n_idle++;
	while (!(job = list_take(&pool->jobs)) && !pool->ending)
		pthread_cond_wait(&pool->changed, &pool->lock);
	pool->n_idle--;
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *pool_work(void *opaque)
{
	struct pass_pool *pool = opaque;
	const uint64_t one = 1;
	struct pass_job *job;

	while ((job = pool_take(pool))) {
		struct pass_queue *q = job->queue;

		job->error = pass_ask(pool->fd, &job->hdr);
		pthread_mutex_lock(&pool->lock);
		list_add(&q->ready, job);
		q->n_ready++;
		/* Under the lock: once it is let go of, the queue may be gone. */
		while (write(q->event, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		pthread_cond_broadcast(&pool->returned);
		pthread_mutex_unlock(&pool->lock);
	}
	return NULL;
}

/* Signals are the device thread's. */
static int pool_add_thread(struct pass_pool *pool)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* tells of calls that the sandbox does not let pass */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = -pthread_create(&pool->threads[pool->n_threads], NULL, pool_work, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pool->n_threads += !ret;
	return ret;
}

/* -errno: there is no thread at all. */
static int pool_give(struct pass_pool *pool, struct pass_job *job)
{
	int ret = 0;

	pthread_mutex_lock(&pool->lock);
	if (!pool->n_idle && pool->n_threads < PASS_THREADS)
		ret = pool_add_thread(pool);
	if (pool->n_threads) {
		ret = 0;
		list_add(&pool->jobs, job);
		pthread_cond_signal(&pool->changed);
	}
	pthread_mutex_unlock(&pool->lock);
	return ret;
}

struct pass_pool *pass_pool_new(int fd)
{
	struct pass_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->fd = fd;
	list_init(&pool->jobs);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	pthread_cond_init(&pool->returned, NULL);
	return pool;
}

/* No queue uses it any more. */
void pass_pool_free(struct pass_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	while (pool->n_threads)
		pthread_join(pool->threads[--pool->n_threads], NULL);
	pthread_cond_destroy(&pool->returned);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* --- queues --- */

/* With the memory that it takes; what cannot be given to a thread ends as busy. */
static void queue_send(struct pass_queue *q, struct vu_req *req)
{
	struct scsi_cmd *cmd = req->priv;
	struct pass_job *job = pass_job_new(cmd);

	if (!job) {
		scsi_end(cmd, SCSI_BUSY);
		return;
	}
	job->queue = q;
	q->out++;
	if (!pool_give(q->pool, job))
		return;
	q->out--;
	job->error = -ENOMEM;
	pass_job_end(job);
}

/* Those that wait, as far as there is room; what was aborted meanwhile only ends. */
static void queue_send_waiting(struct pass_queue *q)
{
	struct vu_req *req;

	while ((req = q->waiting) && q->out < PASS_QUEUE) {
		struct scsi_cmd *cmd = req->priv;

		q->waiting = cmd->io.next;
		cmd->io.next = NULL;
		if (cmd->queue->waits && scsi_tmf_response(cmd->queue, cmd) != VIRTIO_SCSI_S_OK)
			scsi_end(cmd, SCSI_GOOD);
		else
			queue_send(q, req);
	}
}

static void queue_collect(struct pass_queue *q)
{
	struct pass_job *job;

	do {
		pthread_mutex_lock(&q->pool->lock);
		job = list_take(&q->ready);
		q->n_ready -= job ? 1 : 0;
		pthread_mutex_unlock(&q->pool->lock);
		if (job) {
			q->out--;
			pass_job_end(job);
			queue_send_waiting(q);
		}
	} while (job);
	disk_pass_end(q->disk);
}

static void queue_on_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	uint64_t n;

	(void)source;
	(void)events;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		queue_collect(opaque);
}

int pass_queue_init(struct disk_queue *disk)
{
	struct pass_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	disk->own = q;
	q->disk = disk;
	q->pool = ((struct scsi_pass *)disk->disk->own)->pool;
	list_init(&q->ready);
	q->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->event < 0)
		return -errno;
	return vu_group_add_fd(disk->group, q->event, EPOLLIN, queue_on_event, q, &q->source);
}

/* What is under way comes back, at the latest when its time is up. */
static void queue_drain(struct pass_queue *q)
{
	while (q->out || q->waiting) {
		pthread_mutex_lock(&q->pool->lock);
		while (q->out && !q->n_ready)
			pthread_cond_wait(&q->pool->returned, &q->pool->lock);
		pthread_mutex_unlock(&q->pool->lock);
		queue_collect(q);
		queue_send_waiting(q);
	}
}

void pass_queue_fini(struct disk_queue *disk)
{
	struct pass_queue *q = disk->own;

	if (!q)
		return;
	queue_drain(q);
	/* A worker may be at the end of its turn, with the lock. */
	pthread_mutex_lock(&q->pool->lock);
	pthread_mutex_unlock(&q->pool->lock);
	vu_source_remove(q->source);
	if (q->event >= 0)
		close(q->event);
	free(q);
	disk->own = NULL;
}

void pass_start(struct disk_queue *disk, struct vu_req *req)
{
	struct pass_queue *q = disk->own;
	struct disk_io *io = req->priv;

	io->next = NULL;
	if (q->waiting)
		((struct disk_io *)q->last_waiting->priv)->next = req;
	else
		q->waiting = req;
	q->last_waiting = req;
	queue_send_waiting(q);
}
