/* SPDX-License-Identifier: MIT */
/*
 * The card's part of 3D: contexts, resources that a renderer has, and what goes between their
 * memory, which is the guest's, and the renderer, who never sees any of it.
 *
 * What the guest asks for is checked here, as far as it can be, and asked of the renderer, in
 * order: struct three has who takes the questions.  Functions return VIRTIO_GPU_RESP_*, which is
 * the answer if the renderer does not refuse.  Device thread.
 */
#ifndef GPU_3D_H
#define GPU_3D_H

#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <stdint.h>

#include "gpu_wire.h"

struct card;
struct resource;

enum { THREE_CONTEXTS = 128, THREE_PAGE = 4096 };
/* virtio 1.3 §5.7.6.8 */
enum { CAPSET_VIRGL = 1, CAPSET_VIRGL2 = 2, CAPSET_VENUS = 4 };

/* virgl's numbers for what a resource is, as guests use them. */
enum three_target { TARGET_BUFFER = 0, TARGET_2D = 2, TARGET_3D = 3, TARGET_RECT = 5, TARGETS = 9 };

enum rows_to { ROWS_NOWHERE, ROWS_TO_GUEST, ROWS_TO_PIXELS };

/* Where bytes of a resource are to go, which come without gaps. */
struct three_rows {
	enum rows_to to;
	uint32_t id;
	uint64_t serial;	/* the resource must still be the same */
	uint64_t at;		/* in its memory */
	uint64_t stride, layer; /* there */
	uint64_t len;		/* of a row */
	uint32_t n, n_layers;	/* rows, of each of so many layers */
	uint32_t x, y, width;	/* of pixels */
};

struct three_context {
	uint32_t id; /* 0: none */
	bool old;    /* see card_doubt() */
};

struct three {
	bool on; /* there is a renderer, and the driver wants it */
	uint32_t n_contexts;
	struct three_context contexts[THREE_CONTEXTS];
	struct wire_capset capsets[WIRE_CAPSETS]; /* those of no size are the last */
	bool kinds;				  /* a context says which capset it is for */
	uint64_t window; /* bytes of the region in which a guest sees blobs; 0: there is none */
	/* bytes: malloc'd, taken over, request->len of them.  rows: NULL if nothing comes back. */
	void (*ask)(void *opaque, const struct wire_request *request, void *bytes,
		    const struct three_rows *rows);
	/* A blob that the guest sees, or is about to, is not to be seen any more. */
	void (*unmap)(void *opaque, const struct resource *r);
	void *opaque;
};

/* --- what a guest does --- */

uint32_t three_capset_info(struct card *card, uint32_t index,
			   struct virtio_gpu_resp_capset_info *info);
/* At most WIRE_CAPSET_BYTES; *len says how many. */
uint32_t three_capset(struct card *card, uint32_t id, uint32_t version, unsigned char *data,
		      uint32_t *len);
uint32_t three_context_create(struct card *card, uint32_t id, uint32_t capset);
uint32_t three_context_destroy(struct card *card, uint32_t id);
uint32_t three_context_resource(struct card *card, uint32_t context, uint32_t id, bool attach);
/* Who uses one is the driver of before; see card_doubt(). */
bool three_has_context(struct card *card, uint32_t id);
uint32_t three_create(struct card *card, uint32_t id, const struct wire_create *create);
/* Of a context's memory. */
uint32_t three_create_blob(struct card *card, uint32_t context, uint32_t id, uint64_t size,
			   const struct wire_blob *blob);
/* The answer comes when the guest sees it there in the region. */
uint32_t three_map(struct card *card, uint32_t id, uint64_t at);
uint32_t three_unmap(struct card *card, uint32_t id);
/* In this machine's byte order. */
struct three_transfer {
	uint32_t context, id;
	uint64_t offset;
	struct wire_box box;
};
uint32_t three_transfer(struct card *card, const struct three_transfer *transfer, bool to_host);
/* bytes: malloc'd, taken over. */
uint32_t three_submit(struct card *card, uint32_t context, void *bytes, uint32_t len);

/* --- what the rest of the card needs --- */

/* Answers: there is no 3D for this driver; what it asks for cannot be. */
uint32_t three_none(struct card *card);
uint32_t three_invalid(struct card *card, const char *why);

/* The renderer itself writes to memory of these: results of queries. */
bool three_has_shadow(const struct resource *r);
/* Its pixels are to come: from (x, y) on.  False: it has none. */
bool three_read(struct card *card, const struct resource *r, const struct virtio_gpu_rect *rect);
/* It is to be on its way to the hardware, before a display looks.  True. */
bool three_drawn(struct card *card, const struct resource *r);
void three_attached(struct card *card, const struct resource *r);
void three_detached(struct card *card, const struct resource *r);
/* Of 3D, or a blob of a context's. */
void three_unref(struct card *card, struct resource *r);
/* Contexts of before the driver's start, or all. */
void three_forget(struct card *card, bool only_old);
void three_doubt(struct card *card);
void three_trust(struct card *card);

/* --- what the renderer says; nothing of it is believed --- */

/* What was asked for with rows; false: these are not so many bytes. */
bool three_arrived(struct card *card, const struct three_rows *rows, const void *bytes,
		   uint64_t len);
/* The renderer wrote that to a resource's memory. */
void three_written(struct card *card, uint32_t id, uint64_t at, const void *bytes, uint64_t len);
/* What was to be seen is not: its resource, if it was not mapped again, may be. */
void three_not_mapped(struct card *card, uint32_t id, uint64_t mapping);
/* It refused to make that one. */
void three_refused(struct card *card, uint32_t id, uint64_t serial);

#endif
