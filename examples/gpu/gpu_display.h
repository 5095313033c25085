/* SPDX-License-Identifier: MIT */
/*
 * The front-end's display (vhost-user-gpu protocol): it is told what screens show, and asked which
 * monitors there are.
 *
 * Nothing here waits.  What it is told is taken from the card when the socket has room: so of an
 * area that changed several times it gets the last picture, and a display that does not read costs
 * no memory but one message.  Nor does it get more pictures a second than anybody can see.
 * Questions of the guest's stay open until they are answered, and if they never are, until the
 * queue stops or the socket ends: then the card answers.
 *
 * gpu_display.c has the socket, gpu_display_tell.c what it is told, gpu_display_ask.c questions,
 * gpu_display_share.c dma-bufs, gpu_display_hold.c who waits for them to be read.
 */
#ifndef GPU_DISPLAY_H
#define GPU_DISPLAY_H

#include "gpu_command.h"

/* vhost-user-gpu "Message types", those that are used. */
enum display_request {
	DISPLAY_GET_PROTOCOL_FEATURES = 1,
	DISPLAY_SET_PROTOCOL_FEATURES = 2,
	DISPLAY_GET_DISPLAY_INFO = 3,
	DISPLAY_CURSOR_POS = 4,
	DISPLAY_CURSOR_POS_HIDE = 5,
	DISPLAY_CURSOR_UPDATE = 6,
	DISPLAY_SCANOUT = 7,
	DISPLAY_UPDATE = 8,
	DISPLAY_DMABUF_SCANOUT = 9,
	DISPLAY_DMABUF_UPDATE = 10,
	DISPLAY_GET_EDID = 11,
	DISPLAY_DMABUF_SCANOUT2 = 12,
};
enum { DISPLAY_REPLY = 4, DISPLAY_F_EDID = 1, DISPLAY_F_DMABUF2 = 2 };

/* vhost-user-gpu "Payload types"; numbers are this machine's. */
struct display_scanout {
	uint32_t scanout_id, width, height;
};

struct display_update {
	uint32_t scanout_id, x, y, width, height;
};

struct display_header {
	uint32_t request, flags, size;
};

enum {
	DISPLAY_UPDATE_MAX = 1 << 20, /* bytes of pixels in a message */
	DISPLAY_OUT = DISPLAY_UPDATE_MAX + 64,
	DISPLAY_IN = sizeof(struct display_header) + sizeof(struct virtio_gpu_resp_edid),
};

struct ask;
struct held;

struct display {
	struct card *card;
	struct vu_device *dev;
	int fd; /* -1: none */
	struct vu_source *source;
	uint32_t events;	 /* that are watched */
	uint64_t interval;	 /* in nanoseconds, between pictures; 0: none */
	struct vu_source *pause; /* runs for so long when one was told */
	bool pausing;
	uint32_t n_told;			 /* updates of the picture that is being told */
	pixman_region32_t telling[CARD_OUTPUTS]; /* what of it is left */
	bool ready;				 /* it said which features it has */
	uint64_t features;
	bool owes_features;	  /* ours are to be told */
	struct held *held;	  /* flushes, until their dma-bufs were read */
	struct vu_source *hold;	  /* a timer: then they are answered in any case */
	bool tired;		  /* it took longer than that */
	struct ask *first, *last; /* in the order in which they are sent */
	struct ask *unsent;
	uint32_t n_asks;
	unsigned char *out; /* one message */
	uint32_t out_len, out_sent;
	int out_fd;		/* goes with its first byte; -1: none */
	bool takes;		/* dma-bufs, as we were told */
	bool has[CARD_OUTPUTS]; /* ... and has one of this output */
	bool owes_ack;		/* it was told of a new picture in one, and reads it */
	uint32_t reads;		/* of that output */
	unsigned char in[DISPLAY_IN];
	uint32_t in_len;
	uint64_t n_updates, n_bytes; /* that were sent */
};

/* --- gpu_display.c --- */

/* Zeroed at first, but for card and dev. */
void display_init(struct display *d);
/* After display_close(), or never opened. */
void display_fini(struct display *d);
/* A socket, which is the display's from now on; the one before is closed.  -errno. */
int display_open(struct display *d, int fd);
/* why: what the log says; NULL: nothing.  Questions are answered. */
void display_close(struct display *d, const char *why);
/* Tell what is new, as far as there is room. */
void display_flush(struct display *d);

/* --- gpu_display_tell.c --- */

/* Everything is new for a display that knows nothing. */
void display_tell_all(struct display *d);
/* The next message into out; false: there is none now. */
bool display_next(struct display *d);
/* Begin a message of that many bytes: its payload. */
void *display_message(struct display *d, uint32_t request, uint32_t size);

/* --- gpu_display_share.c --- */

/* The output's dma-buf, or that it has none any more, into out; false: it never had one. */
bool display_next_share(struct display *d, uint32_t index);
/* What is new in the output's dma-buf into out; false: it reads what was new before. */
bool display_next_update(struct display *d, uint32_t index);
/* It has read that; false: it was not told of anything. */
bool display_acked(struct display *d);

/* --- gpu_display_hold.c --- */

/* The flush is answered when the display has read it; false: now. */
bool display_hold(struct display *d, struct vu_req *req, const struct command *command,
		  uint32_t response);
/* The display was told what is new in an output's dma-buf; has read that; has none any more. */
void display_hold_told(struct display *d, uint32_t index);
void display_hold_read(struct display *d);
void display_hold_gone(struct display *d, uint32_t index);
/* All are answered: there is nobody to wait for; or it took too long. */
void display_hold_end(struct display *d);
void display_hold_over(struct vu_source *source, int fd, uint32_t expirations, void *opaque);

/* --- gpu_display_ask.c --- */

/* The front-end answers this command of the guest's, later; false: it does not. */
bool display_ask(struct display *d, struct vu_req *req, const struct command *command);
/* One that is for the display alone; -ENOMEM. */
int display_ask_own(struct display *d, uint32_t request);
/* The next question that was not asked into out; false: none. */
bool display_next_ask(struct display *d);
/* A whole reply came; false: it is none. */
bool display_answered(struct display *d, const struct display_header *header, const void *payload);
/* The card answers what is open.  forget: no reply of the front-end's is waited for any more. */
void display_answer_all(struct display *d, bool forget);

#endif
