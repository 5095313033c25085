/* SPDX-License-Identifier: MIT */
/* See gpu_card.h: which part of which resource each screen shows.  gpu_draw.c draws it. */
#include "gpu_card.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "gpu_damage.h"
#include "gpu_draw.h"
#include "gpu_share_make.h"

void screen_off(struct card *card, struct screen *s)
{
	card->charged -= s->charged;
	share_pixels_free(s);
	s->resized |= s->resource != NULL;
	s->resource = NULL;
	s->charged = 0;
	s->width = s->height = 0;
	s->stale = false;
	s->coming = false;
	s->shared = SHARED_NOT;
	pixman_region32_clear(&s->damage);
	pixman_region32_clear(&s->pending);
	pixman_region32_clear(&s->ahead);
}

void card_catch_up(struct card *card, const struct resource *resource)
{
	for (uint32_t i = 0; i < card->n_outputs; i++)
		if (card->screens[i].resource == resource)
			draw_back(card, &card->screens[i]);
}

void card_hide(struct card *card, const struct resource *resource)
{
	for (uint32_t i = 0; i < card->n_outputs; i++)
		if (card->screens[i].resource == resource)
			screen_off(card, &card->screens[i]);
}

bool card_is_inside(const struct virtio_gpu_rect *rect, uint32_t width, uint32_t height)
{
	return rect->width && rect->height && rect->x <= width && rect->y <= height &&
	       rect->width <= width - rect->x && rect->height <= height - rect->y;
}

static bool screen_resize(struct card *card, struct screen *s, uint32_t width, uint32_t height)
{
	uint64_t bytes = (uint64_t)width * height * PIXEL;
	uint32_t *pixels;

	if (s->pixels && s->width == width && s->height == height)
		return true;
	if (!card_charge(card, bytes))
		return false;
	pixels = calloc(1, bytes);
	if (!pixels) {
		card->charged -= bytes;
		return false;
	}
	screen_off(card, s);
	s->pixels = pixels;
	s->charged = bytes;
	s->width = width;
	s->height = height;
	s->resized = true;
	/* A display has nothing of it. */
	damage_become(&s->damage, &(pixman_box32_t){0, 0, (int)width, (int)height});
	return true;
}

static uint32_t screen_set(struct card *card, uint32_t index, struct resource *r,
			   const struct virtio_gpu_rect *rect, const struct layout *layout)
{
	struct screen *s = &card->screens[index];

	draw_back(card, s);
	card_catch_up(card, r);
	if (!screen_resize(card, s, rect->width, rect->height))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
				 "what is shown would take more than --max-hostmem");
	s->resource = r;
	s->x = rect->x;
	s->y = rect->y;
	s->layout = *layout;
	s->stale = true;
	pixman_region32_clear(&s->pending);
	share_screen(card, s);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Anything wrong with the number, or nothing to be shown: *response. */
static bool is_screen(struct card *card, uint32_t screen, uint32_t id, uint32_t *response)
{
	*response = VIRTIO_GPU_RESP_OK_NODATA;
	if (screen >= card->n_outputs)
		*response = card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
				      "there is no such scanout");
	if (screen < card->n_outputs && !id) {
		draw_back(card, &card->screens[screen]);
		screen_off(card, &card->screens[screen]);
	}
	return screen < card->n_outputs && id;
}

uint32_t card_show(struct card *card, uint32_t screen, uint32_t id,
		   const struct virtio_gpu_rect *rect)
{
	static const struct layout none;
	struct resource *r;
	uint32_t response;

	if (!is_screen(card, screen, id, &response))
		return response;
	r = card_find(card, id);
	if (!r || !r->format)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such picture to be shown");
	if (!card_is_inside(rect, r->width, r->height))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be shown lies outside of the resource");
	if (!card_give_pixels(card, r))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
				 "what is shown would take more than --max-hostmem");
	return screen_set(card, screen, r, rect, &none);
}

