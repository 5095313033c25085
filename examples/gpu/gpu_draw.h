/* SPDX-License-Identifier: MIT */
/* From a resource to the screen that shows it. */
#ifndef GPU_DRAW_H
#define GPU_DRAW_H

#include "gpu_card.h"

/* Of a blob: there may be no memory any more. */
bool draw_is_possible(const struct screen *screen);
/*
 * The screen shows the resource's pixels as they are, and all that was transferred: what is flushed
 * as soon as it is transferred may be drawn without its way through the resource, which draw_back()
 * then gives it when somebody else wants its pixels.
 */
bool draw_may_be_ahead(const struct screen *screen);
/* These of the screen's pixels are new, and not the resource's yet. */
void draw_ahead(struct card *card, struct screen *screen, const pixman_region32_t *changed);
void draw_back(struct card *card, struct screen *screen);
/* What the resource has in this box of the screen; all of it, if it shows another one since. */
void draw_box(struct card *card, struct screen *screen, pixman_box32_t box);
void draw_all(struct card *card, struct screen *screen);

#endif
