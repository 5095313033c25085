/* SPDX-License-Identifier: MIT */
/* See gpu.h: what dma-bufs are made of, and what the log says of them. */
#include "gpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gpu_udmabuf.h"

void gpu_open_udmabuf(struct gpu_settings *s)
{
	int fd;

	if (!s->dmabuf || s->headless || s->udmabuf >= 0)
		return;
	fd = udmabuf_open();
	if (fd < 0)
		fprintf(stderr,
			"vu-gpu: --dmabuf: %s: %s: pictures%s are copied (it is "
			"Linux's module udmabuf)\n",
			UDMABUF_DEVICE, strerror(-fd), s->node ? " but 3D's" : "");
	s->udmabuf = fd < 0 ? -1 : fd;
}

static int file(void *opaque, uint64_t addr, uint64_t *offset)
{
	const struct gpu *gpu = opaque;

	return gpu->memory ? vu_memory_file(gpu->memory, addr, offset) : -ENOENT;
}

static int make(void *opaque, const struct udmabuf_create_list *list)
{
	const struct gpu *gpu = opaque;

	return udmabuf_make(gpu->settings->udmabuf, list);
}

static void say(void *opaque, const char *what, uint32_t id, const struct share_problem *problem)
{
	const struct gpu *gpu = opaque;

	if (!problem)
		vu_device_log_peerf(gpu->dev, VU_LOG_INFO, "%s %u: it is shown as a dma-buf", what,
				    id);
	else
		vu_device_log_peerf(gpu->dev, VU_LOG_INFO,
				    "%s %u: it is copied, and not shown as a dma-buf: %s%s%s", what,
				    id, problem->why, problem->error ? ": " : "",
				    problem->error ? strerror(problem->error) : "");
}

void gpu_set_dmabuf(struct gpu *gpu)
{
	const struct gpu_settings *s = gpu->settings;

	gpu->card.sharing = (struct sharing){
		.copies = s->dir,
		.exports = s->node,
		.file = file,
		.make = s->udmabuf >= 0 ? make : NULL,
		.say = say,
		.opaque = gpu,
	};
	gpu->display.takes = s->dmabuf;
}
