/* SPDX-License-Identifier: MIT */
/* The device of echo.h. */
#include "echo.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* Scatter is of no interest here: one segment each way, up to ECHO_BYTES. */
static void echo_answer(struct vu_req *req)
{
	unsigned char bytes[ECHO_BYTES];
	size_t n = vu_req_read(req, 0, bytes, sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)~bytes[i];
	vu_req_complete(req, vu_req_write(req, 0, bytes, n));
}

static void echo_note_thread(struct echo_queue *q)
{
	cpu_set_t set;

	if (atomic_load(&q->ready_tid) == gettid() || sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			atomic_store(&q->cpu, i);
	atomic_store(&q->cpus, CPU_COUNT(&set));
	atomic_store(&q->ready_tid, gettid());
}

static void echo_ready(struct vu_queue *queue, void *opaque)
{
	struct echo *echo = opaque;
	struct echo_queue *q = &echo->queues[vu_queue_index(queue)];
	unsigned int pause_ms;
	struct vu_req *req;

	echo_note_thread(q);
	pause_ms = atomic_exchange(&q->pause_ms, 0);
	if (pause_ms)
		usleep(pause_ms * 1000);
	while (vu_queue_next(queue, &req) == 1) {
		if (atomic_load(&echo->hold))
			q->held[atomic_fetch_add(&q->n_held, 1)] = req;
		else
			echo_answer(req);
	}
}

static void echo_stop(struct vu_queue *queue, void *opaque)
{
	struct echo *echo = opaque;
	struct echo_queue *q = &echo->queues[vu_queue_index(queue)];

	atomic_store(&q->stop_tid, gettid());
	atomic_fetch_add(&q->stops, 1);
	for (unsigned int i = 0; i < atomic_load(&q->n_held); i++)
		echo_answer(q->held[i]);
	atomic_store(&q->n_held, 0);
}

static int echo_begin(struct vu_device *dev, void *opaque)
{
	struct echo *echo = opaque;

	if (echo->begin)
		echo->begin(echo, echo->opaque);
	return 0;
}

static const uint64_t config = 0;

const struct vu_ops echo_ops = {.size = sizeof(echo_ops),
				.session_begin = echo_begin,
				.queue_ready = echo_ready,
				.queue_stop = echo_stop};

const struct vu_device_info echo_info = {.size = sizeof(echo_info),
					 .device_id = 42,
					 .n_queues = ECHO_QUEUES,
					 .config = &config,
					 .config_size = sizeof(config),
					 .flags = VU_DEVICE_DEBUG};

int echo_add_groups(struct echo *echo)
{
	int ret = 0;

	for (int i = 0; i < ECHO_GROUPS && !ret; i++)
		ret = vu_group_new(&echo->groups[i]);
	for (uint32_t i = 0; i < ECHO_QUEUES && !ret; i++)
		ret = vu_queue_set_group(vu_device_queue(echo->dev, i),
					 echo->groups[i % ECHO_GROUPS]);
	return ret;
}

void echo_free_groups(struct echo *echo)
{
	for (int i = 0; i < ECHO_GROUPS; i++)
		vu_group_free(echo->groups[i]);
}

int echo_new(const char *name, uint32_t level, vu_log_fn fn, struct echo **out)
{
	struct vu_device_info info = echo_info;
	struct echo *echo = calloc(1, sizeof(*echo));
	int ret;

	if (!echo)
		return -ENOMEM;
	info.name = name;
	info.log_level = level;
	info.log_fn = fn;
	ret = vu_device_new(&info, &echo_ops, echo, &echo->dev);
	if (!ret)
		ret = echo_add_groups(echo);
	if (ret)
		echo_free(echo);
	else
		*out = echo;
	return ret;
}

void echo_free(struct echo *echo)
{
	if (!echo)
		return;
	echo_free_groups(echo);
	vu_device_free(echo->dev);
	free(echo);
}

void echo_reload(struct echo *echo)
{
	uint64_t number = atomic_fetch_add(&echo->reloads, 1) + 1;

	(void)!vu_config_set(echo->dev, 0, &number, sizeof(number));
}
