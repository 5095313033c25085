/* SPDX-License-Identifier: MIT */
/* PipeWire where libpipewire was not there to build with. */
#include <errno.h>
#include <stdio.h>

#include "snd_backend.h"

static int pipewire_open(struct card_stream *s, const char *value)
{
	(void)s;
	(void)value;
	fprintf(stderr, "vu-snd: pipewire: built without libpipewire\n");
	return -ENOTSUP;
}

const struct card_backend card_pipewire = {
	.name = "pipewire",
	.directions = SND_PLAYBACK | SND_CAPTURE,
	.open = pipewire_open,
};
