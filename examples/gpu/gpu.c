/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu: a graphics card (virtio 1.3 §5.7).
 *
 * Each command of two dimensions is done when it is answered, so fences need no more than that;
 * those of 3D are gpu_virgl.h's.  This file: the device, its queues and its configuration space.
 * Device thread.
 */
#include "gpu.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "../common/sandbox.h"

enum { GPU_ID = 16, TURN_BYTES = 32 << 20 };

#define FEATURE(name) (UINT64_C(1) << VIRTIO_GPU_F_##name)

/* Front-ends ask for 16 bytes, or for 20: the last is for blobs of the host's, which there are not.
 */
struct gpu_config {
	struct virtio_gpu_config config;
	uint32_t blob_alignment;
};

/* --- requests --- */

static void log_refusal(struct gpu *gpu, const struct command *c, uint32_t queue)
{
	const char *name = command_name(c);
	uint32_t id = command_resource(c);

	if (!*name)
		vu_device_log_peerf(gpu->dev, VU_LOG_WARNING, "queue %u: command 0x%x: %s", queue,
				    c->type, gpu->card.why);
	else if (id)
		vu_device_log_peerf(gpu->dev, VU_LOG_WARNING, "queue %u: %s: resource %u: %s",
				    queue, name, id, gpu->card.why);
	else
		vu_device_log_peerf(gpu->dev, VU_LOG_WARNING, "queue %u: %s: %s", queue, name,
				    gpu->card.why);
}

static void run(struct gpu *gpu, struct vu_req *req, struct command *c, uint32_t queue)
{
	uint32_t response;

	if (display_ask(&gpu->display, req, c))
		return; /* answered later */
	virgl_begin(&gpu->virgl);
	response = command_run(c, &gpu->card);
	if (gpu->card.why)
		log_refusal(gpu, c, queue);
	if (virgl_keep(&gpu->virgl, req, c, response))
		return;
	if (!display_hold(&gpu->display, req, c, response))
		vu_req_complete(req, command_answer(c, response));
	if (gpu->card.drawn)
		gpu_dump(gpu);
}

/* One command, or two where the first can be done better if the second is there already. */
static void serve(struct gpu *gpu, struct vu_queue *queue, struct vu_req *req)
{
	struct command *c = &gpu->commands[0], *next = &gpu->commands[1];
	uint32_t index = vu_queue_index(queue);
	struct vu_req *behind;

	command_read(c, req, index);
	if (!command_looks_ahead(c) || vu_queue_next(queue, &behind) != 1) {
		run(gpu, req, c, index);
		return;
	}
	command_read(next, behind, index);
	command_is_behind(c, next);
	run(gpu, req, c, index);
	run(gpu, behind, next, index);
}

/* Commands may be large, and others wait on this thread: the next turn goes on where one ends. */
static void take_turn(struct gpu *gpu, struct vu_queue *queue)
{
	struct vu_req *req;

	while (gpu->card.work < TURN_BYTES && !virgl_is_full(&gpu->virgl) &&
	       vu_queue_next(queue, &req) == 1)
		serve(gpu, queue, req);
}

static void end_turn(struct gpu *gpu)
{
	card_settle(&gpu->card);
	gpu_dump(gpu);
	display_flush(&gpu->display);
	virgl_flush(&gpu->virgl);
	if (gpu->card.work >= TURN_BYTES)
		vu_source_set_timer(gpu->again, 1, 0);
	gpu->card.work = 0;
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct gpu *gpu = opaque;

	if (vu_queue_index(queue) == CONTROL_QUEUE)
		virgl_go_on(&gpu->virgl);
	take_turn(gpu, queue);
	end_turn(opaque);
}

static bool hold(void *opaque, struct vu_req *req, const struct command *c, uint32_t response)
{
	struct gpu *gpu = opaque;

	return display_hold(&gpu->display, req, c, response);
}

/* The renderer has answered, or there is room for more questions. */
static void on_progress(void *opaque)
{
	struct gpu *gpu = opaque;

	for (uint32_t i = 0; i < N_QUEUES; i++)
		take_turn(gpu, vu_device_queue(gpu->dev, i));
	end_turn(gpu);
}

static void on_again(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	struct gpu *gpu = opaque;

	(void)source;
	(void)fd;
	(void)expirations;
	on_progress(gpu);
}

