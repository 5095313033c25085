/* SPDX-License-Identifier: MIT */
/* Commands for the control socket: what is shown, and what is plugged in. */
#include "gpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gpu_edid.h"

int gpu_parse_size(const char *text, struct output *output)
{
	const char *x = strchr(text, 'x');
	char width[16];
	uint64_t w, h;
	int ret;

	if (!x || (size_t)(x - text) >= sizeof(width))
		return -EINVAL;
	memcpy(width, text, (size_t)(x - text));
	width[x - text] = '\0';
	ret = vu_number_parse(width, EDID_MIN_WIDTH, EDID_MAX_SIZE, &w);
	if (!ret)
		ret = vu_number_parse(x + 1, EDID_MIN_HEIGHT, EDID_MAX_SIZE, &h);
	if (ret)
		return ret;
	output->width = (uint32_t)w;
	output->height = (uint32_t)h;
	return 0;
}

static int parse_output(struct vu_script *script, const struct gpu *gpu, const char *word,
			uint64_t *index)
{
	return vu_number_parse(word, 0, gpu->card.n_outputs - 1, index)
		       ? vu_script_failf(script, "an output, please: 0 to %u",
					 gpu->card.n_outputs - 1)
		       : 0;
}

static int state(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	const struct gpu *gpu = opaque;
	const struct card *card = &gpu->card;

	(void)n;
	(void)words;
	for (uint32_t i = 0; i < card->n_outputs; i++) {
		const struct output *o = &card->outputs[i];
		const struct screen *s = &card->screens[i];
		const struct cursor *c = &s->cursor;

		vu_script_answerf(script,
				  "output %u %s %ux%u shows %ux%u resource %u frames %" PRIu64
				  " cursor %s %d,%d hot %u,%u",
				  i, o->plugged ? "plugged" : "unplugged", o->width, o->height,
				  s->width, s->height, s->resource ? s->resource->id : 0, s->frames,
				  c->visible ? "visible" : "hidden", (int32_t)c->x, (int32_t)c->y,
				  c->hot_x, c->hot_y);
	}
	if (gpu->display.fd >= 0)
		vu_script_answerf(script, "display updates %" PRIu64 " bytes %" PRIu64,
				  gpu->display.n_updates, gpu->display.n_bytes);
	if (gpu->settings->virgl || gpu->settings->venus)
		vu_script_answerf(script, "3D contexts %u renderer %d blobs mapped %u",
				  card->three.n_contexts, gpu->virgl.fd >= 0 ? gpu->virgl.pid : 0,
				  gpu->virgl.window.n);
	vu_script_answerf(script, "resources %u bytes %" PRIu64 " of %" PRIu64, card->n_resources,
			  card->charged, card->limits.bytes);
	return 0;
}

static int screenshot(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct gpu *gpu = opaque;
	uint64_t index = 0;
	const char *why;

	if (n > 1 && parse_output(script, gpu, words[1], &index))
		return -EINVAL;
	return gpu_shot(gpu, (uint32_t)index, words[0], &why) ? vu_script_fail(script, why) : 0;
}

/* An output as these words say it is from now on. */
static int set_output(struct vu_script *script, struct gpu *gpu, uint32_t n,
		      const char *const *words, bool plugged)
{
	struct output o;
	uint64_t index;

	if (gpu->display.fd >= 0)
		return vu_script_fail(script, "the front-end's display says what is plugged in; "
					      "start it with --headless");
	if (parse_output(script, gpu, words[0], &index))
		return -EINVAL;
	o = gpu->card.outputs[index];
	o.plugged = plugged;
	if (n > 1 && gpu_parse_size(words[1], &o))
		return vu_script_failf(script, "a size, please: %dx%d to %dx%d", EDID_MIN_WIDTH,
				       EDID_MIN_HEIGHT, EDID_MAX_SIZE, EDID_MAX_SIZE);
	gpu->card.outputs[index] = o;
	gpu_tell_outputs(gpu);
	return 0;
}

static int plug(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	return set_output(script, opaque, n, words, true);
}

static int unplug(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	return set_output(script, opaque, n, words, false);
}

const struct vu_command gpu_commands[] = {
	{"state", NULL, "outputs, what they show, and how much memory that takes", 0, 0, state},
	{"screenshot", "FILE [OUTPUT]", "write what is shown to a PNG in --dir", 1, 2, screenshot},
	{"plug", "OUTPUT [WIDTHxHEIGHT]", "plug a monitor in", 1, 2, plug},
	{"resize", "OUTPUT WIDTHxHEIGHT", "plug in one of another size", 2, 2, plug},
	{"unplug", "OUTPUT", "take the monitor away", 1, 1, unplug},
	{NULL, NULL, NULL, 0, 0, NULL},
};
