/* SPDX-License-Identifier: MIT */
/*
 * Sound cards of the host, and what else ALSA knows by a name, through libasound.
 *
 * It is opened before the process shuts itself in, and kept open.  A stream offers what the card
 * can do.  The card has a clock of its own: LEAD of a second is kept in its buffer, and where there
 * is more or less of it the stream's clock is moved a little; so the two do not drift apart.  What
 * the card did not play in time, or nobody read in time, is an error of the stream's.
 */
#include <alsa/asoundlib.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "snd_backend.h"

enum { LEADS_PER_SECOND = 20, BUFFER_US = 200000, FOLLOW = 16, FOLLOWS_PER_SECOND = 100 };

static const snd_pcm_format_t formats[SND_FORMATS] = {
	SND_PCM_FORMAT_IMA_ADPCM,
	SND_PCM_FORMAT_MU_LAW,
	SND_PCM_FORMAT_A_LAW,
	SND_PCM_FORMAT_S8,
	SND_PCM_FORMAT_U8,
	SND_PCM_FORMAT_S16_LE,
	SND_PCM_FORMAT_U16_LE,
	SND_PCM_FORMAT_S18_3LE,
	SND_PCM_FORMAT_U18_3LE,
	SND_PCM_FORMAT_S20_3LE,
	SND_PCM_FORMAT_U20_3LE,
	SND_PCM_FORMAT_S24_3LE,
	SND_PCM_FORMAT_U24_3LE,
	SND_PCM_FORMAT_S20_LE,
	SND_PCM_FORMAT_U20_LE,
	SND_PCM_FORMAT_S24_LE,
	SND_PCM_FORMAT_U24_LE,
	SND_PCM_FORMAT_S32_LE,
	SND_PCM_FORMAT_U32_LE,
	SND_PCM_FORMAT_FLOAT_LE,
	SND_PCM_FORMAT_FLOAT64_LE,
	SND_PCM_FORMAT_DSD_U8,
	SND_PCM_FORMAT_DSD_U16_LE,
	SND_PCM_FORMAT_DSD_U32_LE,
	SND_PCM_FORMAT_IEC958_SUBFRAME_LE,
};

struct alsa {
	snd_pcm_t *pcm;
	snd_pcm_uframes_t buffer; /* frames; 0: no parameters */
	uint64_t followed;	  /* the position at which the clock was moved last */
	bool failed;		  /* and that was told */
};

static int alsa_fail(struct card_stream *s, const char *what, long error)
{
	struct alsa *a = s->end;

	if (!a->failed)
		vu_device_log_peerf(s->card->dev, VU_LOG_ERROR, "stream %u: alsa: %s: %s", s->id,
				    what, snd_strerror((int)error));
	a->failed = true;
	return -EIO;
}

/* --- what it can do --- */

static int alsa_offer(struct card_stream *s)
{
	struct alsa *a = s->end;
	unsigned int min = 0, max = 0;
	snd_pcm_hw_params_t *hw;

	snd_pcm_hw_params_alloca(&hw);
	if (snd_pcm_hw_params_any(a->pcm, hw) < 0 ||
	    snd_pcm_hw_params_set_access(a->pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED) < 0 ||
	    snd_pcm_hw_params_get_channels_min(hw, &min) < 0 ||
	    snd_pcm_hw_params_get_channels_max(hw, &max) < 0)
		return -EINVAL;
	for (int i = 0; i < SND_FORMATS; i++)
		if (snd_pcm_hw_params_test_format(a->pcm, hw, formats[i]))
			s->formats &= ~(UINT64_C(1) << i);
	for (int i = 0; i < SND_RATES; i++)
		if (snd_pcm_hw_params_test_rate(a->pcm, hw, card_rates[i], 0))
			s->rates &= ~(UINT64_C(1) << i);
	if (s->channels_min < min)
		s->channels_min = min > UINT8_MAX ? UINT8_MAX : (uint8_t)min;
	if (s->channels_max > max)
		s->channels_max = (uint8_t)max;
	return s->formats && s->rates && s->channels_min <= s->channels_max ? 0 : -EINVAL;
}

