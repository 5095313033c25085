/* SPDX-License-Identifier: MIT */
/* Sound cards of the host where libasound was not there to build with. */
#include <errno.h>
#include <stdio.h>

#include "snd_backend.h"

static int alsa_open(struct card_stream *s, const char *value)
{
	(void)s;
	(void)value;
	fprintf(stderr, "vu-snd: alsa: built without libasound\n");
	return -ENOTSUP;
}

const struct card_backend card_alsa = {
	.name = "alsa",
	.directions = SND_PLAYBACK | SND_CAPTURE,
	.open = alsa_open,
};
