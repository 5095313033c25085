/* SPDX-License-Identifier: MIT */
/* A sine, at half of what can be, on all channels. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "snd_backend.h"

enum { MAX_HZ = 192000 };

struct tone {
	uint64_t hz;
	uint64_t frame; /* since the recording began */
};

static int tone_open(struct card_stream *s, const char *value)
{
	struct tone *t = calloc(1, sizeof(*t));

	s->end = t;
	if (!t)
		return -ENOMEM;
	t->hz = 440;
	if (!value || !vu_number_parse(value, 1, MAX_HZ, &t->hz))
		return 0;
	fprintf(stderr, "vu-snd: which tone?  tone=HZ, from 1 to %d\n", MAX_HZ);
	return -EINVAL;
}

static void tone_close(struct card_stream *s)
{
	free(s->end);
	s->end = NULL;
}

static void tone_begin(struct card_stream *s)
{
	((struct tone *)s->end)->frame = 0;
}

static int tone_move(struct card_stream *s, void *bytes, uint32_t len)
{
	const struct card_format *format = &card_formats[s->params.format];
	uint32_t rate = s->clock.rate, size = format->bits / 8;
	struct tone *t = s->end;
	unsigned char *at = bytes;

	for (uint32_t i = 0; i < len / s->frame_bytes; i++) {
		/* Whole turns are left out, so it is as exact after a day. */
		double turn = (double)(t->frame++ % rate * (t->hz % rate) % rate) / rate;
		double value = sin(turn * 2 * M_PI) / 2;

		for (uint32_t c = 0; c < s->params.channels; c++, at += size)
			card_sample_put(format, at, value);
	}
	return 0;
}

const struct card_backend card_tone = {
	.name = "tone",
	.directions = SND_CAPTURE,
	.formats = card_format_linear,
	.open = tone_open,
	.close = tone_close,
	.begin = tone_begin,
	.move = tone_move,
};
