/* SPDX-License-Identifier: MIT */
/* From a resource to the screen that shows it. */
#ifndef GPU_DRAW_H
#define GPU_DRAW_H

#include "gpu_card.h"

/* Of a blob: there may be no memory any more. */
bool draw_is_possible(const struct screen *screen);
/* What the resource has in this box of the screen; all of it, if it shows another one since. */
void draw_box(struct card *card, struct screen *screen, pixman_box32_t box);
void draw_all(struct card *card, struct screen *screen);

#endif
