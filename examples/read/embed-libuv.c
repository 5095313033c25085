/* SPDX-License-Identifier: MIT */
/*
 * A device inside a program whose loop is libuv's: no runner, no vu_program, no thread.
 * embed-libuv PATH
 *
 * libuv listens, watches the device's descriptor, and hears signals; libvu is called when there is
 * something to do, and never blocks.
 */
#include <libvu/vu.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* --- the device --- */

/* Into the guest's memory at once.  The kernel writes it, so that memory may vanish meanwhile. */
static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		struct iovec room = req->n_writable ? req->writable[0] : (struct iovec){NULL, 0};
		ssize_t n = getrandom(room.iov_base, room.iov_len < 256 ? room.iov_len : 256, 0);

		vu_req_complete(req, n > 0 ? (uint64_t)n : 0);
	}
}

/* --- the loop's callbacks: handle->data is the device --- */

/* If there is more to do, it stays readable.  VU_PROCESS_ENDED: the front-end left. */
static void on_device(uv_poll_t *handle, int status, int events)
{
	vu_device_process(handle->data);
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

/* One front-end at a time: who comes while another is served is turned away. */
static void on_front_end(uv_stream_t *listener, int status)
{
	uv_pipe_t *client = malloc(sizeof(*client));
	uv_os_fd_t theirs;
	int fd = -1;

	if (status || !client || uv_pipe_init(listener->loop, client, 0)) {
		free(client);
		return;
	}
	/* libuv does not let go of a descriptor: the device gets another one for the socket. */
	if (!uv_accept(listener, (uv_stream_t *)client) &&
	    !uv_fileno((uv_handle_t *)client, &theirs))
		fd = fcntl(theirs, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && vu_device_attach(listener->data, fd) != 0)
		close(fd);
	uv_close((uv_handle_t *)client, free_handle);
}

static void on_signal(uv_signal_t *handle, int number)
{
	uv_stop(handle->loop);
}

/* --- main --- */

struct handles {
	uv_pipe_t listener;
	uv_poll_t device;
	uv_signal_t term;
};

static int watch(uv_loop_t *loop, struct handles *h, struct vu_device *dev, const char *path)
{
	int ret;

	umask(0177); /* only our user may connect */
	h->listener.data = h->device.data = dev;
	ret = uv_pipe_init(loop, &h->listener, 0);
	if (!ret)
		ret = uv_pipe_bind(&h->listener, path);
	if (!ret)
		ret = uv_listen((uv_stream_t *)&h->listener, 1, on_front_end);
	if (!ret)
		ret = uv_poll_init(loop, &h->device, vu_device_fd(dev));
	if (!ret)
		ret = uv_poll_start(&h->device, UV_READABLE, on_device);
	if (!ret)
		ret = uv_signal_init(loop, &h->term);
	return ret ? ret : uv_signal_start(&h->term, on_signal, SIGTERM);
}

static void close_handle(uv_handle_t *handle, void *opaque)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

int main(int argc, char **argv)
{
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {.size = sizeof(info),
					    .name = "rng",
					    .device_id = 4,
					    .n_queues = 1,
					    .log_level = VU_LOG_INFO};
	uv_loop_t *loop = uv_default_loop();
	struct handles handles;
	struct vu_device *dev;
	int ret;

	if (argc != 2) {
		fprintf(stderr, "usage: %s PATH\n", argv[0]);
		return 2;
	}
	if (vu_device_new(&info, &ops, NULL, &dev) != 0)
		return 1;
	/* A front-end may truncate its memory at any time. */
	if (vu_device_guard(dev) != 0)
		fprintf(stderr, "no handler for SIGBUS\n");
	ret = watch(loop, &handles, dev, argv[1]);
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[1], uv_strerror(ret));
	else
		uv_run(loop, UV_RUN_DEFAULT);
	/* The loop forgets the device's descriptor before the device closes it. */
	uv_walk(loop, close_handle, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	vu_device_free(dev);
	return ret ? 1 : 0;
}
