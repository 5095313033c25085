/* SPDX-License-Identifier: MIT */
/*
 * What volumes and switches do to sound: samples are multiplied where they are numbers, and where
 * they are none all that can be done is silence.  Full volume leaves every bit as it is.
 */
#include <math.h>
#include <string.h>

#include "snd.h"

#define DECIBELS_PER_STEP 0.6

static double ctl_gain(const struct card_ctl *c, uint32_t channel)
{
	uint32_t value = c->values[channel < c->count ? channel : c->count - 1u];

	if (c->kind != SND_VOLUME || !value)
		return value ? 1 : 0;
	return pow(10, ((double)value - SND_CTL_LOUDEST) * DECIBELS_PER_STEP / 20);
}

/* Of each channel; false: all of them are 1. */
static bool stream_gains(const struct card_stream *s, double *gains)
{
	bool all = true;

	for (uint32_t channel = 0; channel < s->params.channels; channel++) {
		gains[channel] = 1;
		for (uint32_t i = 0; i < s->card->n_ctls; i++) {
			const struct card_ctl *c = &s->card->ctls[i];

			if (c->kind != SND_CHOICE && c->direction == s->direction &&
			    c->device == s->device)
				gains[channel] *= ctl_gain(c, channel);
		}
		all = all && gains[channel] >= 1;
	}
	return !all;
}

static void scale(const struct card_stream *s, const double *gains, unsigned char *bytes,
		  uint32_t len)
{
	const struct card_format *format = &card_formats[s->params.format];
	uint32_t size = format->bits / 8, channel = 0;

	for (uint32_t at = 0; at < len; at += size) {
		double gain = gains[channel];

		if (gain <= 0)
			card_silence(s->params.format, bytes + at, size);
		else if (gain < 1)
			card_sample_put(format, bytes + at,
					card_sample_get(format, bytes + at) * gain);
		if (++channel == s->params.channels)
			channel = 0;
	}
}

void card_gain_apply(const struct card_stream *s, unsigned char *bytes, uint32_t len)
{
	double gains[SND_MAX_CHANNELS];
	bool silent = true;

	if (!stream_gains(s, gains))
		return;
	for (uint32_t channel = 0; channel < s->params.channels; channel++)
		silent = silent && gains[channel] <= 0;
	if (silent)
		card_silence(s->params.format, bytes, len);
	else if (card_formats[s->params.format].kind != SND_CODED)
		scale(s, gains, bytes, len);
}
