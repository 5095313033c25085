/* SPDX-License-Identifier: MIT */
/*
 * See gpu_draw.h.  A picture's pixels are compared when they are transferred (gpu_transfer.c), so
 * what is pending is copied, and what is ahead is here already; a blob's, and those of a picture
 * that takes another's place, are compared here.
 */
#include "gpu_draw.h"

#include <string.h>

#include "gpu_damage.h"

enum { BAND_BYTES = SCREEN_BAND * CARD_MAX_SIZE * PIXEL };

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
bool draw_is_possible(const struct screen *s)
{
	const struct resource *r = s->resource;

	return r->format ||
	       backing_holds(&r->backing, s->layout.offset,
			     (s->height - 1) * (uint64_t)s->layout.stride + s->width * PIXEL);
}

/* --- and where to --- */

static void *line_of(const struct screen *s, int32_t x, int32_t y)
{
	return s->pixels + (uint64_t)(uint32_t)y * s->width + x;
}

static void drawn(struct card *card, struct screen *s)
{
	s->frames++;
	card->drawn |= UINT32_C(1) << (s - card->screens);
}

/* Only what differs. */
static void draw_differences(struct card *card, struct screen *s, const pixman_box32_t *box)
{
	struct damage_band band;
	bool differs = false;

	for (int32_t y = box->y1; y < box->y2; y += SCREEN_BAND) {
		int32_t end = y + SCREEN_BAND < box->y2 ? y + SCREEN_BAND : box->y2;
		const pixman_box32_t part = {box->x1, y, box->x2, end};
		struct lines lines = screen_lines(card, s, &part);

		damage_begin(&band, part);
		for (int32_t i = y; i < end; i++)
			damage_line(&band, i, line_of(s, box->x1, i),
				    lines.bytes + (uint32_t)(i - y) * lines.stride);
		damage_end(&band, &s->damage);
		differs |= band.differs;
	}
	if (differs)
		drawn(card, s);
}

static void copy_box(const struct card *card, struct screen *s, const pixman_box32_t *box)
{
	size_t len = (size_t)(box->x2 - box->x1) * PIXEL;

	for (int32_t y = box->y1; y < box->y2; y += SCREEN_BAND) {
		int32_t end = y + SCREEN_BAND < box->y2 ? y + SCREEN_BAND : box->y2;
		struct lines lines =
			screen_lines(card, s, &(pixman_box32_t){box->x1, y, box->x2, end});

		for (int32_t i = y; i < end; i++)
			memcpy(line_of(s, box->x1, i),
			       lines.bytes + (uint32_t)(i - y) * lines.stride, len);
	}
}

/* What was transferred since, of that box. */
static void draw_pending(struct card *card, struct screen *s, const pixman_box32_t *box)
{
	pixman_region32_t part;
	pixman_box32_t *boxes;
	int n;

	pixman_region32_init_with_extents(&part, box);
	/* Without memory all of the box is drawn. */
	if (!pixman_region32_intersect(&part, &part, &s->pending))
		damage_become(&part, box);
	boxes = pixman_region32_rectangles(&part, &n);
	for (int i = 0; i < n; i++)
		copy_box(card, s, &boxes[i]);
	if (n) {
		damage_add(&s->damage, &part);
		damage_take_away(&s->pending, &part);
		drawn(card, s);
	}
	pixman_region32_fini(&part);
}

bool draw_may_be_ahead(const struct screen *s)
{
	return is_plain(s->resource->format) && !s->stale &&
	       !pixman_region32_not_empty((pixman_region32_t *)(uintptr_t)&s->pending);
}

void draw_ahead(struct card *card, struct screen *s, const pixman_region32_t *changed)
{
	if (!pixman_region32_not_empty((pixman_region32_t *)(uintptr_t)changed))
		return;
	damage_add(&s->damage, changed);
	damage_add(&s->ahead, changed);
	drawn(card, s);
}

void draw_back(struct card *card, struct screen *s)
{
	struct resource *r = s->resource;
	int n;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&s->ahead, &n);

	for (int i = 0; i < n; i++) {
		size_t len = (size_t)(boxes[i].x2 - boxes[i].x1) * PIXEL;
		uint64_t x = s->x + (uint32_t)boxes[i].x1;

		for (int32_t y = boxes[i].y1; y < boxes[i].y2; y++)
			memcpy(r->pixels + ((s->y + (uint64_t)y) * r->width + x) * PIXEL,
			       line_of(s, boxes[i].x1, y), len);
		card->work += len * (uint64_t)(boxes[i].y2 - boxes[i].y1);
	}
	pixman_region32_clear(&s->ahead);
}

void draw_all(struct card *card, struct screen *s)
{
	const pixman_box32_t all = {0, 0, (int)s->width, (int)s->height};

	s->stale = false;
	card->work += (uint64_t)s->width * s->height * PIXEL;
	pixman_region32_clear(&s->pending);
	draw_differences(card, s, &all);
}

void draw_box(struct card *card, struct screen *s, pixman_box32_t box)
{
	card->work += (uint64_t)(box.x2 - box.x1) * (uint64_t)(box.y2 - box.y1) * PIXEL;
	if (s->stale)
		draw_all(card, s);
	else if (s->resource->format)
		draw_pending(card, s, &box);
	else
		draw_differences(card, s, &box);
}
