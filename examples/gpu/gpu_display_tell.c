/* SPDX-License-Identifier: MIT */
/*
 * See gpu_display.h: what a display is told, one message at a time.  Which is next is found out
 * when there is room for it, from what the card says is new.
 */
#include "gpu_display.h"

#include <string.h>

#include "gpu_damage.h"

/* vhost-user-gpu "Payload types"; numbers are this machine's. */
struct display_cursor_pos {
	uint32_t scanout_id, x, y;
};

struct display_cursor_update {
	struct display_cursor_pos pos;
	uint32_t hot_x, hot_y;
	uint32_t pixels[CARD_CURSOR * CARD_CURSOR];
};

void *display_message(struct display *d, uint32_t request, uint32_t size)
{
	const struct display_header header = {request, 0, size};

	memcpy(d->out, &header, sizeof(header));
	d->out_len = sizeof(header) + size;
	d->out_sent = 0;
	return d->out + sizeof(header);
}

void display_tell_all(struct display *d)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		struct screen *s = &d->card->screens[i];

		pixman_region32_fini(&s->damage);
		pixman_region32_init_rect(&s->damage, 0, 0, s->width, s->height);
		pixman_region32_clear(&d->telling[i]);
		s->resized = s->resource != NULL;
		s->cursor.drawn = s->cursor.visible;
		s->cursor.moved = false;
	}
}

static void tell_size(struct display *d, uint32_t index)
{
	struct screen *s = &d->card->screens[index];
	const struct display_scanout scanout = {index, s->width, s->height};

	if (display_next_share(d, index))
		return;
	memcpy(display_message(d, DISPLAY_SCANOUT, sizeof(scanout)), &scanout, sizeof(scanout));
	s->resized = false;
	/* Of another size: there are other pixels now. */
	pixman_region32_clear(&d->telling[index]);
}

static void tell_cursor(struct display *d, uint32_t index)
{
	struct cursor *c = &d->card->screens[index].cursor;
	const struct display_cursor_pos pos = {index, c->x, c->y};
	struct display_cursor_update update = {pos, c->hot_x, c->hot_y, {0}};
	void *payload;

	if (c->drawn && c->visible) {
		memcpy(update.pixels, c->pixels, sizeof(update.pixels));
		payload = display_message(d, DISPLAY_CURSOR_UPDATE, sizeof(update));
		memcpy(payload, &update, sizeof(update));
		c->drawn = false;
	} else {
		payload = display_message(
			d, c->visible ? DISPLAY_CURSOR_POS : DISPLAY_CURSOR_POS_HIDE, sizeof(pos));
		memcpy(payload, &pos, sizeof(pos));
	}
	c->moved = false;
}

/* As much of the first box that is left as a message may have: as it is now. */
static bool tell_pixels(struct display *d, uint32_t index)
{
	struct screen *s = &d->card->screens[index];
	pixman_box32_t box = *pixman_region32_rectangles(&d->telling[index], NULL);
	uint32_t width = (uint32_t)(box.x2 - box.x1), line = width * PIXEL, height;
	struct display_update update;
	pixman_region32_t told;
	unsigned char *to;

	height = (uint32_t)(box.y2 - box.y1);
	if (height > DISPLAY_UPDATE_MAX / line)
		height = DISPLAY_UPDATE_MAX / line;
	update = (struct display_update){index, (uint32_t)box.x1, (uint32_t)box.y1, width, height};
	to = display_message(d, DISPLAY_UPDATE, sizeof(update) + line * height);
	memcpy(to, &update, sizeof(update));
	to += sizeof(update);
	for (uint32_t i = 0; i < height; i++)
		memcpy(to + i * line, s->pixels + (update.y + i) * (uint64_t)s->width + update.x,
		       line);
	pixman_region32_init_rect(&told, box.x1, box.y1, width, height);
	damage_take_away(&d->telling[index], &told);
	damage_take_away(&s->damage, &told);
	pixman_region32_fini(&told);
	d->n_updates++;
	d->n_told++;
	return true;
}

static bool tell_some_pixels(struct display *d)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		if (!pixman_region32_not_empty(&d->telling[i]) || d->card->screens[i].coming)
			continue;
		else if (!d->card->screens[i].shared)
			return tell_pixels(d, i);
		else if (display_next_update(d, i))
			return true;
	return false;
}

/*
 * A picture is all that is new at a time: what changes while it is told, as it may for as long as
 * a display is slow, keeps no other area of it waiting.
 */
static void begin_picture(struct display *d)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		struct screen *s = &d->card->screens[i];

		damage_add(&d->telling[i], &s->damage);
		pixman_region32_clear(&s->damage);
	}
}

/* The next one comes a while later. */
static void end_picture(struct display *d)
{
	if (d->n_told && d->interval && !vu_source_set_timer(d->pause, d->interval, 0))
		d->pausing = true;
	d->n_told = 0;
}

static bool tell_picture(struct display *d)
{
	if (tell_some_pixels(d))
		return true;
	end_picture(d);
	if (d->pausing)
		return false;
	begin_picture(d);
	return tell_some_pixels(d);
}

bool display_next(struct display *d)
{
	const uint64_t ours = d->features & (DISPLAY_F_EDID | (d->takes ? DISPLAY_F_DMABUF2 : 0));

	d->out_len = d->out_sent = 0;
	if (d->owes_features) {
		d->owes_features = false;
		memcpy(display_message(d, DISPLAY_SET_PROTOCOL_FEATURES, sizeof(ours)), &ours,
		       sizeof(ours));
		return true;
	}
	if (display_next_ask(d))
		return true;
	for (uint32_t i = 0; d->ready && i < CARD_OUTPUTS; i++) {
		struct screen *s = &d->card->screens[i];

		if (s->resized && !s->coming)
			tell_size(d, i);
		else if (s->cursor.moved || (s->cursor.drawn && s->cursor.visible))
			tell_cursor(d, i);
		else
			continue;
		return true;
	}
	return d->ready && tell_picture(d);
}
