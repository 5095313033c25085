/* SPDX-License-Identifier: MIT */
/* Sound cards of the host where libasound was not there to build with. */
#include "snd_backend.h"

const struct card_backend card_alsa = {
	.name = "alsa",
	.missing = "libasound",
	.directions = SND_PLAYBACK | SND_CAPTURE,
};
