/* SPDX-License-Identifier: MIT */
/*
 * Sound of and for PipeWire, through libpipewire-0.3.
 *
 * The graph's clock is the sink's.  Sound waits for it in a ring, LEAD of a second and what the
 * graph takes at a time; where there is more or less of it the stream's clock is moved a little, so
 * the two do not drift apart.  A ring that runs empty, or over, is an error of the stream's.  Where
 * nothing takes the sound for PATIENCE (there is no sink, or no daemon any more) it goes nowhere,
 * and silence is recorded, in the time that it takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "snd_pipewire.h"

enum { LEADS_PER_SECOND = 20, PATIENCE = 2, FOLLOW = 16, FOLLOWS_PER_SECOND = 100, SILENCE = 4096 };

static uint64_t pipewire_formats(void)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < SND_FORMATS; i++)
		if (pipewire_format(i) != SPA_AUDIO_FORMAT_UNKNOWN)
			mask |= UINT64_C(1) << i;
	return mask;
}

static int pipewire_open(struct card_stream *s, const char *value)
{
	struct pipewire *p = calloc(1, sizeof(*p));

	s->end = p;
	if (!p)
		return -ENOMEM;
	p->stream = s;
	/* The line of a description is gone by the time of the first sound. */
	p->target = value ? strdup(value) : NULL;
	if (value && !p->target)
		return -ENOMEM;
	p->plays = s->direction == VIRTIO_SND_D_OUTPUT;
	return pipewire_connect(p);
}

static void pipewire_close(struct card_stream *s)
{
	struct pipewire *p = s->end;

	if (p) {
		pipewire_disconnect(p);
		free(p->target);
	}
	free(p);
	s->end = NULL;
}

static int pipewire_opened(struct card_stream *s)
{
	return pipewire_start(s->end);
}

/* --- a sound --- */

static void pipewire_begin(struct card_stream *s)
{
	struct pipewire *p = s->end;
	int ret;

	vu_source_set_timer(p->rest, 0, 0);
	pipewire_sound_free(p); /* what is left of the sound before */
	p->began = card_now();
	p->position = p->followed = 0;
	p->flowed = p->told = false;
	if (!p->core)
		return;
	ret = pipewire_sound_new(p);
	if (ret < 0)
		vu_device_log_peerf(s->card->dev, VU_LOG_ERROR, "stream %u: pipewire: %s", s->id,
				    strerror(-ret));
}

/*
 * The graph takes or gives a chunk at a time, and means one frame after the other: of the last one
 * so many are still to come, or have come since.  moment: when it was.
 */
static uint32_t in_chunk(const struct pipewire *p, uint64_t moment, uint64_t now)
{
	uint64_t passed = now > moment ? (now - moment) * p->stream->clock.rate / SND_NS : 0;
	uint32_t chunk = p->chunk;

	passed = passed < chunk ? passed : chunk;
	return p->plays ? chunk - (uint32_t)passed : (uint32_t)passed;
}

static uint64_t pipewire_latency(struct card_stream *s)
{
	const struct pipewire *p = s->end;
	struct pw_time time = {0};
	uint64_t frames;

	if (!p->sound || !p->moment)
		return 0;
	frames = pipewire_held(p) + in_chunk(p, p->moment, card_now());
	if (!pw_stream_get_time_n(p->sound, &time, sizeof(time))) {
		frames += time.queued + time.buffered;
		if (time.delay > 0 && time.rate.denom)
			frames += (uint64_t)time.delay * time.rate.num * s->clock.rate /
				  time.rate.denom;
	}
	return frames;
}

/* What is in the ring is still to be heard. */
static void pipewire_end(struct card_stream *s)
{
	struct pipewire *p = s->end;
	uint64_t frames;

	if (!p->sound || !p->plays || p->flow != PIPEWIRE_FLOWS) {
		pipewire_sound_free(p);
		return;
	}
	frames = pipewire_latency(s) + 2 * p->chunk;
	if (vu_source_set_timer(p->rest, frames * SND_NS / s->clock.rate + 1, 0))
		pipewire_sound_free(p);
}