static void queue_stop(struct vu_queue *queue, void *opaque)
{
	struct gpu *gpu = opaque;

	/* The pointer's waits for nothing. */
	if (vu_queue_index(queue) != CONTROL_QUEUE)
		return;
	display_answer_all(&gpu->display, false);
	display_hold_end(&gpu->display);
	virgl_stop(&gpu->virgl);
}

/* --- guest memory --- */

static int map_memory(void *opaque, uint64_t addr, uint64_t len, struct iovec *iov, uint32_t max)
{
	const struct gpu *gpu = opaque;

	return gpu->memory ? vu_memory_map(gpu->memory, addr, len, iov, max) : -EFAULT;
}

static void memory_changed(struct vu_device *dev, void *opaque)
{
	struct gpu *gpu = opaque;
	struct vu_memory *old = gpu->memory;

	gpu->memory = vu_device_memory(dev);
	card_move(&gpu->card);
	vu_memory_release(old);
	/* A display is to let go of what went before the front-end hears that we have. */
	if (gpu->card.sharing.on)
		end_turn(gpu);
}

/* --- the driver's life --- */

static int started(struct vu_device *dev, void *opaque)
{
	struct gpu *gpu = opaque;

	gpu->card.three.on = !gpu->virgl.dead && vu_device_has_feature(dev, VIRTIO_GPU_F_VIRGL);
	gpu->card.three.kinds = vu_device_has_feature(dev, VIRTIO_GPU_F_CONTEXT_INIT);
	card_doubt(&gpu->card);
	window_restore(&gpu->virgl.window);
	return 0;
}

static void session_end(struct vu_device *dev, int why, void *opaque)
{
	struct gpu *gpu = opaque;

	(void)dev;
	(void)why;
	display_close(&gpu->display, NULL);
	memcpy(gpu->card.outputs, gpu->settings->outputs, sizeof(gpu->card.outputs));
	gpu->card.n_outputs = (uint32_t)gpu->settings->max_outputs;
	card_clear(&gpu->card);
	/* What that asked of it is not told: it goes with all that it has. */
	virgl_end(&gpu->virgl);
	vu_memory_release(gpu->memory);
	gpu->memory = NULL;
}

/* §5.7.4: what is written to events_clear is no event any more. */
static int config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	struct virtio_gpu_config config;

	(void)offset;
	(void)len;
	(void)opaque;
	if (!vu_config_get(dev, 0, &config, sizeof(config)) && config.events_clear) {
		config.events_read &= ~config.events_clear;
		config.events_clear = 0;
		vu_config_set(dev, 0, &config, sizeof(config));
	}
	return 0;
}

void gpu_tell_outputs(struct gpu *gpu)
{
	uint32_t events;

	if (vu_config_get(gpu->dev, offsetof(struct virtio_gpu_config, events_read), &events,
			  sizeof(events)))
		return;
	events |= htole32(VIRTIO_GPU_EVENT_DISPLAY);
	vu_config_set(gpu->dev, offsetof(struct virtio_gpu_config, events_read), &events,
		      sizeof(events));
}

/* --- the display --- */

/* Its front-end says how many outputs the driver sees, and does not tell us. */
static int set_socket(struct vu_device *dev, int fd, struct vu_answer *answer, void *opaque)
{
	struct gpu *gpu = opaque;
	int ret;

	(void)answer;
	gpu->card.n_outputs = CARD_OUTPUTS;
	if (gpu->settings->headless) {
		vu_device_close_fd(dev, fd);
		return 0;
	}
	ret = display_open(&gpu->display, fd);
	/* The card may have asked for what this one is to have. */
	virgl_flush(&gpu->virgl);
	return ret;
}

/* --- life --- */

static void mappings_lost(struct vu_device *dev, void *opaque)
{
	struct gpu *gpu = opaque;

	(void)dev;
	window_lost(&gpu->virgl.window);
}

static uint32_t count_capsets(const struct gpu *gpu)
{
	uint32_t n = 0;

	while (n < WIRE_CAPSETS && gpu->card.three.capsets[n].size)
		n++;
	return n;
}

/* All blobs have room, and more of it than pages of a few bytes each; QEMU wants a power of two. */
static uint64_t window_of(const struct gpu_settings *settings)
{
	uint64_t len = THREE_PAGE;

	while (len < settings->max_hostmem)
		len *= 2;
	return len;
}

