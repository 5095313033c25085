/* SPDX-License-Identifier: MIT */
/* WAV files where libsndfile was not there to build with. */
#include "snd_backend.h"

const struct card_backend card_wav = {
	.name = "wav",
	.missing = "libsndfile; file=PATH has samples alone",
	.directions = SND_PLAYBACK | SND_CAPTURE,
};
