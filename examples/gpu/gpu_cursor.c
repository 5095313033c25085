/* SPDX-License-Identifier: MIT */
/* See gpu_card.h: the pointers, one for each screen. */
#include "gpu_card.h"

#include <string.h>

enum { CURSOR_BYTES = CARD_CURSOR * CARD_CURSOR * PIXEL };

/* What fits of a picture; the rest can be seen through. */
static void cursor_convert(struct cursor *c, const struct resource *r)
{
	int width = r->width < CARD_CURSOR ? (int)r->width : CARD_CURSOR;
	int height = r->height < CARD_CURSOR ? (int)r->height : CARD_CURSOR;
	pixman_image_t *from = pixman_image_create_bits_no_clear(
		r->format, width, height, (uint32_t *)(void *)r->pixels, (int)(r->width * PIXEL));
	pixman_image_t *to = pixman_image_create_bits_no_clear(
		PIXMAN_a8r8g8b8, CARD_CURSOR, CARD_CURSOR, c->pixels, CARD_CURSOR * PIXEL);

	if (from && to)
		pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, to, 0, 0, 0, 0, 0, 0, width,
					 height);
	if (from)
		pixman_image_unref(from);
	if (to)
		pixman_image_unref(to);
}

/* A blob says nothing of its format: it is the one that drivers use for pointers. */
static bool cursor_draw(struct cursor *c, const struct resource *r)
{
	if (r->kind == RESOURCE_BLOB ? !backing_holds(&r->backing, 0, CURSOR_BYTES) : !r->pixels)
		return false;
	memset(c->pixels, 0, sizeof(c->pixels));
	if (r->kind != RESOURCE_BLOB)
		cursor_convert(c, r);
	else
		backing_read(&r->backing, 0, c->pixels, CURSOR_BYTES);
	return true;
}

uint32_t card_set_cursor(struct card *card, const struct virtio_gpu_update_cursor *update,
			 bool only_move)
{
	const struct resource *r;
	struct cursor *c;

	if (update->pos.scanout_id >= card->n_outputs)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
				 "there is no such scanout");
	c = &card->screens[update->pos.scanout_id].cursor;
	if (!only_move && update->resource_id) {
		r = card_find(card, update->resource_id);
		if (r)
			card_catch_up(card, r);
		if (!r || !cursor_draw(c, r))
			return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
					 "there is no such picture for a pointer");
		c->hot_x = update->hot_x < CARD_CURSOR ? update->hot_x : CARD_CURSOR - 1;
		c->hot_y = update->hot_y < CARD_CURSOR ? update->hot_y : CARD_CURSOR - 1;
		c->drawn = true;
	}
	c->x = update->pos.x;
	c->y = update->pos.y;
	c->visible = update->resource_id != 0;
	c->moved = true;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

bool card_ask_cursor(struct card *card, uint32_t id)
{
	struct resource *r = id ? card_find(card, id) : NULL;
	const struct virtio_gpu_rect part = {
		.width = r && r->width < CARD_CURSOR ? r->width : CARD_CURSOR,
		.height = r && r->height < CARD_CURSOR ? r->height : CARD_CURSOR,
	};

	return r && r->kind == RESOURCE_3D && r->format && card_give_pixels(card, r) &&
	       three_read(card, r, &part);
}