static uint32_t lead(const struct pipewire *p)
{
	uint32_t wanted = p->stream->clock.rate / LEADS_PER_SECOND + p->chunk;
	uint32_t most = p->size / p->frame_bytes / 2;

	return wanted < most ? wanted : most;
}

/* Silence in front of the sound; or nothing of before what is to be recorded. */
static void flow(struct pipewire *p)
{
	unsigned char silence[SILENCE];
	uint32_t frames = lead(p), most = SILENCE / p->frame_bytes;

	if (!p->plays) {
		pipewire_drop(p);
	} else {
		card_silence(p->format, silence, sizeof(silence));
		for (uint32_t n; frames && pipewire_room(p) >= frames; frames -= n) {
			n = frames < most ? frames : most;
			pipewire_put(p, silence, n * p->frame_bytes);
		}
	}
	p->flow = PIPEWIRE_FLOWS;
	p->flowed = true;
}

/* Nothing was taken, or given, for so long that nothing is waited for. */
static bool is_stalled(struct pipewire *p, uint64_t now)
{
	uint64_t last = p->moment ? p->moment : p->began;
	int flows = PIPEWIRE_FLOWS;

	if (now < last + (uint64_t)PATIENCE * SND_NS) {
		p->told = false;
		return false;
	}
	atomic_compare_exchange_strong(&p->flow, &flows, p->plays ? PIPEWIRE_FLUSH : PIPEWIRE_IDLE);
	p->flowed = false;
	if (!p->told)
		vu_device_log_peerf(
			p->stream->card->dev, VU_LOG_WARNING,
			"stream %u: pipewire: nothing %s: is there a session manager, and a %s?",
			p->stream->id, p->plays ? "takes its sound" : "is recorded",
			p->plays ? "sink" : "source");
	p->told = true;
	return true;
}

/* There are so many frames too few in hand: a part of that sooner, at most a tenth. */
static void move_clock(struct card_stream *s, int64_t frames)
{
	int64_t most = s->clock.rate / FOLLOWS_PER_SECOND / 10;

	frames /= FOLLOW;
	frames = frames > most ? most : frames < -most ? -most : frames;
	s->clock.base -= (uint64_t)(frames * SND_NS / s->clock.rate);
}

static void follow(struct pipewire *p, uint64_t now)
{
	struct card_stream *s = p->stream;
	uint64_t moment = p->moment;
	int64_t held;

	if ((int64_t)s->position - p->followed < s->clock.rate / FOLLOWS_PER_SECOND)
		return;
	held = (int64_t)pipewire_held(p) + in_chunk(p, moment, now) - (int64_t)lead(p);
	if (moment != p->moment)
		return; /* it was changed meanwhile: the next time */
	p->followed = (int64_t)s->position;
	move_clock(s, p->plays ? -held : held);
}

static uint64_t pipewire_ready(struct card_stream *s)
{
	struct pipewire *p = s->end;
	uint64_t now = card_now();
	bool again = (int64_t)s->position < p->position; /* time was restarted */

	p->position = (int64_t)s->position;
	if (!p->sound || is_stalled(p, now))
		return UINT64_MAX; /* each move fails */
	if (again)
		p->followed = 0;
	if (!p->moment || p->flow == PIPEWIRE_FLUSH)
		return 0;
	if (p->flow == PIPEWIRE_IDLE || (again && !p->plays)) {
		/* It ran dry, or over. */
		if (p->flowed && !again)
			s->n_errors++;
		flow(p);
	}
	follow(p, now);
	return p->plays ? pipewire_room(p) : pipewire_held(p);
}

static int pipewire_move(struct card_stream *s, void *bytes, uint32_t len)
{
	struct pipewire *p = s->end;

	if (!p->sound || p->told)
		return -EIO;
	if (p->plays)
		pipewire_put(p, bytes, len);
	else
		pipewire_get(p, bytes, len);
	return 0;
}

const struct card_backend card_pipewire = {
	.name = "pipewire",
	.directions = SND_PLAYBACK | SND_CAPTURE,
	.formats = pipewire_formats,
	.open = pipewire_open,
	.close = pipewire_close,
	.opened = pipewire_opened,
	.begin = pipewire_begin,
	.end = pipewire_end,
	.ready = pipewire_ready,
	.latency = pipewire_latency,
	.move = pipewire_move,
};
