/* SPDX-License-Identifier: MIT */
/*
 * Control elements: volumes, switches, and choices (virtio 1.3 §5.14.6.10), and what they do to
 * sound.  Device thread.
 */
#ifndef SND_CTL_H
#define SND_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct card;
struct card_ask;
struct card_stream;

/* The specification's numbers; Debian 12's header ends before them, and later ones have them under
 * their own names. */
enum { SND_F_CTLS = 0 };
enum card_ctl_request {
	SND_R_CTL_INFO = 0x300,
	SND_R_CTL_ENUM_ITEMS,
	SND_R_CTL_READ,
	SND_R_CTL_WRITE,
	SND_R_CTL_TLV_READ,
	SND_R_CTL_TLV_WRITE,
	SND_R_CTL_TLV_COMMAND,
};
enum { SND_EVT_CTL_NOTIFY = 0x1200, SND_CTL_VALUE_CHANGED = 1 };

enum {
	SND_CTL_NAME = 44,
	SND_CTL_ITEM = 64,
	SND_CTL_ITEMS = 16,
	SND_CTL_CHANNELS = 8,
	SND_CTL_LOUDEST = 100, /* 0 dB; each step less is 0.6 dB less, and 0 is silence */
};

enum card_ctl_kind { SND_VOLUME, SND_SWITCH, SND_CHOICE };

struct card_ctl {
	char name[SND_CTL_NAME];
	uint32_t device; /* whose streams of this direction it is for */
	uint8_t kind, direction;
	uint8_t count; /* values; the last is that of all further channels, too */
	uint8_t n_items;
	bool owed; /* the driver is to be told of a change */
	uint32_t values[SND_CTL_CHANNELS];
	char items[SND_CTL_ITEMS][SND_CTL_ITEM]; /* of a choice */
};

/* Its largest value. */
uint32_t card_ctl_max(const struct card_ctl *c);
/* All values at once; -EINVAL: one is too large.  1: something changed. */
int card_ctl_set(struct card_ctl *c, const uint32_t *values);

/* Requests; see snd.h. */
uint32_t card_ctl_info(struct card_ask *ask);
uint32_t card_ctl_enum_items(struct card_ask *ask);
uint32_t card_ctl_read(struct card_ask *ask);
uint32_t card_ctl_write(struct card_ask *ask);
uint32_t card_ctl_tlv_read(struct card_ask *ask);
/* The driver has changed one: whoever listens is told.  snd_control.c. */
void card_ctl_written(struct card *card, uint32_t id);

/* --- snd_gain.c --- */

/* len bytes of a stream, as loud as its volumes and switches say. */
void card_gain_apply(const struct card_stream *s, unsigned char *bytes, uint32_t len);

#endif
