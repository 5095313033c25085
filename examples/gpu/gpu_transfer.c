/* SPDX-License-Identifier: MIT */
/*
 * See gpu_card.h: from the guest's memory into a picture.  Linux transfers whole screens for one
 * letter, so what is the same is not copied, and screens are told what is not.  What it flushes
 * right behind that, as it always does, goes to the screen at once.
 */
#include "gpu_card.h"

#include <stddef.h>

#include "gpu_damage.h"
#include "gpu_draw.h"

/* One line, wherever its pieces are. */
static const void *line_of(const struct card *card, const struct backing *backing, uint64_t at,
			   uint64_t len)
{
	const void *line = backing_view(backing, at, len);

	if (!line) {
		backing_read(backing, at, card->band, len);
		line = card->band;
	}
	return line;
}

/* Where a box of pixels goes to. */
struct canvas {
	pixman_box32_t box;
	unsigned char *pixels; /* its first line */
	uint64_t stride;
};

static void transfer(const struct card *card, const struct resource *r, struct canvas canvas,
		     uint64_t offset, pixman_region32_t *changed)
{
	const pixman_box32_t *box = &canvas.box;
	uint64_t stride = (uint64_t)r->width * PIXEL, len = (uint64_t)(box->x2 - box->x1) * PIXEL;
	struct damage_band band;

	for (int32_t y = box->y1; y < box->y2; y += SCREEN_BAND) {
		int32_t end = y + SCREEN_BAND < box->y2 ? y + SCREEN_BAND : box->y2;

		damage_begin(&band, (pixman_box32_t){box->x1, y, box->x2, end});
		for (int32_t i = y; i < end; i++) {
			damage_line(&band, i, canvas.pixels,
				    line_of(card, &r->backing, offset, len));
			canvas.pixels += canvas.stride;
			offset += stride;
		}
		damage_end(&band, changed);
	}
}

/* Screens have not drawn that yet; those that have drawn nothing will draw all of it. */
static void tell_screens(struct card *card, const struct resource *r, pixman_region32_t *changed)
{
	for (uint32_t i = 0; i < card->n_outputs; i++) {
		struct screen *s = &card->screens[i];
		const pixman_box32_t all = {0, 0, (int)s->width, (int)s->height};
		pixman_region32_t part;

		if (s->resource != r || s->stale)
			continue;
		pixman_region32_init_with_extents(&part, &all);
		pixman_region32_translate(changed, -(int)s->x, -(int)s->y);
		/* Without memory: all of it. */
		if (!pixman_region32_intersect(&part, &part, changed))
			damage_become(&part, &all);
		damage_add(&s->pending, &part);
		pixman_region32_translate(changed, (int)s->x, (int)s->y);
		pixman_region32_fini(&part);
	}
}

static void transfer_to_picture(struct card *card, struct resource *r,
				const struct virtio_gpu_rect *rect, uint64_t offset)
{
	const uint64_t stride = (uint64_t)r->width * PIXEL;
	const struct canvas canvas = {
		.box = {(int)rect->x, (int)rect->y, (int)(rect->x + rect->width),
			(int)(rect->y + rect->height)},
		.pixels = r->pixels + rect->y * stride + (uint64_t)rect->x * PIXEL,
		.stride = stride,
	};
	pixman_region32_t changed;

	card_catch_up(card, r);
	pixman_region32_init(&changed);
	transfer(card, r, canvas, offset, &changed);
	tell_screens(card, r, &changed);
	pixman_region32_fini(&changed);
}

static void transfer_to_screen(struct card *card, struct screen *s,
			       const struct virtio_gpu_rect *rect, uint64_t offset)
{
	const uint32_t x = rect->x - s->x, y = rect->y - s->y;
	const struct canvas canvas = {
		.box = {(int)x, (int)y, (int)(x + rect->width), (int)(y + rect->height)},
		.pixels = (unsigned char *)(s->pixels + (uint64_t)y * s->width + x),
		.stride = (uint64_t)s->width * PIXEL,
	};
	pixman_region32_t changed;

	pixman_region32_init(&changed);
	transfer(card, s->resource, canvas, offset, &changed);
	draw_ahead(card, s, &changed);
	pixman_region32_fini(&changed);
}

static bool is_part(const struct virtio_gpu_rect *part, const struct virtio_gpu_rect *whole)
{
	return part->x >= whole->x && part->y >= whole->y &&
	       part->x - whole->x + (uint64_t)part->width <= whole->width &&
	       part->y - whole->y + (uint64_t)part->height <= whole->height;
}

/* The one that shows the resource, and draws all that is transferred when it is flushed; or NULL.
 */
static struct screen *screen_of(struct card *card, const struct resource *r,
				const struct virtio_gpu_rect *rect,
				const struct virtio_gpu_rect *flush)
{
	struct screen *only = NULL;

	if (!flush || !card_is_inside(flush, r->width, r->height) || !is_part(rect, flush))
		return NULL;
	for (uint32_t i = 0; i < card->n_outputs; i++) {
		struct screen *s = &card->screens[i];

		if (s->resource != r)
			continue;
		if (only || !draw_may_be_ahead(s) ||
		    !is_part(rect, &(struct virtio_gpu_rect){s->x, s->y, s->width, s->height}))
			return NULL;
		only = s;
	}
	return only;
}

uint32_t card_transfer(struct card *card, uint32_t id, const struct virtio_gpu_rect *rect,
		       uint64_t offset, const struct virtio_gpu_rect *flush)
{
	struct resource *r = card_find(card, id);
	struct screen *s;
	uint64_t span;

	if (!r)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such resource");
	if (r->kind == RESOURCE_BLOB)
		return VIRTIO_GPU_RESP_OK_NODATA; /* its pixels are where they are */
	if (r->kind == RESOURCE_3D)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "it is of 3D, and this is a transfer of two dimensions");
	if (!card_is_inside(rect, r->width, r->height))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be transferred lies outside of the resource");
	span = (uint64_t)r->width * PIXEL * (rect->height - 1) + (uint64_t)rect->width * PIXEL;
	if (!r->backing.n)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC, "it has no memory");
	if (!backing_holds(&r->backing, offset, span))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be transferred lies outside of its memory");
	card->work += span;
	s = screen_of(card, r, rect, flush);
	if (s)
		transfer_to_screen(card, s, rect, offset);
	else
		transfer_to_picture(card, r, rect, offset);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void card_put(struct card *card, struct resource *r, const pixman_box32_t *box,
	      const unsigned char *pixels)
{
	uint64_t stride = (uint64_t)r->width * PIXEL, len = (uint64_t)(box->x2 - box->x1) * PIXEL;
	pixman_region32_t changed;
	struct damage_band band;

	pixman_region32_init(&changed);
	for (int32_t y = box->y1; y < box->y2; y += SCREEN_BAND) {
		int32_t end = y + SCREEN_BAND < box->y2 ? y + SCREEN_BAND : box->y2;

		damage_begin(&band, (pixman_box32_t){box->x1, y, box->x2, end});
		for (int32_t i = y; i < end; i++, pixels += len)
			damage_line(&band, i,
				    r->pixels + (uint32_t)i * stride + (uint32_t)box->x1 * PIXEL,
				    pixels);
		damage_end(&band, &changed);
	}
	card->work += len * (uint64_t)(box->y2 - box->y1);
	tell_screens(card, r, &changed);
	pixman_region32_fini(&changed);
}
