/* SPDX-License-Identifier: MIT */
/*
 * Back-end file: one io_uring for each queue, with --iopoll two.  Requests are gathered during a
 * pass and submitted together at its end; what the kernel could do at once is finished in the same
 * pass.
 *
 * A request takes one step after the other (a short transfer goes on; a flush follows zeroes); a
 * step needs a submission entry and maybe a bounce buffer, and waits in a list where there is none.
 * Queue thread; uring_init() and uring_fini() while there is no such thread.
 */
#include "disk_file.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	ENTRIES = 256,	/* submissions of a pass without a system call in between */
	RETRY_MS = 2,	/* until the kernel is asked again to take submissions */
	RETRIES = 10,	/* of a step that was interrupted */
	DRAIN_MS = 500, /* wait so long for I/O when the program ends */
	DRAIN_STEP_MS = 20,
};

static bool uring_has_submissions(const struct uring *u)
{
	for (uint32_t i = 0; i < u->n_lanes; i++)
		if (io_uring_sq_ready(&u->rings[i]))
			return true;
	return false;
}

static void uring_submit(struct uring *u)
{
	for (uint32_t i = 0; i < u->n_lanes; i++) {
		struct io_uring *ring = &u->rings[i];
		int ret = 1;

		while (io_uring_sq_ready(ring) && (ret > 0 || ret == -EINTR))
			ret = io_uring_submit(ring);
	}
	u->stuck = uring_has_submissions(u);
	if (u->stuck)
		vu_source_set_timer(u->timer, RETRY_MS * UINT64_C(1000000), 0);
	else
		u->iovs_used = 0;
}

static bool uring_has_room(const struct uring *u, uint32_t n_iovs)
{
	for (uint32_t i = 0; i < u->n_lanes; i++)
		if (!io_uring_sq_space_left(&u->rings[i]))
			return false;
	return URING_IOVS - u->iovs_used >= n_iovs;
}

bool uring_make_room(struct uring *u, uint32_t n_iovs)
{
	if (!uring_has_room(u, n_iovs))
		uring_submit(u);
	return uring_has_room(u, n_iovs);
}

struct io_uring_sqe *uring_get(struct uring *u, enum uring_lane lane)
{
	u->in_flight[lane]++;
	return io_uring_get_sqe(&u->rings[lane]);
}

void uring_set(struct io_uring_sqe *sqe, struct vu_req *req, int registered_file)
{
	sqe->fd = registered_file;
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, req);
}

int uring_failed(struct uring *u, const char *what, int error)
{
	char line[120];

	snprintf(line, sizeof(line), "%s: %s", what, strerror(-error));
	vu_device_log_peer(u->queue->dev, VU_LOG_WARNING, line);
	return DISK_IOERR;
}

static int uring_flush_step(struct uring *u, struct vu_req *req)
{
	struct io_uring_sqe *sqe;

	if (!uring_make_room(u, 0))
		return 0;
	sqe = uring_get(u, LANE_EVENTS);
	io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
	uring_set(sqe, req, URING_BUFFERED_FD);
	return 1;
}

static int uring_step(struct uring *u, struct vu_req *req)
{
	const struct disk_io *io = req->priv;

	if (io->type == DISK_READ || io->type == DISK_WRITE)
		return transfer_step(u, req);
	if (io->type == DISK_FLUSH || io->range == io->n_ranges)
		return uring_flush_step(u, req);
	return range_step(u, req);
}

static void uring_wait(struct uring *u, struct vu_req *req)
{
	struct disk_io *io = req->priv;

	io->next = NULL;
	if (u->waiting)
		((struct disk_io *)u->waiting_last->priv)->next = req;
	else
		u->waiting = req;
	u->waiting_last = req;
}

static void uring_finish(struct uring *u, struct vu_req *req, int status)
{
	transfer_end(u, req);
	disk_finish(u->queue, req, (uint8_t)status);
}

/* A step that could not even be queued. */
static void uring_finish_error(struct uring *u, struct vu_req *req, int error)
{
	uring_finish(u, req,
		     error == -EOPNOTSUPP ? DISK_UNSUPP : uring_failed(u, "request", error));
}

static void uring_go(struct uring *u, struct vu_req *req)
{
	int ret = uring_step(u, req);

	if (ret == 0)
		uring_wait(u, req);
	else if (ret < 0)
		uring_finish_error(u, req, ret);
}

