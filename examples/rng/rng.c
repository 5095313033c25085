/* SPDX-License-Identifier: MIT */
/*
 * vu-rng: an entropy device (virtio 1.3 §5.4) with a source and a rate of your choice.
 *
 * What may not be served yet (the budget is spent, the source is dry) is left in the ring, and a
 * timer looks at it again: nothing here waits.  Everything runs on the device thread.
 */
#include <libvu/unstable.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/shut_in.h"

enum {
	REQUEST_MAX = 65536, /* bytes at once: a guest that wants more may ask again */
	REQUEST_SEGS = 64,
	RETRY_MS = 20, /* until a dry source is tried again */
};

static const uint64_t ms = 1000000; /* in nanoseconds */

struct rng {
	int fd; /* -1: getrandom() */
	int is_file;
	off_t offset; /* in a regular file, which is read again and again */
	int error;    /* the one that was logged last */
	const struct settings *settings;
	struct vu_device *dev;
	struct vu_source *refill; /* runs from the first byte of a period to its end */
	struct vu_source *retry;
	int refilling;
	uint64_t budget; /* bytes left in this period */
};

struct settings {
	const char *source;
	uint64_t max_bytes;
	uint64_t period_ms; /* 0: no rate limit */
	struct shut_in shut_in;
};

/* Never blocks for long: returns bytes, 0 at the end of the source, or -errno. */
static ssize_t rng_read(struct rng *rng, const struct iovec *iov, int n)
{
	ssize_t got;

	if (rng->fd < 0)
		got = getrandom(iov->iov_base, iov->iov_len, 0);
	else if (rng->is_file)
		got = preadv(rng->fd, iov, n, rng->offset);
	else
		got = readv(rng->fd, iov, n);
	if (got < 0)
		return -errno;
	if (!got && rng->offset) {
		rng->offset = 0;
		return rng_read(rng, iov, n);
	}
	if (rng->is_file)
		rng->offset += got;
	return got;
}

/* A dry source is tried again and again: only what is new. */
static void rng_log_error(struct rng *rng, int error)
{
	if (error != rng->error)
		vu_device_log_peerf(rng->dev, VU_LOG_WARNING, "source: %s", strerror(error));
	rng->error = error;
}

/* Serve one request: 0, or -EAGAIN when it was put back for want of bytes. */
static int rng_serve(struct rng *rng, struct vu_req *req)
{
	struct iovec iov[REQUEST_SEGS];
	uint64_t max = rng->budget < REQUEST_MAX ? rng->budget : REQUEST_MAX;
	uint64_t len = 0;
	ssize_t got = 0;
	uint32_t n;

	for (n = 0; n < req->n_writable && n < REQUEST_SEGS && len < max; n++) {
		iov[n] = req->writable[n];
		if (iov[n].iov_len > max - len)
			iov[n].iov_len = max - len;
		len += iov[n].iov_len;
	}
	if (len) {
		got = rng_read(rng, iov, (int)n);
		if (got == -EFAULT) /* the guest's memory is gone: that is its own loss */
			got = 0;
		else if (got <= 0) {
			if (got < 0 && got != -EAGAIN && got != -EINTR)
				rng_log_error(rng, (int)-got);
			if (vu_req_put_back(req))
				vu_req_complete(req, 0); /* cannot be: it is the newest */
			return -EAGAIN;
		}
	}
	if (rng->settings->period_ms)
		rng->budget -= (uint64_t)got;
	return vu_req_complete(req, (uint64_t)got);
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct rng *rng = opaque;
	struct vu_req *req;

	while (rng->budget && vu_queue_next(queue, &req) == 1) {
		if (rng_serve(rng, req)) {
			vu_source_set_timer(rng->retry, RETRY_MS * ms, 0);
			return;
		}
		if (rng->settings->period_ms && !rng->refilling) {
			rng->refilling = 1;
			vu_source_set_timer(rng->refill, rng->settings->period_ms * ms, 0);
		}
	}
}

static void on_retry(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct rng *rng = opaque;

	queue_ready(vu_device_queue(rng->dev, 0), rng);
}

static void on_refill(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct rng *rng = opaque;

	rng->budget = rng->settings->max_bytes;
	rng->refilling = 0;
	queue_ready(vu_device_queue(rng->dev, 0), rng);
}

static int rng_open_source(struct rng *rng, const char *path)
{
	struct stat st;
	int ret;

	rng->fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	if (!path)
		return 0;
	ret = rng->fd < 0 || fstat(rng->fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
	if (ret)
		fprintf(stderr, "vu-rng: %s: %s\n", path, strerror(-ret));
	else
		rng->is_file = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 4, .n_queues = 1, .flags = VU_DEVICE_LEGACY};
	struct rng *rng = state;
	int ret;

	rng->settings = vu_program_settings(program);
	rng->budget = rng->settings->max_bytes;
	ret = rng_open_source(rng, rng->settings->source);
	if (!ret)
		ret = vu_program_add_device(program, &info, &ops, rng, &rng->dev);
	if (!ret)
		ret = vu_group_add_timer(vu_device_group(rng->dev), on_retry, rng, &rng->retry);
	if (!ret)
		ret = vu_group_add_timer(vu_device_group(rng->dev), on_refill, rng, &rng->refill);
	return ret ? ret : vu_program_add_control(program, NULL, rng, NULL);
}

static void destroy(void *state)
{
	struct rng *rng = state;

	if (rng->fd >= 0)
		close(rng->fd);
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	static const int rng_calls[] = {SYS_preadv};
	struct settings *settings = vu_program_settings(program);
	const struct rng *rng = state;

	(void)index;
	settings->shut_in.needs.calls = rng_calls;
	settings->shut_in.needs.n_calls = sizeof(rng_calls) / sizeof(rng_calls[0]);
	return shut_in_enter(&settings->shut_in, rng->dev);
}

static const struct vu_option options[] = {
	{VU_OPTION_STRING("source", "PATH", "file or device to read (default: getrandom)",
			  struct settings, source)},
	{VU_OPTION_NUMBER("max-bytes", "N", "most bytes per period, else per request (up to 65536)",
			  struct settings, max_bytes, 1, INT64_MAX)},
	{VU_OPTION_NUMBER("period", "MS", "time in which the guest gets --max-bytes at most",
			  struct settings, period_ms, 1, UINT32_MAX)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

/* None but "metrics", which is every program's. */
static const struct vu_command commands[] = {{.name = NULL}};

int main(int argc, char **argv)
{
	struct settings settings = {.max_bytes = REQUEST_MAX};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-rng", "rng", "A vhost-user entropy device."),
		SHUT_IN_PROGRAM(options, &settings, commands, struct rng, create, destroy, opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