static int alsa_open(struct card_stream *s, const char *value)
{
	struct alsa *a = calloc(1, sizeof(*a));
	const char *name = value ? value : "default";
	int ret;

	s->end = a;
	if (!a)
		return -ENOMEM;
	ret = snd_pcm_open(&a->pcm, name,
			   s->direction == VIRTIO_SND_D_OUTPUT ? SND_PCM_STREAM_PLAYBACK
							       : SND_PCM_STREAM_CAPTURE,
			   SND_PCM_NONBLOCK);
	if (ret < 0) {
		fprintf(stderr, "vu-snd: alsa=%s: %s\n", name, snd_strerror(ret));
		return ret;
	}
	ret = alsa_offer(s);
	if (ret)
		fprintf(stderr, "vu-snd: alsa=%s: it can do nothing of what is described\n", name);
	return ret;
}

static void alsa_close(struct card_stream *s)
{
	struct alsa *a = s->end;

	if (a && a->pcm)
		snd_pcm_close(a->pcm);
	free(a);
	s->end = NULL;
}

/* --- a sound --- */

static snd_pcm_uframes_t lead(const struct card_stream *s)
{
	const struct alsa *a = s->end;
	snd_pcm_uframes_t wanted = s->clock.rate / LEADS_PER_SECOND;

	return wanted < a->buffer / 2 ? wanted : a->buffer / 2;
}

static int alsa_set_software(struct card_stream *s, struct alsa *a)
{
	snd_pcm_sw_params_t *sw;
	int ret;

	snd_pcm_sw_params_alloca(&sw);
	ret = snd_pcm_sw_params_current(a->pcm, sw);
	if (!ret) /* it starts when the lead is there, see alsa_fill() */
		ret = snd_pcm_sw_params_set_start_threshold(
			a->pcm, sw, s->direction == VIRTIO_SND_D_OUTPUT ? lead(s) : 1);
	return ret ? ret : snd_pcm_sw_params(a->pcm, sw);
}