/* Those that waited, oldest first, as far as there is room. */
static void uring_go_waiting(struct uring *u)
{
	struct vu_req *req;

	while ((req = u->waiting)) {
		struct vu_req *next = ((struct disk_io *)req->priv)->next;
		int ret = uring_step(u, req);

		if (!ret)
			return;
		u->waiting = next;
		if (ret < 0)
			uring_finish_error(u, req, ret);
	}
}

static int uring_result(struct uring *u, struct vu_req *req, int res)
{
	struct disk_io *io = req->priv;

	if ((res == -EINTR || res == -EAGAIN) && io->retries++ < RETRIES)
		return URING_MORE;
	if (io->type == DISK_READ || io->type == DISK_WRITE)
		return transfer_result(u, req, res);
	if (io->type == DISK_FLUSH || io->range == io->n_ranges)
		return res < 0 ? uring_failed(u, "flush", res) : DISK_OK;
	return range_result(u, req, res);
}

static void uring_reap(struct uring *u, enum uring_lane lane)
{
	struct io_uring_cqe *cqe;

	/* For LANE_POLLED this is what asks the disk. */
	while (u->in_flight[lane] && io_uring_peek_cqe(&u->rings[lane], &cqe) == 0) {
		struct vu_req *req = io_uring_cqe_get_data(cqe);
		int res = cqe->res, status;

		io_uring_cqe_seen(&u->rings[lane], cqe);
		u->in_flight[lane]--;
		status = uring_result(u, req, res);
		if (status == URING_MORE)
			uring_go(u, req);
		else
			uring_finish(u, req, status);
	}
}

/* The front-end is gone.  Requests of its that wait may still want their memory. */
static void uring_forget_memory(struct uring *u)
{
	if (u->fixed && !u->waiting && fixed_is_expired(u->fixed))
		fixed_forget(u->fixed);
}

void uring_commit(struct disk_queue *q)
{
	struct uring *u = q->uring;

	do {
		uring_submit(u);
		for (uint32_t i = 0; i < u->n_lanes; i++)
			uring_reap(u, i);
		uring_go_waiting(u);
	} while (uring_has_submissions(u) && !u->stuck);
	disk_pass_end(q);
	uring_forget_memory(u);
	if (u->in_flight[LANE_POLLED] && !u->is_busy)
		u->is_busy = vu_source_set_events(u->busy, EPOLLIN) == 0;
}

void uring_start(struct disk_queue *q, struct vu_req *req)
{
	struct disk_io *io = req->priv;
	struct uring *u = q->uring;
	uint64_t len = io->len;

	if (transfer_now(u, req)) {
		disk_finish(q, req, DISK_OK);
		disk_worked(q, len);
	} else if (io->n_ranges && !range_left(io) && !io->sync) {
		disk_finish(q, req, DISK_OK);
	} else {
		uring_go(u, req);
	}
}

/* The ring has completions, or the timer of a stuck submission expired. */
static void uring_on_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	(void)source;
	(void)fd;
	(void)events;
	uring_commit(opaque);
}

/* Always readable, and watched while there is something to be polled for: so nobody sleeps. */
static void uring_on_busy(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct uring *u = ((struct disk_queue *)opaque)->uring;

	(void)fd;
	(void)events;
	uring_commit(opaque);
	if (!u->in_flight[LANE_POLLED] && vu_source_set_events(source, 0) == 0)
		u->is_busy = false;
}

/* A thread that polls sees completions in memory. */
static int uring_poll(void *opaque)
{
	const struct disk_queue *q = opaque;
	struct uring *u = q->uring;

	if (!io_uring_cq_ready(&u->rings[LANE_EVENTS]) && !u->in_flight[LANE_POLLED]) {
		uring_forget_memory(u);
		return 0;
	}
	uring_commit(opaque);
	return 1;
}

/* Device thread. */
void uring_session_end(struct disk_queue *q)
{
	if (!q->uring->fixed)
		return;
	fixed_expire(q->uring->fixed);
	vu_group_wake(q->group);
}

static int uring_setup_ring(struct io_uring *ring, uint32_t completions)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN,
		.cq_entries = completions,
	};
	int ret = io_uring_queue_init_params(ENTRIES, ring, &params);

	if (ret == -EINVAL) { /* Linux before 5.19 */
		params.flags &= ~(unsigned int)IORING_SETUP_COOP_TASKRUN;
		ret = io_uring_queue_init_params(ENTRIES, ring, &params);
	}
	if (!ret && !(params.features & IORING_FEAT_SUBMIT_STABLE)) {
		io_uring_queue_exit(ring);
		ret = -ENOSYS;
	}
	return ret;
}

