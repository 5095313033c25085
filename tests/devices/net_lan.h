/* SPDX-License-Identifier: MIT */
/* Three guests at vu-net's switch, and short frames between them. */
#ifndef DEVICES_NET_LAN_H
#define DEVICES_NET_LAN_H

#include "guests.h"
#include "net.h"

enum { LAN_LEN = 80, LAN_BUFFERS = 8, LAN_ROOM = 200, LAN_ALL = -1 };

struct lan {
	struct guests guests;
	struct rig_buffer buffers[GUESTS][LAN_BUFFERS];
};

/* The program with these options (up to NULL, which may be NULL), and guests with buffers. */
void lan_begin(struct rig *rig, struct lan *lan, const char *const *more);
/* The same without buffers. */
void lan_begin_bare(struct rig *rig, struct lan *lan, const char *const *more);
/* From 02::<from> to 02::<to>, or to LAN_ALL. */
void lan_make(unsigned char frame[LAN_LEN], int to, int from, uint32_t seed);
void lan_says(struct lan *lan, int who, const unsigned char *frame);
/* A guest hears this, as the next thing; its buffer is given again. */
void lan_hears(struct lan *lan, int who, const unsigned char *frame);
/* Nobody hears anything else, after everything that was asked of the device so far. */
void lan_is_quiet(struct lan *lan);
void lan_end(struct lan *lan);
/* The number behind a word in the line of "switch" that begins with these. */
uint64_t lan_count(struct rig *rig, const char *place, const char *word);

#endif