static int alsa_set(struct card_stream *s, struct alsa *a)
{
	unsigned int us = BUFFER_US;
	snd_pcm_hw_params_t *hw;
	int ret;

	snd_pcm_hw_params_alloca(&hw);
	ret = snd_pcm_hw_params_any(a->pcm, hw);
	if (ret >= 0)
		ret = snd_pcm_hw_params_set_access(a->pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
	if (ret >= 0)
		ret = snd_pcm_hw_params_set_format(a->pcm, hw, formats[s->params.format]);
	if (ret >= 0)
		ret = snd_pcm_hw_params_set_channels(a->pcm, hw, s->params.channels);
	if (ret >= 0)
		ret = snd_pcm_hw_params_set_rate(a->pcm, hw, s->clock.rate, 0);
	if (ret >= 0)
		ret = snd_pcm_hw_params_set_buffer_time_near(a->pcm, hw, &us, NULL);
	if (ret >= 0)
		ret = snd_pcm_hw_params(a->pcm, hw);
	if (ret >= 0)
		ret = snd_pcm_hw_params_get_buffer_size(hw, &a->buffer);
	return ret < 0 ? ret : alsa_set_software(s, a);
}

/* The lead: silence in front of the sound. */
static int alsa_fill(struct card_stream *s, struct alsa *a)
{
	size_t len = lead(s) * s->frame_bytes;
	unsigned char *silence = malloc(len);
	snd_pcm_sframes_t n = 0;

	if (!silence)
		return -ENOMEM;
	card_silence(s->params.format, silence, len);
	n = snd_pcm_writei(a->pcm, silence, lead(s));
	free(silence);
	return n < 0 ? (int)n : 0;
}

/* Also after the card ran dry. */
static int alsa_go(struct card_stream *s, struct alsa *a)
{
	int ret = snd_pcm_prepare(a->pcm);

	if (ret < 0)
		return ret;
	return s->direction == VIRTIO_SND_D_OUTPUT ? alsa_fill(s, a) : snd_pcm_start(a->pcm);
}

static void alsa_begin(struct card_stream *s)
{
	struct alsa *a = s->end;
	int ret;

	snd_pcm_drop(a->pcm); /* what is left of the sound before */
	a->buffer = 0;
	a->followed = 0;
	ret = alsa_set(s, a);
	if (ret < 0)
		alsa_fail(s, "its parameters", ret);
}

/* What is in the card's buffer is still to be heard. */
static void alsa_end(struct card_stream *s)
{
	struct alsa *a = s->end;

	if (s->direction == VIRTIO_SND_D_OUTPUT)
		snd_pcm_drain(a->pcm);
	else
		snd_pcm_drop(a->pcm);
}

/* There are so many frames too few in hand: a part of that sooner, at most a tenth. */
static void alsa_follow(struct card_stream *s, struct alsa *a, int64_t frames)
{
	int64_t most = s->clock.rate / FOLLOWS_PER_SECOND / 10;

	if (s->position < a->followed)
		a->followed = 0; /* time was restarted */
	if (s->position - a->followed < s->clock.rate / FOLLOWS_PER_SECOND)
		return;
	a->followed = s->position;
	frames /= FOLLOW;
	frames = frames > most ? most : frames < -most ? -most : frames;
	s->clock.base -= (uint64_t)(frames * SND_NS / s->clock.rate);
}

static uint64_t alsa_ready(struct card_stream *s)
{
	struct alsa *a = s->end;
	snd_pcm_sframes_t n;
	int64_t held;

	if (!a->buffer)
		return UINT64_MAX; /* each move fails */
	if (snd_pcm_state(a->pcm) != SND_PCM_STATE_RUNNING) {
		n = alsa_go(s, a);
		if (n < 0)
			alsa_fail(s, "starting", n);
	}
	n = snd_pcm_avail_update(a->pcm);
	if (n < 0)
		return UINT64_MAX; /* the next move finds out why */
	held = s->direction == VIRTIO_SND_D_OUTPUT ? (int64_t)a->buffer - n : n;
	/* A plug-in without a clock holds nothing, or always all. */
	if (held > 0 && held < (int64_t)a->buffer)
		alsa_follow(s, a,
			    s->direction == VIRTIO_SND_D_OUTPUT ? (int64_t)lead(s) - held
								: held - (int64_t)lead(s));
	return (uint64_t)n;
}

static int alsa_move(struct card_stream *s, void *bytes, uint32_t len)
{
	struct alsa *a = s->end;
	snd_pcm_uframes_t frames = len / s->frame_bytes;
	snd_pcm_sframes_t n;

	if (!a->buffer)
		return -EIO;
	n = s->direction == VIRTIO_SND_D_OUTPUT ? snd_pcm_writei(a->pcm, bytes, frames)
						: snd_pcm_readi(a->pcm, bytes, frames);
	if (n == -EPIPE || n == -ESTRPIPE) { /* it ran dry, or over; it begins again */
		alsa_go(s, a);
		return -EIO;
	}
	if (n != (snd_pcm_sframes_t)frames)
		return alsa_fail(s, "moving sound", n < 0 ? n : -EAGAIN);
	a->failed = false;
	return 0;
}

static uint64_t alsa_latency(struct card_stream *s)
{
	snd_pcm_sframes_t frames = 0;

	if (snd_pcm_delay(((struct alsa *)s->end)->pcm, &frames) < 0 || frames < 0)
		return 0;
	return (uint64_t)frames;
}

const struct card_backend card_alsa = {
	.name = "alsa",
	.directions = SND_PLAYBACK | SND_CAPTURE,
	.open = alsa_open,
	.close = alsa_close,
	.begin = alsa_begin,
	.end = alsa_end,
	.ready = alsa_ready,
	.latency = alsa_latency,
	.move = alsa_move,
};
