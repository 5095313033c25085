/* SPDX-License-Identifier: MIT */
/*
 * What a playback stream plays is recorded, bit by bit, if both have the same parameters; else
 * there is silence.
 *
 * Each of them has a clock, whose frames begin at other moments.  The recording waits for what is
 * being played, so that it has no gaps where there is something in a moment.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snd_backend.h"

enum { HELD = 1 << 20 };

struct loopback {
	uint64_t source; /* the playback stream's number */
	bool listening;
	uint32_t at, len; /* what is held: from where on, how much */
	unsigned char held[HELD];
};

static int loopback_open(struct card_stream *s, const char *value)
{
	struct loopback *l = calloc(1, sizeof(*l));
	const struct card *card = s->card;

	s->end = l;
	if (!l)
		return -ENOMEM;
	if (value && vu_number_parse(value, 0, SND_MAX_ITEMS, &l->source)) {
		fprintf(stderr, "vu-snd: which stream?  loopback=N, its number, from 0\n");
		return -EINVAL;
	}
	if (l->source < card->n_streams &&
	    card->streams[l->source].direction == VIRTIO_SND_D_OUTPUT)
		return 0;
	fprintf(stderr, "vu-snd: loopback: stream %u is no playback described before\n",
		(unsigned int)l->source);
	return -EINVAL;
}

static void loopback_close(struct card_stream *s)
{
	free(s->end);
	s->end = NULL;
}

static void loopback_begin(struct card_stream *s)
{
	struct loopback *l = s->end;

	l->listening = true;
	l->at = l->len = 0;
}

static void loopback_end(struct card_stream *s)
{
	((struct loopback *)s->end)->listening = false;
}

static bool loopback_matches(const struct card_stream *a, const struct card_stream *b)
{
	return a->params.format == b->params.format && a->params.channels == b->params.channels &&
	       a->params.rate == b->params.rate;
}

/* What nobody reads is forgotten, the oldest first. */
static void loopback_hold(struct loopback *l, uint32_t frame, const unsigned char *bytes,
			  uint32_t len)
{
	uint32_t most = HELD / frame * frame;

	if (len > most - l->len) {
		uint32_t lost = len - (most - l->len);

		l->at = (l->at + lost) % HELD;
		l->len -= lost;
	}
	for (uint32_t done = 0; done < len;) {
		uint32_t to = (l->at + l->len) % HELD, n = len - done;

		if (n > HELD - to)
			n = HELD - to;
		memcpy(l->held + to, bytes + done, n);
		l->len += n;
		done += n;
	}
}

void card_loopback_heard(struct card_stream *played, const void *bytes, uint32_t len)
{
	struct card *card = played->card;

	for (uint32_t i = 0; i < card->n_streams; i++) {
		struct card_stream *s = &card->streams[i];
		struct loopback *l = s->end;

		if (s->backend == &card_loopback && l->listening && l->source == played->id &&
		    s->state == SND_RUNNING && loopback_matches(s, played))
			loopback_hold(l, s->frame_bytes, bytes, len);
	}
}

static void loopback_read(struct loopback *l, unsigned char *bytes, uint32_t len)
{
	for (uint32_t done = 0; done < len;) {
		uint32_t n = len - done;

		if (n > HELD - l->at)
			n = HELD - l->at;
		memcpy(bytes + done, l->held + l->at, n);
		l->at = (l->at + n) % HELD;
		l->len -= n;
		done += n;
	}
}

static uint64_t loopback_ready(struct card_stream *s)
{
	const struct loopback *l = s->end;
	const struct card_stream *source = &s->card->streams[l->source];
	bool sounds = source->state == SND_RUNNING && !source->frozen && !source->dry &&
		      loopback_matches(s, source);

	return sounds ? l->len / s->frame_bytes : UINT64_MAX;
}

static int loopback_move(struct card_stream *s, void *bytes, uint32_t len)
{
	struct loopback *l = s->end;
	uint32_t n = l->len < len ? l->len : len;

	loopback_read(l, bytes, n);
	card_silence(s->params.format, (unsigned char *)bytes + n, len - n);
	return 0;
}

const struct card_backend card_loopback = {
	.name = "loopback",
	.directions = SND_CAPTURE,
	.open = loopback_open,
	.close = loopback_close,
	.begin = loopback_begin,
	.end = loopback_end,
	.ready = loopback_ready,
	.move = loopback_move,
};
