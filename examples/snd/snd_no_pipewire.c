/* SPDX-License-Identifier: MIT */
/* PipeWire where libpipewire was not there to build with. */
#include "snd_backend.h"

const struct card_backend card_pipewire = {
	.name = "pipewire",
	.missing = "libpipewire",
	.directions = SND_PLAYBACK | SND_CAPTURE,
};
