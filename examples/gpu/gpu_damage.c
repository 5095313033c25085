/* SPDX-License-Identifier: MIT */
/* See gpu_damage.h.  Device thread. */
#include "gpu_damage.h"

#include <string.h>

void damage_begin(struct damage_band *band, pixman_box32_t box)
{
	size_t n = (size_t)(box.x2 - box.x1 + DAMAGE_CELL - 1) / DAMAGE_CELL;

	band->box = box;
	band->differs = false;
	memset(band->cells, 0, n * sizeof(band->cells[0]));
}

enum { STEP = 8 }; /* pixels that are compared at once */

static bool is_same(const unsigned char *a, const unsigned char *b, uint32_t i)
{
	return !memcmp(a + i * PIXEL, b + i * PIXEL, PIXEL);
}

/* How many pixels are the same from the left, and of those behind left from the right on. */
static uint32_t same_left(const unsigned char *a, const unsigned char *b, uint32_t n)
{
	uint32_t i = 0;

	while (i + STEP <= n && !memcmp(a + i * PIXEL, b + i * PIXEL, STEP * PIXEL))
		i += STEP;
	while (i < n && is_same(a, b, i))
		i++;
	return i;
}

static uint32_t same_right(const unsigned char *a, const unsigned char *b, uint32_t left,
			   uint32_t n)
{
	uint32_t end = n;

	while (end >= left + STEP &&
	       !memcmp(a + (end - STEP) * PIXEL, b + (end - STEP) * PIXEL, STEP * PIXEL))
		end -= STEP;
	while (end > left && is_same(a, b, end - 1))
		end--;
	return n - end;
}

static void cell_line(struct damage_cell *cell, uint8_t line, unsigned char *now,
		      const unsigned char *then, uint32_t n)
{
	uint32_t left = same_left(now, then, n), right = n - same_right(now, then, left, n);

	/* The guest may write there meanwhile: that they differed says nothing any more. */
	if (left == right)
		return;
	memcpy(now + left * PIXEL, then + left * PIXEL, (right - left) * PIXEL);
	if (!cell->right) {
		*cell = (struct damage_cell){(uint16_t)left, (uint16_t)right, line, 0};
	} else {
		cell->left = left < cell->left ? (uint16_t)left : cell->left;
		cell->right = right > cell->right ? (uint16_t)right : cell->right;
	}
	cell->bottom = (uint8_t)(line + 1);
}

void damage_line(struct damage_band *band, int32_t y, void *now, const void *then)
{
	uint32_t rest = (uint32_t)(band->box.x2 - band->box.x1), n;
	struct damage_cell *cell = band->cells;
	const unsigned char *from = then;
	unsigned char *to = now;

	if (!memcmp(to, from, (size_t)rest * PIXEL))
		return;
	for (; rest; rest -= n, to += n * PIXEL, from += n * PIXEL, cell++) {
		n = rest < DAMAGE_CELL ? rest : DAMAGE_CELL;
		if (memcmp(to, from, n * PIXEL))
			cell_line(cell, (uint8_t)(y - band->box.y1), to, from, n);
	}
	band->differs = true;
}

/* Neighbours are one box. */
static int boxes_of(const struct damage_band *band, pixman_box32_t *boxes)
{
	int n = 0;

	for (int32_t x = band->box.x1; x < band->box.x2; x += DAMAGE_CELL) {
		const struct damage_cell *cell = &band->cells[(x - band->box.x1) / DAMAGE_CELL];
		const pixman_box32_t box = {x + cell->left, band->box.y1 + cell->top,
					    x + cell->right, band->box.y1 + cell->bottom};

		if (!cell->right)
			continue;
		if (n && boxes[n - 1].x2 == box.x1) {
			pixman_box32_t *last = &boxes[n - 1];

			last->x2 = box.x2;
			last->y1 = box.y1 < last->y1 ? box.y1 : last->y1;
			last->y2 = box.y2 > last->y2 ? box.y2 : last->y2;
		} else {
			boxes[n++] = box;
		}
	}
	return n;
}

void damage_end(const struct damage_band *band, pixman_region32_t *region)
{
	pixman_box32_t boxes[DAMAGE_CELLS];
	pixman_region32_t more;

	if (!band->differs)
		return;
	/* Without memory it is all of them. */
	if (!pixman_region32_init_rects(&more, boxes, boxes_of(band, boxes)))
		damage_become(&more, &band->box);
	damage_add(region, &more);
	pixman_region32_fini(&more);
}

void damage_become(pixman_region32_t *region, const pixman_box32_t *box)
{
	pixman_region32_fini(region);
	pixman_region32_init_with_extents(region, box);
}

void damage_add(pixman_region32_t *region, const pixman_region32_t *more)
{
	pixman_box32_t span = *pixman_region32_extents(region);
	const pixman_box32_t other = *pixman_region32_extents((pixman_region32_t *)(uintptr_t)more);

	if (!pixman_region32_not_empty(region)) {
		span = other;
	} else {
		span.x1 = other.x1 < span.x1 ? other.x1 : span.x1;
		span.y1 = other.y1 < span.y1 ? other.y1 : span.y1;
		span.x2 = other.x2 > span.x2 ? other.x2 : span.x2;
		span.y2 = other.y2 > span.y2 ? other.y2 : span.y2;
	}
	/* Without memory it is what both span. */
	if (!pixman_region32_union(region, region, (pixman_region32_t *)(uintptr_t)more) ||
	    pixman_region32_n_rects(region) > DAMAGE_BOXES)
		damage_become(region, &span);
}

void damage_take_away(pixman_region32_t *region, const pixman_region32_t *less)
{
	const pixman_box32_t span = *pixman_region32_extents(region);

	/* Without memory it stays as it is: something is told twice. */
	if (!pixman_region32_subtract(region, region, (pixman_region32_t *)(uintptr_t)less))
		damage_become(region, &span);
}
