/* SPDX-License-Identifier: MIT */
/* See gpu.h: what is shown, in files of --dir, which is all that there is of the file system. */
#include "gpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gpu_picture.h"

/* The name in --dir that a path or a name means; NULL: none. */
static const char *name_in(const struct gpu_settings *s, const char *file)
{
	size_t len = s->outside ? strlen(s->outside) : 0;

	if (len && !strncmp(file, s->outside, len) && file[len] == '/')
		file += len + 1;
	return *file && !strchr(file, '/') && strcmp(file, ".") && strcmp(file, "..") ? file : NULL;
}

int gpu_shot(struct gpu *gpu, uint32_t screen, const char *file, const char **why)
{
	const struct screen *s = &gpu->card.screens[screen];
	const char *name = name_in(gpu->settings, file);
	int ret;

	*why = "start it with --dir: pictures are written there and nowhere else";
	if (gpu->settings->folder < 0)
		return -ENOENT;
	*why = "the name of a file in --dir, please";
	if (!name)
		return -EINVAL;
	*why = "nothing is shown there";
	if (!s->resource)
		return -ENODATA;
	ret = picture_write(gpu->settings->folder, name, s->pixels, s->width, s->height);
	*why = ret ? strerror(-ret) : NULL;
	return ret;
}

static void dump_screen(struct gpu *gpu, uint32_t index)
{
	const struct gpu_settings *settings = gpu->settings;
	const struct screen *s = &gpu->card.screens[index];
	char name[sizeof(gpu->dump) + 64];
	int ret;

	snprintf(name, sizeof(name), "%s-%u-%06llu.png", gpu->dump, index,
		 (unsigned long long)(gpu->dumped[index]++ % settings->dump_count));
	ret = picture_write(settings->folder, name, s->pixels, s->width, s->height);
	if (ret && ret != gpu->dump_error)
		vu_device_logf(gpu->dev, VU_LOG_WARNING, "--dump: %s: %s", name, strerror(-ret));
	gpu->dump_error = ret;
}

void gpu_dump(struct gpu *gpu)
{
	uint32_t drawn = gpu->card.drawn;

	gpu->card.drawn = 0;
	for (uint32_t i = 0; drawn && gpu->settings->dump && i < gpu->card.n_outputs; i++)
		if (drawn >> i & 1 && gpu->card.screens[i].resource)
			dump_screen(gpu, i);
}
