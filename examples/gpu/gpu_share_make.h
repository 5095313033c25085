/* SPDX-License-Identifier: MIT */
/* How the dma-bufs of gpu_share.h are made.  NULL: there is none, and *problem says why. */
#ifndef GPU_SHARE_MAKE_H
#define GPU_SHARE_MAKE_H

#include "gpu_card.h"

/* DRM's names of formats: letters from a number's lowest byte on. */
#define FOURCC(a, b, c, d)                                                                         \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* malloc'd, of this descriptor, which is its own from now on, whatever comes of it. */
struct share *share_new(const struct share *share, int fd, struct share_problem *problem);
void share_free(struct share *share);

/* --- gpu_share.c --- */

/* Once for each resource: there is one (NULL), or why not. */
void share_say(struct card *card, struct resource *resource, const struct share_problem *problem);
/* There will be one more. */
void share_make_room(struct card *card);

/* --- gpu_share_blob.c --- */

/* 0: none. */
uint32_t share_fourcc(pixman_format_code_t format);
/* What the screen, which shows a blob, would be as a dma-buf; it has none yet. */
struct share share_blob_wanted(const struct screen *screen);
struct share *share_blob(struct card *card, const struct resource *resource,
			 const struct share *share, struct share_problem *problem);

/* --- gpu_share_3d.c --- */

/* There is one; false: there is none, or not yet (the screen's is coming). */
bool share_3d(struct card *card, struct screen *screen);

/* --- gpu_share_pixels.c --- */

/* The screen's pixels move to memory that is one. */
struct share *share_pixels(struct card *card, struct screen *screen, struct share_problem *problem);
/* The pixels, wherever they are, and the dma-buf. */
void share_pixels_free(struct screen *screen);

#endif