uint32_t card_show_blob(struct card *card, const struct virtio_gpu_set_scanout_blob *blob)
{
	const struct virtio_gpu_rect *rect = &blob->r;
	struct layout layout = {card_format(blob->format), blob->strides[0], 0};
	struct resource *r;
	uint32_t response;
	uint64_t end;

	if (!is_screen(card, blob->scanout_id, blob->resource_id, &response))
		return response;
	r = card_find(card, blob->resource_id);
	if (!r || r->kind != RESOURCE_BLOB)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such blob to be shown");
	if (!layout.format)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "no such format");
	if (blob->width > CARD_MAX_SIZE || blob->height > CARD_MAX_SIZE ||
	    layout.stride < blob->width * PIXEL || !card_is_inside(rect, blob->width, blob->height))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be shown lies outside of the picture");
	layout.offset = blob->offsets[0] + (uint64_t)rect->y * layout.stride + rect->x * PIXEL;
	end = layout.offset + (rect->height - 1) * (uint64_t)layout.stride + rect->width * PIXEL;
	if (end > r->size || !backing_holds(&r->backing, 0, end))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "the picture is larger than the blob");
	return screen_set(card, blob->scanout_id, r, rect, &layout);
}

uint32_t card_flush(struct card *card, uint32_t id, const struct virtio_gpu_rect *rect)
{
	const struct resource *r = card_find(card, id);
	uint32_t response = VIRTIO_GPU_RESP_OK_NODATA;

	if (!r)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such resource");
	if (r->kind != RESOURCE_BLOB ? !card_is_inside(rect, r->width, r->height)
				     : !card_is_inside(rect, CARD_MAX_SIZE, CARD_MAX_SIZE))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be flushed lies outside of the resource");
	for (uint32_t i = 0; i < card->n_outputs; i++) {
		struct screen *s = &card->screens[i];
		int64_t x = (int64_t)rect->x - s->x, y = (int64_t)rect->y - s->y;
		pixman_box32_t box = {
			.x1 = (int32_t)(x > 0 ? x : 0),
			.y1 = (int32_t)(y > 0 ? y : 0),
			.x2 = (int32_t)(x + rect->width < s->width ? x + rect->width : s->width),
			.y2 = (int32_t)(y + rect->height < s->height ? y + rect->height
								     : s->height),
		};

		const bool nothing = box.x1 >= box.x2 || box.y1 >= box.y2;

		if (s->resource != r || (nothing && (!s->stale || share_only(card, s))))
			continue;
		if (share_only(card, s))
			share_flush(s, &box);
		else if (draw_is_possible(s))
			draw_box(card, s, box);
		else
			response = card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC,
					     "the blob has no memory any more");
	}
	return response;
}

bool card_ask_pixels(struct card *card, uint32_t id, const struct virtio_gpu_rect *rect)
{
	const struct resource *r = card_find(card, id);
	bool asked = false, shared = false;

	if (!r || r->kind != RESOURCE_3D || !card_is_inside(rect, r->width, r->height))
		return false;
	for (uint32_t i = 0; i < card->n_outputs; i++) {
		const struct screen *s = &card->screens[i];
		const struct virtio_gpu_rect all = {s->x, s->y, s->width, s->height};

		if (s->resource != r)
			continue;
		shared |= s->shared == SHARED_RESOURCE;
		if (share_only(card, s))
			continue;
		asked |= three_read(card, r, s->stale ? &all : rect);
		if (!s->stale)
			break; /* another one that shows it has it, too */
	}
	/* A read waits for it by itself. */
	return asked || (shared && three_drawn(card, r));
}

void card_settle(struct card *card)
{
	for (uint32_t i = 0; i < card->n_outputs; i++) {
		struct screen *s = &card->screens[i];

		/* What 3D drew comes with the flush: before, it would be an older picture. */
		if (s->stale && (s->resource->kind == RESOURCE_3D || share_only(card, s)))
			continue;
		if (s->stale && draw_is_possible(s))
			draw_all(card, s);
		s->stale = false;
	}
}
