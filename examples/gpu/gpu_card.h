/* SPDX-License-Identifier: MIT */
/*
 * The graphics card (virtio 1.3 §5.7): resources, which are pictures; screens, that show a part of
 * one; outputs, to which a monitor may be plugged.  It knows no queues and no socket.
 *
 * Functions that do what a guest asks for return VIRTIO_GPU_RESP_*; card->why then says in words
 * what was wrong.  Everything runs on the device thread.
 *
 * gpu_resource.c, gpu_transfer.c, gpu_screen.c, gpu_cursor.c, gpu_output.c and gpu_3d.c have a
 * part each; gpu_card.c is their beginning and end.
 */
#ifndef GPU_CARD_H
#define GPU_CARD_H

#include <linux/virtio_gpu.h>
#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "gpu_3d.h"
#include "gpu_backing.h"
#include "gpu_share.h"

enum {
	CARD_OUTPUTS = VIRTIO_GPU_MAX_SCANOUTS,
	CARD_BUCKETS = 4096,
	CARD_MAX_SIZE = 16384, /* of a picture, in pixels: pixman has 16 bits, with a sign */
	CARD_CURSOR = 64,      /* the one size that there is */
	PIXEL = 4,	       /* bytes, in every format that there is */
	CARD_UUID = 16,
	SCREEN_BAND = 16, /* lines that are looked at together */
};

/* A blob's pixels are the guest's; those of 3D the renderer's, and here once they are shown.  What
 * is the host's is memory of a context's, of which only the size is known. */
enum resource_kind { RESOURCE_PICTURE, RESOURCE_BLOB, RESOURCE_3D, RESOURCE_HOST };

struct resource {
	struct resource *next; /* of its bucket */
	uint32_t id;
	uint64_t serial; /* no other one ever has it */
	enum resource_kind kind;
	uint32_t width, height;
	pixman_format_code_t format; /* 0: a blob, or of 3D and not to be shown */
	unsigned char *pixels;
	struct wire_create three; /* as it was made */
	uint64_t charged;	  /* bytes, pixels and lists */
	struct backing backing;
	uint64_t size; /* of a blob */
	/* Of one of the host's: */
	bool mappable;
	uint64_t mapping;    /* 0: it is not mapped; no other mapping ever has the number */
	uint64_t at;	     /* where in the region, if it is mapped */
	struct share *share; /* its dma-buf, or NULL */
	bool share_said;     /* the log has whether there is one */
	bool share_asked;    /* the renderer is making one */
	bool share_refused;  /* it has none */
	bool old;	     /* of before the driver's start; see card_doubt() */
	bool has_uuid;
	uint8_t uuid[CARD_UUID];
};

/* How a blob is to be read. */
struct layout {
	pixman_format_code_t format;
	uint32_t stride;
	uint64_t offset; /* of the screen's first pixel */
};

struct cursor {
	bool visible;
	uint32_t x, y, hot_x, hot_y;
	uint32_t pixels[CARD_CURSOR * CARD_CURSOR]; /* a8r8g8b8 */
	bool moved, drawn;			    /* a display does not know yet */
};

struct screen {
	struct resource *resource;    /* NULL: off */
	uint32_t x, y, width, height; /* of the resource */
	struct layout layout;
	uint32_t *pixels; /* what it shows: x8r8g8b8 */
	uint64_t charged;
	bool stale;   /* it shows another resource since, of which nothing was drawn yet */
	bool resized; /* a display does not know the size yet, or not the dma-buf */
	enum screen_shared shared; /* how a display is to have it */
	bool coming;		   /* it is told when that is known */
	struct share *own;	   /* the dma-buf that pixels is; NULL: none */
	pixman_region32_t pending; /* what was transferred and is not drawn yet */
	pixman_region32_t damage;  /* what a display does not know of the pixels */
	pixman_region32_t ahead;   /* what the resource does not have yet: see draw_ahead() */
	uint64_t frames;
	struct cursor cursor;
};

struct output {
	bool plugged;
	uint32_t width, height;
};

struct card_limits {
	uint64_t bytes;
	uint32_t resources;
};

struct card {
	struct card_limits limits;
	struct backing_map map;
	uint32_t n_outputs;
	struct output outputs[CARD_OUTPUTS];
	struct screen screens[CARD_OUTPUTS];
	struct resource *buckets[CARD_BUCKETS];
	uint32_t n_resources, n_old;
	uint64_t charged, n_serials;
	struct three three;
	struct sharing sharing;
	unsigned char *band; /* two times SCREEN_BAND lines, on the way to a screen */
	const char *why;
	uint32_t drawn; /* which screens, a bit each; whoever looks clears it */
	uint64_t work;	/* bytes of pixels and lists that were gone through, likewise */
};

