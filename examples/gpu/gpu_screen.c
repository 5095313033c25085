/* SPDX-License-Identifier: MIT */
/*
 * See gpu_card.h: what is shown.  A screen has pixels of its own, which change when the guest says
 * so (RESOURCE_FLUSH); only what differs from what was there is damage.  Linux's console flushes
 * whole screens for one letter.
 */
#include "gpu_card.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum {
	CELL = 64,	  /* pixels of a line that are compared together */
	MAX_DAMAGE = 512, /* boxes; beyond it is all that they span */
	BAND_BYTES = SCREEN_BAND * CARD_MAX_SIZE * PIXEL,
};

/* --- where pixels come from --- */

/* Lines of pixels in this machine's x8r8g8b8; what is in the upper byte does not matter. */
struct lines {
	const unsigned char *bytes;
	uint64_t stride;
};

static bool is_plain(pixman_format_code_t format)
{
	return format == PIXMAN_x8r8g8b8 || format == PIXMAN_a8r8g8b8;
}

static struct lines convert(unsigned char *to, pixman_format_code_t format, struct lines from,
			    uint32_t width, uint32_t height)
{
	int w = (int)width, h = (int)height, stride = w * PIXEL;
	pixman_image_t *in = pixman_image_create_bits_no_clear(
		format, w, h, (uint32_t *)(uintptr_t)from.bytes, (int)from.stride);
	pixman_image_t *out = pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, w, h,
								(uint32_t *)(void *)to, stride);

	/* Without memory for them it is black. */
	if (in && out)
		pixman_image_composite32(PIXMAN_OP_SRC, in, NULL, out, 0, 0, 0, 0, 0, 0, w, h);
	else
		memset(to, 0, (size_t)stride * height);
	if (in)
		pixman_image_unref(in);
	if (out)
		pixman_image_unref(out);
	return (struct lines){to, (uint64_t)width * PIXEL};
}

/* At most SCREEN_BAND lines of a screen.  The guest's memory is read once, here. */
static struct lines screen_lines(const struct card *card, const struct screen *s,
				 const pixman_box32_t *box)
{
	const struct resource *r = s->resource;
	uint32_t width = (uint32_t)(box->x2 - box->x1), height = (uint32_t)(box->y2 - box->y1);
	uint64_t x = (uint32_t)box->x1, y = (uint32_t)box->y1;
	pixman_format_code_t format = r->format ? r->format : s->layout.format;
	struct lines lines = {card->band, (uint64_t)width * PIXEL};

	if (r->format) {
		lines.stride = (uint64_t)r->width * PIXEL;
		lines.bytes = r->pixels + (s->y + y) * lines.stride + (s->x + x) * PIXEL;
	} else {
		for (uint32_t i = 0; i < height; i++)
			backing_read(&r->backing,
				     s->layout.offset + (y + i) * s->layout.stride + x * PIXEL,
				     card->band + i * lines.stride, lines.stride);
	}
	if (is_plain(format))
		return lines;
	return convert(card->band + BAND_BYTES, format, lines, width, height);
}

/* Of a blob: there may be no memory any more. */
static bool is_readable(const struct screen *s)
{
	const struct resource *r = s->resource;

	return r->format ||
	       backing_holds(&r->backing, s->layout.offset,
			     (s->height - 1) * (uint64_t)s->layout.stride + s->width * PIXEL);
}

/* --- what changes --- */

struct cell {
	uint8_t top, bottom; /* lines that differ: none if both are 0 */
};

static bool compare_line(struct cell *cells, uint8_t line, unsigned char *now,
			 const unsigned char *then, uint32_t width)
{
	uint64_t rest = (uint64_t)width * PIXEL, len;

	if (!memcmp(now, then, rest))
		return false;
	for (; rest; rest -= len, now += len, then += len, cells++) {
		len = rest < CELL * PIXEL ? rest : CELL * PIXEL;
		if (!memcmp(now, then, len))
			continue;
		memcpy(now, then, len);
		if (!cells->bottom)
			cells->top = line;
		cells->bottom = (uint8_t)(line + 1);
	}
	return true;
}

/* Neighbours are one box. */
static int cells_to_boxes(const struct cell *cells, uint32_t n, const pixman_box32_t *band,
			  pixman_box32_t *boxes)
{
	int n_boxes = 0;

	for (uint32_t i = 0; i < n; i++) {
		pixman_box32_t box = {band->x1 + (int32_t)(i * CELL), band->y1 + cells[i].top, 0,
				      band->y1 + cells[i].bottom};

		if (!cells[i].bottom)
			continue;
		box.x2 = box.x1 + CELL < band->x2 ? box.x1 + CELL : band->x2;
		if (n_boxes && boxes[n_boxes - 1].x2 == box.x1) {
			pixman_box32_t *last = &boxes[n_boxes - 1];

			last->x2 = box.x2;
			last->y1 = box.y1 < last->y1 ? box.y1 : last->y1;
			last->y2 = box.y2 > last->y2 ? box.y2 : last->y2;
		} else {
			boxes[n_boxes++] = box;
		}
	}
	return n_boxes;
}

