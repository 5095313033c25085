/* SPDX-License-Identifier: MIT */
/*
 * Jacks and channel maps: requests about them (virtio 1.3 §5.14.6.4 and 5.14.6.9), and their
 * names.
 */
#include "snd.h"

#include <endian.h>
#include <string.h>

enum { LINE_IN = 8 }; /* and all behind it */
/* HDA 7.3.3.31: the default device is in these bits; 7.3.4.9: what a pin can do. */
enum { DEVICE_SHIFT = 20, PRESENCE_DETECT = 1 << 2, OUTPUT = 1 << 4, INPUT = 1 << 5 };

const char *const card_jack_kinds[] = {
	"line-out",    "speaker",    "headphone", "cd",		"spdif-out",
	"digital-out", "modem-line", "handset",	  "line-in",	"aux",
	"mic",	       "telephony",  "spdif-in",  "digital-in", NULL,
};

const char *const card_positions[] = {
	"NONE", "NA",  "MONO", "FL",   "FR",  "RL",  "RR",  "FC",  "LFE",  "SL",
	"SR",	"RC",  "FLC",  "FRC",  "RLC", "RRC", "FLW", "FRW", "FLH",  "FCH",
	"FRH",	"TC",  "TFL",  "TFR",  "TFC", "TRL", "TRR", "TRC", "TFLC", "TFRC",
	"TSL",	"TSR", "LLFE", "RLFE", "BC",  "BLC", "BRC", NULL,
};

static void jack_fill(const struct card *card, uint32_t id, void *info, size_t size)
{
	const struct card_jack *j = &card->jacks[id];
	const struct virtio_snd_jack_info jack = {
		.hdr.hda_fn_nid = htole32(j->device),
		.hda_reg_defconf = htole32((uint32_t)j->kind << DEVICE_SHIFT),
		.hda_reg_caps = htole32(PRESENCE_DETECT | (j->kind < LINE_IN ? OUTPUT : INPUT)),
		.connected = j->connected,
	};

	(void)size;
	memcpy(info, &jack, sizeof(jack));
}

uint32_t card_jack_info(struct card_ask *ask)
{
	return card_query(ask, ask->card->n_jacks, sizeof(struct virtio_snd_jack_info), jack_fill);
}

/* None offers VIRTIO_SND_JACK_F_REMAP. */
uint32_t card_jack_remap(struct card_ask *ask)
{
	(void)ask;
	return VIRTIO_SND_S_NOT_SUPP;
}

static void chmap_fill(const struct card *card, uint32_t id, void *info, size_t size)
{
	const struct card_chmap *c = &card->chmaps[id];
	struct virtio_snd_chmap_info chmap = {
		.hdr.hda_fn_nid = htole32(c->device),
		.direction = c->direction,
		.channels = c->channels,
	};

	(void)size;
	memcpy(chmap.positions, c->positions, sizeof(chmap.positions));
	memcpy(info, &chmap, sizeof(chmap));
}

uint32_t card_chmap_info(struct card_ask *ask)
{
	return card_query(ask, ask->card->n_chmaps, sizeof(struct virtio_snd_chmap_info),
			  chmap_fill);
}