static int make_device(struct gpu *gpu, struct vu_program *program)
{
	const bool venus = gpu->settings->venus, three = gpu_has_3d(gpu->settings);
	static const struct gpu_config writable = {.config.events_clear = UINT32_MAX};
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.started = started,
		.queue_ready = queue_ready,
		.queue_stop = queue_stop,
		.config_written = config_written,
	};
	const struct vu_gpu_ops gpu_ops = {.size = sizeof(gpu_ops), .set_socket = set_socket};
	const struct gpu_config config = {
		.config.num_scanouts = htole32(gpu->card.n_outputs),
		.config.num_capsets = htole32(count_capsets(gpu)),
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = GPU_ID,
		.n_queues = N_QUEUES,
		.features = FEATURE(EDID) | FEATURE(RESOURCE_UUID) | FEATURE(RESOURCE_BLOB) |
			    (three ? FEATURE(VIRGL) : 0) | (venus ? FEATURE(CONTEXT_INIT) : 0),
		/*
		 * Lists of memory would have addresses that nobody translates.  And what the
		 * renderer has drawn goes to memory of resources, outside of any request, where
		 * nobody marks it: a guest with 3D does not move, as its contexts could not,
		 * either.
		 */
		.forbidden = UINT64_C(1) << VU_F_ACCESS_PLATFORM |
			     (three ? UINT64_C(1) << VU_F_LOG_ALL : 0),
		.config = &config,
		.config_writable = &writable,
		.config_size = sizeof(config),
	};
	int ret = vu_program_add_device(program, &info, &ops, gpu, &gpu->dev);

	gpu->display.dev = gpu->dev;
	if (!ret)
		ret = vu_device_set_gpu_ops(gpu->dev, &gpu_ops);
	if (!ret)
		ret = vu_group_add_timer(vu_device_group(gpu->dev), on_again, gpu, &gpu->again);
	if (!ret && venus)
		ret = window_init(&gpu->virgl.window, gpu->dev, window_of(gpu->settings),
				  mappings_lost);
	if (!ret && three)
		ret = virgl_watch(&gpu->virgl, gpu->dev);
	if (!ret)
		vu_device_watch_memory(gpu->dev, memory_changed, gpu);
	if (!ret)
		vu_device_keep_memory_files(gpu->dev, gpu->settings->udmabuf >= 0);
	return ret;
}

int gpu_init(struct gpu *gpu, struct vu_program *program, uint32_t index)
{
	struct gpu_settings *s = vu_program_settings(program);
	const struct spawn_limits limits = {.shut_in = s->sandbox != SANDBOX_NONE,
					    .virgl = s->virgl,
					    .venus = s->venus,
					    .node = s->node};
	int ret;

	gpu->settings = s;
	gpu->card.n_outputs = (uint32_t)s->max_outputs;
	memcpy(gpu->card.outputs, s->outputs, sizeof(s->outputs));
	gpu->card.limits = (struct card_limits){s->max_hostmem, (uint32_t)s->max_resources};
	gpu->card.map = (struct backing_map){map_memory, gpu};
	display_init(&gpu->display);
	gpu->display.card = &gpu->card;
	gpu->display.interval = s->max_fps ? UINT64_C(1000000000) / s->max_fps : 0;
	gpu->virgl.spawner = gpu->virgl.fd = gpu->virgl.in_fd = -1;
	gpu->virgl.progress = on_progress;
	gpu->virgl.hold = hold;
	gpu->virgl.opaque = gpu;
	ret = card_init(&gpu->card);
	gpu_set_dmabuf(gpu);
	if (!ret && gpu_has_3d(s))
		ret = virgl_start(&gpu->virgl, &gpu->card, s->max_hostmem, &limits);
	if (!ret && s->dump)
		ret = vu_program_path(s->dump, index, gpu->dump, sizeof(gpu->dump));
	if (!ret)
		ret = make_device(gpu, program);
	return ret ? ret : vu_program_add_control(program, NULL, gpu, NULL);
}

void gpu_fini(struct gpu *gpu)
{
	if (gpu->dev)
		display_close(&gpu->display, NULL);
	if (gpu->display.card)
		display_fini(&gpu->display);
	if (gpu->settings)
		virgl_fini(&gpu->virgl);
	card_fini(&gpu->card);
	vu_memory_release(gpu->memory);
}
