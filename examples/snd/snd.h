/* SPDX-License-Identifier: MIT */
/*
 * What the parts of vu-snd share: the card with its streams, jacks, channel maps and control
 * elements, and who does what with them.
 *
 * snd.c has the device and its queues, snd_main.c the command line, snd_describe.c the text file,
 * snd_request.c the control queue, snd_pcm.c and snd_parts.c its requests, snd_stream.c the life
 * and the clock of a stream, snd_message.c its messages, snd_event.c the event queue,
 * snd_control.c the commands.  snd_ctl.h: volumes and such; snd_backend.h: where sound goes to and
 * comes from.  All of it runs on the device thread.
 */
#ifndef SND_H
#define SND_H

#include <libvu/unstable.h>

#include <linux/virtio_snd.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "snd_ctl.h"
#include "snd_format.h"

enum {
	SND_MAX_ITEMS = 64, /* of a kind */
	SND_MAX_CHANNELS = 64,
	SND_MAX_INFO = 512, /* bytes of one item that a driver may ask for */
	SND_MAX_REQUEST = 1024,
	SND_MAX_ANSWER = 4 + SND_MAX_ITEMS * SND_MAX_INFO,
	SND_MAX_BUFFER = 256 << 20, /* bytes of a driver's buffer */
	SND_NS = 1000000000,
};

struct card;
struct card_backend;
struct card_stream;

/* A message of the tx or rx queue, in its request's priv. */
struct card_msg {
	TAILQ_ENTRY(card_msg) link;
	struct vu_req *req;
	uint64_t serial; /* of all that were taken, to put them back in the other order */
	uint32_t len;	 /* bytes of sound */
	uint32_t done;	 /* of them played or recorded */
	uint32_t status;
};

enum card_state {
	SND_IDLE,     /* no parameters */
	SND_SET,      /* parameters, nothing else */
	SND_PREPARED, /* messages are kept */
	SND_RUNNING,
	SND_STOPPED, /* messages are kept, with what was played of the first */
};

struct card_params {
	uint32_t buffer_bytes, period_bytes, features;
	uint8_t channels, format, rate;
};

/* Frames since base; nothing is added up, so nothing drifts. */
struct card_clock {
	uint64_t base; /* when frame 0 began, in ns of CLOCK_MONOTONIC */
	uint32_t rate;
};

struct card_stream {
	struct card *card;
	uint32_t id;
	/* What is offered: */
	uint64_t formats, rates;
	uint32_t device; /* streams, jacks and channel maps of one number belong together */
	uint8_t direction, channels_min, channels_max;
	const struct card_backend *backend;
	void *end; /* the back-end's own */

	enum card_state state;
	bool inherited; /* from before the rings stopped: maybe of another driver */
	bool frozen;	/* the rings are stopped */
	struct card_params params;
	uint32_t frame_bytes;

	TAILQ_HEAD(card_msgs, card_msg) msgs, stuck; /* stuck: see card_put_back() */
	uint32_t head_done; /* of the first message, while it is back in the ring */
	struct card_clock clock;
	uint64_t position; /* frames played or recorded since clock.base */
	uint64_t wake;	   /* when there is something to do, in ns; 0: never */
	uint64_t dry_since;
	bool dry; /* running, and no messages */
	bool xrun_told, xrun_owed;
	/* For the control socket: */
	uint64_t frames, messages;
	uint32_t n_xruns, n_slips, n_errors;
};

struct card_jack {
	uint32_t device;
	uint8_t kind; /* of card_jack_kinds */
	bool connected, owed;
};

struct card_chmap {
	uint32_t device;
	uint8_t direction, channels;
	uint8_t positions[VIRTIO_SND_CHMAP_MAX_SIZE];
};

struct card_settings {
	const char *describe, *playback, *capture;
	uint32_t sandbox; /* enum sandbox_kind */
	bool connects;	  /* --connect */
	bool shut_in;	  /* the process is */
};

struct card {
	struct card_settings *settings;
	struct vu_program *program;
	uint32_t index;
	struct vu_device *dev;
	struct vu_queue *control, *events, *tx, *rx;
	struct vu_source *timer;
	struct vu_script *script;
	struct card_stream streams[SND_MAX_ITEMS];
	struct card_jack jacks[SND_MAX_ITEMS];
	struct card_chmap chmaps[SND_MAX_ITEMS];
	struct card_ctl ctls[SND_MAX_ITEMS];
	uint32_t n_streams, n_jacks, n_chmaps, n_ctls;
	bool has_ctls;	 /* for this driver */
	bool postponed;	 /* a RELEASE waits for what is still in a ring */
	uint64_t serial; /* of the next message */
	unsigned char answer[SND_MAX_ANSWER];
};