static void damage_become(struct screen *s, const pixman_box32_t *box)
{
	pixman_region32_fini(&s->damage);
	pixman_region32_init_with_extents(&s->damage, box);
}

static void add_damage(struct screen *s, const pixman_box32_t *boxes, int n)
{
	const pixman_box32_t all = {0, 0, (int)s->width, (int)s->height};
	pixman_region32_t more;

	if (!pixman_region32_init_rects(&more, boxes, n) ||
	    !pixman_region32_union(&s->damage, &s->damage, &more)) {
		damage_become(s, &all); /* no memory */
	} else if (pixman_region32_n_rects(&s->damage) > MAX_DAMAGE) {
		const pixman_box32_t span = *pixman_region32_extents(&s->damage);

		damage_become(s, &span);
	}
	pixman_region32_fini(&more);
}

/* Returns whether anything differs. */
static bool draw_band(const struct card *card, struct screen *s, const pixman_box32_t *band)
{
	struct cell cells[CARD_MAX_SIZE / CELL] = {{0, 0}};
	pixman_box32_t boxes[CARD_MAX_SIZE / CELL];
	struct lines lines = screen_lines(card, s, band);
	uint32_t width = (uint32_t)(band->x2 - band->x1);
	bool differs = false;

	for (int32_t y = band->y1; y < band->y2; y++)
		differs |= compare_line(
			cells, (uint8_t)(y - band->y1),
			(unsigned char *)(s->pixels + (uint64_t)(uint32_t)y * s->width + band->x1),
			lines.bytes + (uint32_t)(y - band->y1) * lines.stride, width);
	if (differs)
		add_damage(s, boxes, cells_to_boxes(cells, (width + CELL - 1) / CELL, band, boxes));
	return differs;
}

/* What the resource has in this box of the screen. */
static void draw(struct card *card, struct screen *s, pixman_box32_t box)
{
	bool differs = false;

	if (s->stale) /* then all of it */
		box = (pixman_box32_t){0, 0, (int)s->width, (int)s->height};
	s->stale = false;
	for (int32_t y = box.y1; y < box.y2; y += SCREEN_BAND) {
		int32_t end = y + SCREEN_BAND < box.y2 ? y + SCREEN_BAND : box.y2;

		differs |= draw_band(card, s, &(pixman_box32_t){box.x1, y, box.x2, end});
	}
	s->frames += differs;
	card->drawn |= (uint32_t)differs << (s - card->screens);
}

/* --- which resource is shown --- */

void screen_off(struct card *card, struct screen *s)
{
	card->charged -= s->charged;
	free(s->pixels);
	s->resized |= s->resource != NULL;
	s->resource = NULL;
	s->pixels = NULL;
	s->charged = 0;
	s->width = s->height = 0;
	s->stale = false;
	pixman_region32_clear(&s->damage);
}

void card_hide(struct card *card, const struct resource *resource)
{
	for (uint32_t i = 0; i < card->n_outputs; i++)
		if (card->screens[i].resource == resource)
			screen_off(card, &card->screens[i]);
}

static bool is_inside(const struct virtio_gpu_rect *rect, uint32_t width, uint32_t height)
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
	damage_become(s, &(pixman_box32_t){0, 0, (int)width, (int)height});
	return true;
}

static uint32_t screen_set(struct card *card, uint32_t index, struct resource *r,
			   const struct virtio_gpu_rect *rect, const struct layout *layout)
{
	struct screen *s = &card->screens[index];

	if (!screen_resize(card, s, rect->width, rect->height))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
				 "what is shown would take more than --max-hostmem");
	s->resource = r;
	s->x = rect->x;
	s->y = rect->y;
	s->layout = *layout;
	s->stale = true;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Anything wrong with the number, or nothing to be shown: *response. */
static bool is_screen(struct card *card, uint32_t screen, uint32_t id, uint32_t *response)
{
	*response = VIRTIO_GPU_RESP_OK_NODATA;
	if (screen >= card->n_outputs)
		*response = card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
				      "there is no such scanout");
	else if (!id)
		screen_off(card, &card->screens[screen]);
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
	if (!is_inside(rect, r->width, r->height))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "what is to be shown lies outside of the resource");
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
	if (!r || r->format)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such blob to be shown");
	if (!layout.format)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "no such format");
	if (blob->width > CARD_MAX_SIZE || blob->height > CARD_MAX_SIZE ||
	    layout.stride < blob->width * PIXEL || !is_inside(rect, blob->width, blob->height))
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
	if (r->format ? !is_inside(rect, r->width, r->height)
		      : !is_inside(rect, CARD_MAX_SIZE, CARD_MAX_SIZE))
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

		if (s->resource != r || (!s->stale && (box.x1 >= box.x2 || box.y1 >= box.y2)))
			continue;
		if (is_readable(s))
			draw(card, s, box);
		else
			response = card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC,
					     "the blob has no memory any more");
	}
	return response;
}

void card_settle(struct card *card)
{
	for (uint32_t i = 0; i < card->n_outputs; i++) {
		struct screen *s = &card->screens[i];

		if (s->stale && is_readable(s))
			draw(card, s, (pixman_box32_t){0, 0, 0, 0});
		s->stale = false;
	}
}
