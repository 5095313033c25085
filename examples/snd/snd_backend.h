/* SPDX-License-Identifier: MIT */
/*
 * Where sound goes to and comes from.  One stream each; all of it is called on the device thread,
 * and must not wait.
 */
#ifndef SND_BACKEND_H
#define SND_BACKEND_H

#include "snd.h"

/*
 * What it is called in descriptions, for which directions (a mask of 1 << VIRTIO_SND_D_...), and
 * which formats it can take; value is what a description says behind "=", or NULL.
 *
 * open: before the process is shut in.  0 or -errno after a line on standard error.
 * close: also of what was not opened; may be NULL, as the following.
 * opened: once the process is shut in, and before any guest.  -errno.
 * begin: the stream is prepared, and its parameters are known.
 * end: the stream is released; each begin has one end.
 * ready: how many frames can be moved now.
 * latency: frames that were moved and are still to be heard, or wait to be read; NULL: none.
 * move: len bytes, whole frames, are played, or recorded into bytes.  0; -errno: they are not, and
 *	the driver is told; bytes then need not be filled.
 */
struct card_backend {
	const char *name;
	const char *missing; /* not built: for want of that */
	uint32_t directions;
	uint64_t (*formats)(void); /* NULL: all */
	int (*open)(struct card_stream *s, const char *value);
	void (*close)(struct card_stream *s);
	int (*opened)(struct card_stream *s);
	void (*begin)(struct card_stream *s);
	void (*end)(struct card_stream *s);
	uint64_t (*ready)(struct card_stream *s);
	uint64_t (*latency)(struct card_stream *s);
	int (*move)(struct card_stream *s, void *bytes, uint32_t len);
};

enum { SND_PLAYBACK = 1 << VIRTIO_SND_D_OUTPUT, SND_CAPTURE = 1 << VIRTIO_SND_D_INPUT };

extern const struct card_backend card_null;
extern const struct card_backend card_file;
extern const struct card_backend card_wav;
extern const struct card_backend card_alsa;
extern const struct card_backend card_pipewire;
extern const struct card_backend card_tone;
extern const struct card_backend card_loopback;

/* "file=PATH": which one, and where its value begins (NULL: there is none). */
const struct card_backend *card_backend_find(const char *text, const char **value);

/* --- snd_loopback.c --- */

/* What a playback stream has just played, for those that record it. */
void card_loopback_heard(struct card_stream *played, const void *bytes, uint32_t len);

#endif
