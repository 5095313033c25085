/* SPDX-License-Identifier: MIT */
/*
 * A gpu, as a user of the library would write it: a control and a cursor queue, a renderer thread
 * that completes fenced requests later, and a second socket on which the device asks the display.
 *
 * What stands between "wanted" and "end of wanted" does not exist in the library yet; it is what
 * this sketch asks for (docs/decisions/0001).  Compiled against the public headers only; never
 * linked or run.  Everything is on the device thread, except renderer_main().
 */
#include <endian.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/virtio_gpu.h>
#include <libvu/vu.h>

/* --- wanted --- */
struct vu_gpu_ops {
	size_t size;
	/* The front-end's display socket: the device owns fd from here on.  Device thread. */
	void (*socket)(struct vu_device *dev, int fd, void *opaque);
};
/* Before serving. */
VU_API int vu_device_set_gpu_ops(struct vu_device *dev, const struct vu_gpu_ops *ops);
/* Guest memory that no request describes (RESOURCE_ATTACH_BACKING has only addresses), kept mapped
 * by a reference.  Return: segments stored, or -EFAULT. */
VU_API int vu_memory_map(struct vu_device *dev, uint64_t addr, uint64_t len, struct iovec *out,
			 uint32_t max, struct vu_memory **memory);
/* --- end of wanted --- */

enum { CONTROLQ, CURSORQ, N_QUEUES };
enum { GET_DISPLAY_INFO = 3, CURSOR_POS = 4 }; /* vhost-user-gpu "Message types" */

struct gpu_msg { /* vhost-user-gpu "Header" */
	uint32_t request, flags, size;
};

struct job { /* vu_req.priv: our copy of the header, which the guest can't change any more */
	struct virtio_gpu_ctrl_hdr hdr;
};

struct gpu {
	struct vu_device *dev;
	int display; /* the second socket, -1 without one */
	struct vu_source *source;
	struct vu_req *asking; /* waits for the display's answer */
	int jobs[2];	       /* a pipe of struct vu_req *: it holds more than a whole ring */
};

static uint64_t gpu_reply(struct vu_req *req, uint32_t type)
{
	struct job *job = req->priv;

	job->hdr.type = htole32(type);
	return vu_req_write(req, 0, &job->hdr, sizeof(job->hdr));
}

/* Another thread: it owns a request from reading its pointer to completing it. */
static void *renderer_main(void *opaque)
{
	struct gpu *gpu = opaque;
	struct vu_req *req;

	while (read(gpu->jobs[0], &req, sizeof(req)) == (ssize_t)sizeof(req)) {
		/* ... draw, wait for the GPU: the fence is reached when the request completes */
		vu_req_complete_remote(req, gpu_reply(req, VIRTIO_GPU_RESP_OK_NODATA));
	}
	return NULL;
}

static int gpu_ask(const struct gpu *gpu, const void *msg, size_t len)
{
	return send(gpu->display, msg, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static void gpu_control(struct gpu *gpu, struct vu_req *req)
{
	static const struct gpu_msg ask = {GET_DISPLAY_INFO, 0, 0};
	struct job *job = req->priv;

	if (vu_req_read(req, 0, &job->hdr, sizeof(job->hdr)) < sizeof(job->hdr))
		vu_req_complete(req, 0);
	else if (le32toh(job->hdr.type) != VIRTIO_GPU_CMD_GET_DISPLAY_INFO)
		(void)!write(gpu->jobs[1], &req, sizeof(req));
	else if (!gpu->asking && gpu_ask(gpu, &ask, sizeof(ask)))
		gpu->asking = req; /* answered in gpu_display_ready() */
	else
		vu_req_complete(req, gpu_reply(req, VIRTIO_GPU_RESP_ERR_UNSPEC));
}

static void gpu_cursor(const struct gpu *gpu, struct vu_req *req)
{
	struct virtio_gpu_update_cursor cmd;

	if (vu_req_read(req, 0, &cmd, sizeof(cmd)) == sizeof(cmd)) {
		const uint32_t msg[] = {CURSOR_POS,
					0,
					12, /* then scanout, x, y */
					le32toh(cmd.pos.scanout_id),
					le32toh(cmd.pos.x),
					le32toh(cmd.pos.y)};

		gpu_ask(gpu, msg, sizeof(msg));
	}
	vu_req_complete(req, 0);
}

static void gpu_queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) > 0) {
		if (vu_queue_index(queue) == CONTROLQ)
			gpu_control(opaque, req);
		else
			gpu_cursor(opaque, req);
	}
}

/* The display waits for this queue to stop: it will not answer now. */
static void gpu_queue_stop(struct vu_queue *queue, void *opaque)
{
	struct gpu *gpu = opaque;

	if (!gpu->asking || vu_queue_index(queue) != CONTROLQ)
		return;
	vu_req_complete(gpu->asking, gpu_reply(gpu->asking, VIRTIO_GPU_RESP_ERR_UNSPEC));
	gpu->asking = NULL;
}

static void gpu_display_ready(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct gpu *gpu = opaque;
	struct vu_req *req = gpu->asking;
	struct {
		struct gpu_msg head;
		struct virtio_gpu_resp_display_info info;
	} msg;

	/* In earnest: collected piece by piece, checked, matched with what was asked. */
	if (recv(fd, &msg, sizeof(msg), MSG_DONTWAIT) != (ssize_t)sizeof(msg) || !req)
		return;
	gpu->asking = NULL;
	vu_req_write(req, 0, &msg.info, sizeof(msg.info));
	gpu_reply(req, VIRTIO_GPU_RESP_OK_DISPLAY_INFO); /* our header over theirs */
	vu_req_complete(req, req->writable_len < sizeof(msg.info) ? req->writable_len
								  : sizeof(msg.info));
}

static void gpu_socket(struct vu_device *dev, int fd, void *opaque)
{
	struct gpu *gpu = opaque;

	vu_source_remove(gpu->source); /* a new one replaces the old */
	gpu->source = NULL;
	if (gpu->display >= 0)
		close(gpu->display);
	gpu->display = fd;
	if (vu_group_add_fd(vu_device_group(dev), fd, EPOLLIN, gpu_display_ready, gpu,
			    &gpu->source))
		vu_device_log(dev, VU_LOG_ERROR, "cannot watch the display's socket");
}

int gpu_new(struct gpu *gpu, pthread_t *renderer);

int gpu_new(struct gpu *gpu, pthread_t *renderer)
{
	const struct virtio_gpu_config config = {.num_scanouts = htole32(1)};
	const struct vu_ops ops = {
		.size = sizeof(ops), .queue_ready = gpu_queue_ready, .queue_stop = gpu_queue_stop};
	const struct vu_gpu_ops gpu_ops = {.size = sizeof(gpu_ops), .socket = gpu_socket};
	const struct vu_device_info info = {.size = sizeof(info),
					    .device_id = 16,
					    .n_queues = N_QUEUES,
					    .config = &config,
					    .config_size = sizeof(config),
					    .max_queue_size = 1024,
					    .priv_size = sizeof(struct job)};
	int err = vu_device_new(&info, &ops, gpu, &gpu->dev);

	if (!err)
		err = vu_device_set_gpu_ops(gpu->dev, &gpu_ops);
	return err ? err : -pthread_create(renderer, NULL, renderer_main, gpu);
}
