/* SPDX-License-Identifier: MIT */
/* WAV files where libsndfile was not there to build with. */
#include <errno.h>
#include <stdio.h>

#include "snd_backend.h"

static int wav_open(struct card_stream *s, const char *value)
{
	(void)s;
	(void)value;
	fprintf(stderr, "vu-snd: wav: built without libsndfile; file=PATH has samples alone\n");
	return -ENOTSUP;
}

const struct card_backend card_wav = {
	.name = "wav",
	.directions = SND_PLAYBACK | SND_CAPTURE,
	.open = wav_open,
};
