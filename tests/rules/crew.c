/* SPDX-License-Identifier: MIT */
/* The threads of a device; see crew.h. */
#include "rules/crew.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/variant.h"

static uint32_t crew_invert(const struct vu_req *req)
{
	unsigned char bytes[256];
	size_t n = vu_req_read(req, 0, bytes, sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)~bytes[i];
	return (uint32_t)vu_req_write(req, 0, bytes, n);
}

/* Any thread. */
static void crew_error(struct crew *crew, const char *what, int error)
{
	char line[128];

	snprintf(line, sizeof(line), "%s: %s", what, strerror(-error));
	log_book_write(&crew->log, VU_LOG_ERROR, line);
}

/* Queue thread: leave the request to the finisher.  False when it has too many already. */
static bool crew_leave(struct crew *crew, struct vu_req *req)
{
	bool room;

	pthread_mutex_lock(&crew->lock);
	room = crew->n_todo < CREW_LATE;
	if (room)
		crew->todo[crew->n_todo++] = req;
	pthread_cond_signal(&crew->more);
	pthread_mutex_unlock(&crew->lock);
	return room;
}

static void *crew_finish(void *opaque)
{
	struct crew *crew = opaque;

	pthread_mutex_lock(&crew->lock);
	while (crew->n_todo || !crew->finisher_ends) {
		struct vu_req *req;
		int err;

		if (!crew->n_todo) {
			pthread_cond_wait(&crew->more, &crew->lock);
			continue;
		}
		req = crew->todo[--crew->n_todo];
		pthread_mutex_unlock(&crew->lock);
		err = vu_req_complete_remote(req, crew_invert(req));
		if (err)
			crew_error(crew, "vu_req_complete_remote", err);
		atomic_fetch_add(&crew->late, 1);
		pthread_mutex_lock(&crew->lock);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

/* Queue thread. */
static void crew_ready(struct vu_queue *queue, void *opaque)
{
	struct crew *crew = opaque;
	uint32_t *taken = &crew->taken[vu_queue_index(queue)];
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		int err;

		if (++*taken % 3 == 0 && crew_leave(crew, req))
			continue;
		err = vu_req_complete(req, crew_invert(req));
		if (err)
			crew_error(crew, "vu_req_complete", err);
	}
}

static void crew_stop(struct vu_queue *queue, void *opaque)
{
	struct crew *crew = opaque;

	(void)queue;
	atomic_fetch_add(&crew->stops, 1);
}

static void crew_session_end(struct vu_device *dev, int why, void *opaque)
{
	struct crew *crew = opaque;

	(void)dev;
	atomic_fetch_add(&crew->sessions, 1);
}

static const struct vu_ops crew_ops = {
	.size = sizeof(struct vu_ops),
	.queue_ready = crew_ready,
	.queue_stop = crew_stop,
	.session_end = crew_session_end,
};

/* The loop of group.h; or one that looks a few times before it sleeps. */
static void *crew_work(void *opaque)
{
	struct crew_worker *w = opaque;
	struct crew *crew = w->crew;
	struct pollfd pfd = {.fd = vu_group_fd(w->group), .events = POLLIN};

	while (!atomic_load(&crew->workers_end)) {
		int idle = w->polls ? 20 : 0;

		if (crew->once) {
			poll(&pfd, 1, -1);
			/* Either keeps the descriptor readable if there is more. */
			idle = vu_group_process(w->group, 0) || vu_group_arm(w->group);
			continue;
		}

		while (vu_group_process(w->group, 0) > 0 || idle-- > 0)
			;
		if (vu_group_arm(w->group) == 0)
			poll(&pfd, 1, -1);
	}
	return NULL;
}

static void *crew_control(void *opaque)
{
	struct crew *crew = opaque;

	for (;;) {
		bool free = !vu_device_is_attached(crew->dev);
		struct pollfd pfds[] = {
			{.fd = vu_device_fd(crew->dev), .events = POLLIN},
			{.fd = free ? crew->connections[0] : -1, .events = POLLIN},
		};
		int fd, err;

		poll(pfds, 2, -1);
		while (vu_device_process(crew->dev) & VU_PROCESS_MORE && !crew->once)
			;
		if (!pfds[1].revents)
			continue;
		if (read(crew->connections[0], &fd, sizeof(fd)) != sizeof(fd) || fd < 0)
			return NULL;
		err = vu_device_attach(crew->dev, fd);
		if (err)
			crew_error(crew, "vu_device_attach", err);
	}
}

void crew_connect(struct crew *crew, int fd)
{
	if (write(crew->connections[1], &fd, sizeof(fd)) != sizeof(fd))
		crew_error(crew, "write", -errno);
}

static int crew_start_worker(struct crew *crew, int i)
{
	struct crew_worker *w = &crew->workers[i];
	int err = vu_group_new(&w->group);

	w->crew = crew;
	w->polls = i % 2;
	for (uint32_t q = 0; !err && q < CREW_QUEUES; q++)
		if (q % CREW_WORKERS == (uint32_t)i)
			err = vu_queue_set_group(vu_device_queue(crew->dev, q), w->group);
	return err ? err : -pthread_create(&w->thread, NULL, crew_work, w);
}

int crew_start(struct crew *crew, uint32_t flags)
{
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "crew",
		.n_queues = CREW_QUEUES,
		.flags = flags,
		.log_fn = log_book_write,
		.log_opaque = &crew->log,
	};
	int err;

	memset(crew, 0, sizeof(*crew));
	log_book_open(&crew->log);
	crew->once = processes_once();
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->more, NULL);
	err = pipe(crew->connections) < 0 ? -errno : 0;
	if (!err)
		err = vu_device_new(&info, &crew_ops, crew, &crew->dev);
	for (int i = 0; !err && i < CREW_WORKERS; i++)
		err = crew_start_worker(crew, i);
	if (!err)
		err = -pthread_create(&crew->finisher, NULL, crew_finish, crew);
	if (!err)
		err = -pthread_create(&crew->control, NULL, crew_control, crew);
	return err;
}

void crew_end(struct crew *crew)
{
	/* The control thread takes this once the session has ended on every thread. */
	crew_connect(crew, -1);
	pthread_join(crew->control, NULL);
	pthread_mutex_lock(&crew->lock);
	crew->finisher_ends = true;
	pthread_cond_signal(&crew->more);
	pthread_mutex_unlock(&crew->lock);
	pthread_join(crew->finisher, NULL);
	atomic_store(&crew->workers_end, true);
	for (int i = 0; i < CREW_WORKERS; i++) {
		vu_group_wake(crew->workers[i].group);
		pthread_join(crew->workers[i].thread, NULL);
		vu_group_free(crew->workers[i].group);
	}
	vu_device_free(crew->dev);
	close(crew->connections[0]);
	close(crew->connections[1]);
	pthread_cond_destroy(&crew->more);
	pthread_mutex_destroy(&crew->lock);
}