static int uring_setup_lane(struct uring *u, enum uring_lane lane, uint32_t completions)
{
	const int fds[] = {u->file->fd, u->file->buffered_fd};
	struct io_uring *ring = &u->rings[lane];
	int ret = lane == LANE_POLLED ? polled_init(ring, ENTRIES, completions)
				      : uring_setup_ring(ring, completions);

	if (ret)
		return ret;
	ret = io_uring_register_files(ring, fds, 2);
	if (ret < 0) {
		io_uring_queue_exit(ring);
		return ret;
	}
	u->n_lanes++;
	return 0;
}

static void uring_exit_lanes(struct uring *u)
{
	for (uint32_t i = 0; i < u->n_lanes; i++) {
		/* The kernel frees a ring some time later; the file system may be needed before. */
		io_uring_unregister_files(&u->rings[i]);
		io_uring_queue_exit(&u->rings[i]);
	}
}

static int uring_setup(struct uring *u, const struct disk_settings *settings)
{
	uint32_t size = (uint32_t)settings->queue_size;
	uint32_t completions = size > 2 * ENTRIES ? size : 2 * ENTRIES;
	int ret = uring_setup_lane(u, LANE_EVENTS, completions);

	if (!ret && u->file->polled_max)
		ret = uring_setup_lane(u, LANE_POLLED, completions);
	if (ret)
		uring_exit_lanes(u);
	else if (settings->fixed && u->file->direct)
		u->fixed = fixed_new(&u->rings[u->n_lanes - 1], settings->program);
	return ret;
}

static int uring_watch_busy(struct uring *u)
{
	u->busy_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->busy_fd < 0)
		return -errno;
	return vu_group_add_fd(u->queue->group, u->busy_fd, 0, uring_on_busy, u->queue, &u->busy);
}

/* Once for a disk: who uses it may try again with each request. */
static void uring_say_why_not(struct disk *disk, int err)
{
	const char *program = disk->settings->program;

	if (atomic_exchange(&disk->told, true))
		return;
	/* A filter of system calls answers with either. */
	if (err == -EPERM || err == -ENOSYS)
		fprintf(stderr,
			"%s: back-end file needs io_uring, which is not allowed here: %s "
			"(see kernel.io_uring_disabled, and the container's seccomp filter)\n",
			program, strerror(-err));
	else
		fprintf(stderr, "%s: io_uring: %s\n", program, strerror(-err));
}

int uring_init(struct disk_queue *q)
{
	struct uring *u = calloc(1, sizeof(*u));
	int ret;

	if (!u)
		return -ENOMEM;
	u->queue = q;
	u->file = q->disk->file;
	u->busy_fd = -1;
	ret = uring_setup(u, q->disk->settings);
	if (ret) {
		uring_say_why_not(q->disk, ret);
		free(u);
		return ret;
	}
	q->uring = u;
	/* The ring itself says when there are completions: no eventfd to write and to read. */
	ret = vu_group_add_fd(q->group, u->rings[LANE_EVENTS].ring_fd, EPOLLIN, uring_on_event, q,
			      &u->source);
	if (!ret)
		ret = vu_group_add_poll(q->group, uring_poll, q, &u->poll);
	if (!ret)
		ret = vu_group_add_timer(q->group, uring_on_event, q, &u->timer);
	return ret || u->n_lanes <= LANE_POLLED ? ret : uring_watch_busy(u);
}

static bool uring_has_in_flight(const struct uring *u)
{
	return u->in_flight[LANE_EVENTS] || u->in_flight[LANE_POLLED];
}

/* Let what is under way end: it reads and writes memory of ours. */
static void uring_drain(struct uring *u)
{
	struct pollfd ring = {.fd = u->rings[LANE_EVENTS].ring_fd, .events = POLLIN};

	for (int ms = 0; uring_has_in_flight(u) && ms < DRAIN_MS; ms += DRAIN_STEP_MS) {
		poll(&ring, 1, DRAIN_STEP_MS);
		uring_commit(u->queue);
	}
}

void uring_fini(struct disk_queue *q)
{
	struct uring *u = q->uring;

	if (!u)
		return;
	uring_drain(u);
	vu_source_remove(u->source);
	vu_source_remove(u->poll);
	vu_source_remove(u->timer);
	vu_source_remove(u->busy);
	if (u->busy_fd >= 0)
		close(u->busy_fd);
	fixed_free(u->fixed);
	uring_exit_lanes(u);
	q->uring = NULL;
	if (uring_has_in_flight(u))
		return; /* the kernel may still write into its buffers */
	while (u->n_free_bounces)
		free(u->free_bounces[--u->n_free_bounces]);
	free(u);
}
