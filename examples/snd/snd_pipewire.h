/* SPDX-License-Identifier: MIT */
/*
 * A stream's end in PipeWire.  snd_pipewire.c is the back-end, snd_pipewire_daemon.c the connection
 * to the daemon, snd_pipewire_sound.c the sound of a stream that is prepared.
 *
 * PipeWire's main loop runs on the device thread, as a descriptor among its others.  Its other
 * thread moves sound between the graph and a ring of bytes, of which this thread has the other end;
 * what both have is atomic.  Between two sounds there is no node: the daemon sees a client and
 * nothing else.
 */
#ifndef SND_PIPEWIRE_H
#define SND_PIPEWIRE_H

#include <pipewire/pipewire.h>
#include <spa/param/audio/raw.h>
#include <spa/utils/ringbuffer.h>
#include <stdatomic.h>

#include "snd_backend.h"

/* Who may take sound out of the ring, or put it there. */
enum pipewire_flow {
	PIPEWIRE_IDLE,	/* the graph hears silence, what it says is dropped; the device thread may
			   begin */
	PIPEWIRE_FLOWS, /* both do; the other thread ends it when the ring is empty, or full */
	PIPEWIRE_FLUSH, /* the other thread is to empty the ring of what was played */
};

struct pipewire {
	struct card_stream *stream;
	/* The connection; device thread. */
	char *target; /* a node's name; NULL: where the session's manager says */
	struct pw_loop *loop;
	struct pw_context *context;
	struct spa_handle *kept[2]; /* so that no library needs to be loaded again */
	struct pw_core *core;	    /* NULL: there is no daemon any more */
	struct spa_hook core_hook;
	int sync, error;
	bool answered;
	struct vu_source *source, *rest;
	/* A sound; device thread.  NULL: none. */
	struct pw_stream *sound;
	struct spa_hook sound_hook;
	uint64_t began;
	int64_t position,
		followed; /* of the stream: when it was looked at, when its clock was moved */
	bool flowed, told;
	/* Does not change while there is a sound. */
	bool plays;
	uint8_t format;
	uint32_t frame_bytes, size; /* of the ring, a power of two */
	unsigned char *bytes;
	/* Of both threads. */
	struct spa_ringbuffer ring;
	atomic_int flow;      /* enum pipewire_flow */
	atomic_uint chunk;    /* frames that the graph took or gave last, */
	atomic_ullong moment; /* and when, in ns of CLOCK_MONOTONIC; 0: not yet */
};

/* --- snd_pipewire_daemon.c --- */

/* Before the process is shut in.  0, or -errno after a line on standard error. */
int pipewire_connect(struct pipewire *p);
/* Once it is: threads made now are shut in, too. */
int pipewire_start(struct pipewire *p);
/* Also of what was never connected. */
void pipewire_disconnect(struct pipewire *p);

/* --- snd_pipewire_sound.c --- */

/* As SPA has a format of virtio's; SPA_AUDIO_FORMAT_UNKNOWN: it has not. */
enum spa_audio_format pipewire_format(uint32_t format);
/* The stream is prepared.  -errno. */
int pipewire_sound_new(struct pipewire *p);
/* At once; what was not heard is not.  Nothing happens if there is none. */
void pipewire_sound_free(struct pipewire *p);
/* Frames in the ring, and those for which there is room. */
uint32_t pipewire_held(const struct pipewire *p);
uint32_t pipewire_room(const struct pipewire *p);
/* What there is room for, or what is held. */
void pipewire_put(struct pipewire *p, const void *bytes, uint32_t len);
void pipewire_get(struct pipewire *p, void *bytes, uint32_t len);
/* What was recorded is forgotten. */
void pipewire_drop(struct pipewire *p);

#endif
