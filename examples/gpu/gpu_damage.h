/* SPDX-License-Identifier: MIT */
/*
 * What of a picture changed: found by comparing it with what it is to become, as a region.
 *
 * A few lines are compared at a time, each in cells; of a cell that differs what lies between the
 * first and the last pixel that do is copied.  Regions have a
 * bounded number of boxes: beyond it they are what those span.
 */
#ifndef GPU_DAMAGE_H
#define GPU_DAMAGE_H

#include "gpu_card.h"

enum { DAMAGE_CELL = 256, DAMAGE_CELLS = CARD_MAX_SIZE / DAMAGE_CELL, DAMAGE_BOXES = 512 };

/* What differs is in this box of the band's cell: nothing if right is 0. */
struct damage_cell {
	uint16_t left, right;
	uint8_t top, bottom;
};

/* At most SCREEN_BAND lines of a picture. */
struct damage_band {
	pixman_box32_t box;
	bool differs;
	struct damage_cell cells[DAMAGE_CELLS];
};

void damage_begin(struct damage_band *band, pixman_box32_t box);
/* now, the line y of the box, becomes then. */
void damage_line(struct damage_band *band, int32_t y, void *now, const void *then);
/* What differed is part of the region, too. */
void damage_end(const struct damage_band *band, pixman_region32_t *region);

void damage_add(pixman_region32_t *region, const pixman_region32_t *more);
void damage_take_away(pixman_region32_t *region, const pixman_region32_t *less);
/* It is this box and nothing else. */
void damage_become(pixman_region32_t *region, const pixman_box32_t *box);

#endif