/* --- snd.c --- */

int card_init(struct card *card, struct vu_program *program, uint32_t index);
void card_fini(struct card *card);
/* Once the sockets are there: the process gives up what it does not need. */
int card_opened(struct card *card);
uint64_t card_now(void);
/*
 * Messages that are in the rings are taken, and everything is done that is due.  true: a budget
 * left some there, for the next turn.
 */
bool card_catch_up(struct card *card, uint64_t now);
/* After all that may have changed when there is something to do. */
void card_plan(struct card *card, uint64_t now);
/* The driver did what it must not: a line for the log. */
void card_complain(const struct card *card, const char *what);

/* --- snd_describe.c --- */

/* The card as the file says, or the usual one.  0 or -errno, after a line. */
int card_describe(struct card *card);

/* --- snd_request.c --- */

/* A request on the control queue: what came, and the answer that is being made. */
struct card_ask {
	struct card *card;
	const unsigned char *in;
	size_t len;
	unsigned char *out; /* behind the status */
	size_t room, used;
	uint64_t now;
};

/* Bytes of answer, from out on; 0: there is no room for any. */
size_t card_answer(struct card *card, uint64_t now, const unsigned char *in, size_t len,
		   unsigned char *out, size_t room);
/* An INFO request about n items, each with a struct of this size, filled by fill(). */
uint32_t card_query(struct card_ask *ask, uint32_t n, size_t size,
		    void (*fill)(const struct card *card, uint32_t id, void *info, size_t size));

/* --- snd_pcm.c, snd_parts.c: requests; each returns a status --- */

uint32_t card_pcm_info(struct card_ask *ask);
uint32_t card_pcm_set_params(struct card_ask *ask);
uint32_t card_pcm_prepare(struct card_ask *ask);
uint32_t card_pcm_release(struct card_ask *ask);
uint32_t card_pcm_start(struct card_ask *ask);
uint32_t card_pcm_stop(struct card_ask *ask);
uint32_t card_jack_info(struct card_ask *ask);
uint32_t card_jack_remap(struct card_ask *ask);
uint32_t card_chmap_info(struct card_ask *ask);

extern const char *const card_jack_kinds[]; /* by their numbers in HDA; NULL at the end */
extern const char *const card_positions[];  /* of a channel map; NULL at the end */

/* --- snd_stream.c --- */

void card_stream_init(struct card_stream *s, struct card *card, uint32_t id);
/* Requests that are allowed have been checked. */
void card_stream_set(struct card_stream *s, const struct card_params *params);
void card_stream_prepare(struct card_stream *s);
void card_stream_start(struct card_stream *s, uint64_t now);
void card_stream_stop(struct card_stream *s);
void card_stream_release(struct card_stream *s);
/* As at first. */
void card_stream_reset(struct card_stream *s);
/* A message is there. */
void card_stream_add(struct card_stream *s, struct card_msg *m, uint64_t now);
/* Everything that is due is played or recorded, and when there is more is in wake. */
void card_stream_advance(struct card_stream *s, uint64_t now);
/* The rings stop: time stands still.  They start again. */
void card_stream_freeze(struct card_stream *s);
void card_stream_thaw(struct card_stream *s, uint64_t now);

/* --- snd_message.c --- */

/* What is in the ring.  true: more is in it, which its budget does not let us have now. */
bool card_take(struct card *card, struct vu_queue *queue, uint64_t now);
/* n frames of the message are played or recorded. */
void card_move(struct card_stream *s, struct card_msg *m, uint64_t n);
/* It is done; latency in bytes. */
void card_msg_complete(struct card_stream *s, struct card_msg *m, uint32_t latency);
/* All of them are, played or not. */
void card_flush(struct card_stream *s);
/* The ring stops: they go back to where they came from. */
void card_put_back(struct card *card, struct vu_queue *queue);

/* --- snd_event.c --- */

void card_send_events(struct card *card);

/* --- snd_control.c --- */

extern const struct vu_command card_commands[];

#endif
