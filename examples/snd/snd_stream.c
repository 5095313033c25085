/* SPDX-License-Identifier: MIT */
/*
 * The life of a stream (virtio 1.3 §5.14.6.6), and its clock.
 *
 * A message is played or recorded frame by frame as time goes by, and completed when its last frame
 * is: never before, and late only by as much as this thread is.  Where a frame's time lies follows
 * from its number alone, so being late does not add up.
 *
 * Time restarts where there was nothing to play or nowhere to record to (the stream ran dry), and
 * where this process was held up so long that it would have to play most of the driver's buffer at
 * once: the driver cannot fill that in time, so the sound is late rather than torn.  And it stands
 * still while the back-end is not ready, whose clock may be another.
 */
#include "snd_backend.h"

/* Long messages are played in slices: a stop is exact, and no callback takes long. */
enum { SLICES_PER_SECOND = 10 };

/* --- the clock --- */

static uint64_t clock_frames(const struct card_clock *c, uint64_t now)
{
	uint64_t ns = now > c->base ? now - c->base : 0;

	return ns / SND_NS * c->rate + ns % SND_NS * c->rate / SND_NS;
}

/* When the frame of this number begins: the first moment at which clock_frames() says so. */
static uint64_t clock_time(const struct card_clock *c, uint64_t frame)
{
	return c->base + frame / c->rate * SND_NS +
	       (frame % c->rate * SND_NS + c->rate - 1) / c->rate;
}

static uint64_t stream_ns(const struct card_stream *s, uint64_t bytes)
{
	return bytes / s->frame_bytes * SND_NS / s->clock.rate;
}

static void clock_restart(struct card_stream *s, uint64_t now)
{
	s->clock.base = now;
	s->position = 0;
	s->dry = false;
	s->xrun_told = false;
}

/* --- what is due --- */

static void stream_run_dry(struct card_stream *s, uint64_t now)
{
	if (!s->dry) {
		s->dry = true;
		s->dry_since = clock_time(&s->clock, s->position);
	}
	/* The end of a sound looks the same, but a driver then stops the stream at once. */
	if (s->xrun_told || s->inherited ||
	    now < s->dry_since + stream_ns(s, s->params.buffer_bytes))
		return;
	s->xrun_told = true;
	s->n_xruns++;
	if (s->params.features & 1u << VIRTIO_SND_PCM_F_EVT_XRUNS)
		s->xrun_owed = true;
}

/* This process was held up. */
static void stream_excuse(struct card_stream *s, uint64_t now)
{
	if (!s->wake || TAILQ_EMPTY(&s->msgs) ||
	    now <= s->wake + stream_ns(s, s->params.buffer_bytes / 2))
		return;
	s->clock.base += now - s->wake;
	s->n_slips++;
}

static void stream_plan(struct card_stream *s)
{
	const struct card_msg *m = TAILQ_FIRST(&s->msgs);
	uint64_t frames, slice = s->clock.rate / SLICES_PER_SECOND;

	s->wake = 0;
	if (m) {
		frames = (m->len - m->done) / s->frame_bytes;
		s->wake = clock_time(&s->clock, s->position + (frames < slice ? frames : slice));
	} else if (!s->xrun_told && !s->inherited) {
		s->wake = s->dry_since + stream_ns(s, s->params.buffer_bytes);
	}
}

/* Bytes that were played and are still to be heard, or were recorded meanwhile. */
static uint32_t stream_latency(struct card_stream *s, uint64_t due)
{
	uint64_t frames = s->backend->latency ? s->backend->latency(s) : 0, bytes;

	if (s->direction == VIRTIO_SND_D_INPUT)
		frames += due - s->position;
	bytes = frames * s->frame_bytes;
	return bytes < s->params.buffer_bytes ? (uint32_t)bytes : s->params.buffer_bytes;
}

/* How many of these frames the message and the back-end can have now. */
static uint64_t stream_ready(struct card_stream *s, const struct card_msg *m, uint64_t frames)
{
	uint64_t left = (m->len - m->done) / s->frame_bytes;
	uint64_t ready = s->backend->ready ? s->backend->ready(s) : frames;

	if (frames > left)
		frames = left;
	return frames < ready ? frames : ready;
}

void card_stream_advance(struct card_stream *s, uint64_t now)
{
	struct card_msg *m;
	uint64_t due;

	if (s->state != SND_RUNNING || s->frozen)
		return;
	stream_excuse(s, now);
	due = clock_frames(&s->clock, now);
	while ((m = TAILQ_FIRST(&s->msgs)) && s->position < due) {
		uint64_t n = stream_ready(s, m, due - s->position);

		if (!n) { /* time stands still */
			s->clock.base += now - clock_time(&s->clock, s->position);
			break;
		}
		card_move(s, m, n);
		s->position += n;
		s->frames += n;
		if (m->done == m->len)
			card_msg_complete(s, m, stream_latency(s, due));
	}
	if (!m)
		stream_run_dry(s, now);
	stream_plan(s);
}

void card_stream_add(struct card_stream *s, struct card_msg *m, uint64_t now)
{
	if (TAILQ_EMPTY(&s->msgs) && s->head_done < m->len)
		m->done = s->head_done; /* it was here before */
	s->head_done = 0;
	s->inherited = false; /* a new driver says first what it wants */
	TAILQ_INSERT_TAIL(&s->msgs, m, link);
	if (s->state != SND_RUNNING || s->frozen)
		return;
	if (s->dry)
		clock_restart(s, now);
	stream_plan(s);
}

/* --- its life --- */

void card_stream_init(struct card_stream *s, struct card *card, uint32_t id)
{
	s->card = card;
	s->id = id;
	TAILQ_INIT(&s->msgs);
	TAILQ_INIT(&s->stuck);
}

void card_stream_release(struct card_stream *s)
{
	card_flush(s);
	if (s->state > SND_SET && s->backend->end)
		s->backend->end(s);
	if (s->state > SND_SET)
		s->state = SND_SET;
	s->head_done = 0;
	s->wake = 0;
	s->inherited = s->xrun_owed = false;
}

void card_stream_reset(struct card_stream *s)
{
	card_stream_release(s);
	s->state = SND_IDLE;
}

void card_stream_set(struct card_stream *s, const struct card_params *params)
{
	card_stream_release(s);
	s->params = *params;
	s->frame_bytes = card_frame_bytes(params->format, params->channels);
	s->clock.rate = card_rates[params->rate];
	s->state = SND_SET;
}

void card_stream_prepare(struct card_stream *s)
{
	card_stream_release(s);
	s->state = SND_PREPARED;
	if (s->backend->begin)
		s->backend->begin(s);
}

void card_stream_start(struct card_stream *s, uint64_t now)
{
	s->state = SND_RUNNING;
	s->inherited = false;
	clock_restart(s, now);
	card_stream_advance(s, now);
}

/* What was due has been played, see card_catch_up(). */
void card_stream_stop(struct card_stream *s)
{
	s->state = SND_STOPPED;
	s->inherited = false;
	s->wake = 0;
}

void card_stream_freeze(struct card_stream *s)
{
	s->frozen = true;
	s->inherited = s->state != SND_IDLE;
	s->wake = 0;
}

void card_stream_thaw(struct card_stream *s, uint64_t now)
{
	s->frozen = false;
	if (s->state != SND_RUNNING)
		return;
	clock_restart(s, now);
	card_stream_advance(s, now);
}