/* --- gpu_card.c --- */

/* Zeroed at first; limits, map, outputs are the caller's to set.  -ENOMEM. */
int card_init(struct card *card);
void card_fini(struct card *card);
/* No resource, nothing shown, nothing pointed at: another guest's may come. */
void card_clear(struct card *card);
/*
 * The driver started.  It may be the one of before, after a pause, or a new one, after a reboot:
 * front-ends do not tell which.  The first thing that only one of the two would do decides: what is
 * old is used (the one of before), or made again under the same id (a new one).
 */
void card_doubt(struct card *card);
/* Guest memory is another one. */
void card_move(struct card *card);
/* Count bytes; false: there would be too many. */
bool card_charge(struct card *card, uint64_t bytes);
/* card->why and the response. */
uint32_t card_fail(struct card *card, uint32_t response, const char *why);

/* --- gpu_resource.c --- */

/* 0 is no format. */
pixman_format_code_t card_format(uint32_t virtio);
/* A new one in the table, with room for so many bytes counted; NULL: *response says why not. */
struct resource *card_new(struct card *card, uint32_t id, uint64_t bytes, uint32_t *response);
/* NULL: there is none. */
struct resource *card_find(struct card *card, uint32_t id);
/* The same, but not for a driver: it is used by nobody. */
struct resource *card_look(struct card *card, uint32_t id);
/* It is the driver of before: see card_doubt(). */
void card_trust(struct card *card);
/* The next range of a list: -EIO if there is none left. */
struct card_ranges {
	int (*next)(struct card_ranges *ranges, uint64_t *addr, uint32_t *len);
	uint32_t n;
};
uint32_t card_create(struct card *card, uint32_t id, uint32_t format, uint32_t width,
		     uint32_t height);
uint32_t card_create_blob(struct card *card, uint32_t id, uint64_t size,
			  struct card_ranges *ranges);
uint32_t card_unref(struct card *card, uint32_t id);
uint32_t card_attach(struct card *card, uint32_t id, struct card_ranges *ranges);
uint32_t card_detach(struct card *card, uint32_t id);
/* The same one each time it is asked for. */
uint32_t card_assign_uuid(struct card *card, uint32_t id, uint8_t uuid[CARD_UUID]);
/* Of 3D: it is to be shown, and has its pixels here from now on. */
bool card_give_pixels(struct card *card, struct resource *resource);
/* Those of before the driver's start, and contexts, or all. */
void card_forget(struct card *card, bool only_old);

/* --- gpu_transfer.c --- */

/* flush: what of it is flushed right behind that; NULL: it is not. */
uint32_t card_transfer(struct card *card, uint32_t id, const struct virtio_gpu_rect *rect,
		       uint64_t offset, const struct virtio_gpu_rect *flush);

/* Pixels of 3D, that differ or not; inside of what it is. */
void card_put(struct card *card, struct resource *resource, const pixman_box32_t *box,
	      const unsigned char *pixels);

/* --- gpu_screen.c --- */

/* id 0: off. */
uint32_t card_show(struct card *card, uint32_t screen, uint32_t id,
		   const struct virtio_gpu_rect *rect);
uint32_t card_show_blob(struct card *card, const struct virtio_gpu_set_scanout_blob *blob);
uint32_t card_flush(struct card *card, uint32_t id, const struct virtio_gpu_rect *rect);
/* A flush of 3D: what is shown of it is to come first, and then card_flush().  False: nothing is.
 */
bool card_ask_pixels(struct card *card, uint32_t id, const struct virtio_gpu_rect *rect);
/* There is something in it, and all of that in a picture of this size. */
bool card_is_inside(const struct virtio_gpu_rect *rect, uint32_t width, uint32_t height);
/* The resource has all of its pixels: screens may be ahead of it. */
void card_catch_up(struct card *card, const struct resource *resource);
/* Draw what was never flushed. */
void card_settle(struct card *card);
void screen_off(struct card *card, struct screen *screen);
/* The resource goes: no screen shows it any more. */
void card_hide(struct card *card, const struct resource *resource);

/* --- gpu_cursor.c --- */

uint32_t card_set_cursor(struct card *card, const struct virtio_gpu_update_cursor *update,
			 bool only_move);
/* A pointer of 3D: its picture is to come first, and then card_set_cursor().  False: it is none. */
bool card_ask_cursor(struct card *card, uint32_t id);

/* --- gpu_output.c --- */

void card_display_info(const struct card *card, struct virtio_gpu_resp_display_info *info);
uint32_t card_edid(struct card *card, uint32_t output, struct virtio_gpu_resp_edid *edid);

#endif
