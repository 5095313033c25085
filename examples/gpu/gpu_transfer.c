/* SPDX-License-Identifier: MIT */
/*
 * See gpu_card.h: from the guest's memory into a picture.  Linux transfers whole screens for one
 * letter, so what is the same is not copied, and screens are told what is not.
 */
#include "gpu_card.h"

#include "gpu_damage.h"

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

static void transfer(const struct card *card, struct resource *r, const pixman_box32_t *box,
		     uint64_t offset, pixman_region32_t *changed)
{
	uint64_t stride = (uint64_t)r->width * PIXEL, len = (uint64_t)(box->x2 - box->x1) * PIXEL;
	struct damage_band band;

	for (int32_t y = box->y1; y < box->y2; y += SCREEN_BAND) {
		int32_t end = y + SCREEN_BAND < box->y2 ? y + SCREEN_BAND : box->y2;

		damage_begin(&band, (pixman_box32_t){box->x1, y, box->x2, end});
		for (int32_t i = y; i < end; i++, offset += stride)
			damage_line(&band, i,
				    r->pixels + (uint32_t)i * stride + (uint32_t)box->x1 * PIXEL,
				    line_of(card, &r->backing, offset, len));
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

uint32_t card_transfer(struct card *card, uint32_t id, const struct virtio_gpu_rect *rect,
		       uint64_t offset)
{
	struct resource *r = card_find(card, id);
	pixman_region32_t changed;
	pixman_box32_t box;
	uint64_t span;

	if (!r)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such resource");
	if (r->kind == RESOURCE_BLOB)
		return VIRTIO_GPU_RESP_OK_NODATA; /* its pixels are where they are */
	if (r->kind == RESOURCE_3D)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "it is of 3D, and this is a transfer of two dimensions");
	if (!rect->width || !rect->height || rect->x > r->width || rect->y > r->height ||
	    rect->width > r->width - rect->x || rect->height > r->height - rect->y)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be transferred lies outside of the resource");
	span = (uint64_t)r->width * PIXEL * (rect->height - 1) + (uint64_t)rect->width * PIXEL;
	if (!r->backing.n)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC, "it has no memory");
	if (!backing_holds(&r->backing, offset, span))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be transferred lies outside of its memory");
	box = (pixman_box32_t){(int)rect->x, (int)rect->y, (int)(rect->x + rect->width),
			       (int)(rect->y + rect->height)};
	card->work += span;
	pixman_region32_init(&changed);
	transfer(card, r, &box, offset, &changed);
	tell_screens(card, r, &changed);
	pixman_region32_fini(&changed);
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
