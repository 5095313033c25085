/* SPDX-License-Identifier: MIT */
/*
 * See gpu_display.h: a guest that flushes what the display has the memory of, and asks for a
 * fence, is to draw there again when the display has read it: Linux waits for that, for 50 ms.  So
 * long, and no longer, a flush stays open; after a display that took longer none does, until it
 * says something again.
 */
#include <endian.h>
#include <stdlib.h>

#include "gpu_display.h"

#define MILLISECOND UINT64_C(1000000)

enum { HOLD_MS = 50 };

struct held {
	struct held *next;
	struct vu_req *req;
	struct command command;
	uint32_t response;
	uint32_t untold, unread; /* outputs whose display does not know yet; has not read it */
};

static bool shows(const struct screen *s, uint32_t resource)
{
	return s->shared == SHARED_RESOURCE && s->resource->id == resource;
}

static uint32_t untold_of(const struct display *d, uint32_t resource)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		struct screen *s = &d->card->screens[i];

		if (shows(s, resource) && (pixman_region32_not_empty(&s->damage) ||
					   pixman_region32_not_empty(&d->telling[i])))
			mask |= UINT32_C(1) << i;
	}
	return mask;
}

/* What 3D drew the display may have been told before its fence was done. */
static uint32_t unread_of(const struct display *d, uint32_t resource)
{
	return d->owes_ack && shows(&d->card->screens[d->reads], resource) ? UINT32_C(1) << d->reads
									   : 0;
}

bool display_hold(struct display *d, struct vu_req *req, const struct command *c, uint32_t response)
{
	const bool fenced = le32toh(c->in.hdr.flags) & VIRTIO_GPU_FLAG_FENCE;
	struct held *held;
	uint32_t untold, unread;

	/* With few pictures a second the next one may come later than that. */
	if (c->type != VIRTIO_GPU_CMD_RESOURCE_FLUSH || !fenced || d->fd < 0 || !d->ready ||
	    d->tired || d->interval >= HOLD_MS * MILLISECOND ||
	    response != VIRTIO_GPU_RESP_OK_NODATA)
		return false;
	untold = untold_of(d, command_resource(c));
	unread = unread_of(d, command_resource(c));
	held = untold | unread ? calloc(1, sizeof(*held)) : NULL;
	if (!held)
		return false;
	*held = (struct held){d->held, req, *c, response, untold, unread};
	if (!d->held && vu_source_set_timer(d->hold, HOLD_MS * MILLISECOND, 0)) {
		free(held);
		return false;
	}
	d->held = held;
	return true;
}

/* Those that wait for nothing any more. */
static void answer_ready(struct display *d)
{
	struct held **link = &d->held;

	while (*link) {
		struct held *held = *link;

		if (held->untold | held->unread) {
			link = &held->next;
			continue;
		}
		*link = held->next;
		vu_req_complete(held->req, command_answer(&held->command, held->response));
		free(held);
	}
}

void display_hold_told(struct display *d, uint32_t index)
{
	for (struct held *held = d->held; held; held = held->next) {
		held->unread |= held->untold & UINT32_C(1) << index;
		held->untold &= ~(UINT32_C(1) << index);
	}
}

/* There is one update at a time. */
void display_hold_read(struct display *d)
{
	d->tired = false;
	for (struct held *held = d->held; held; held = held->next)
		held->unread = 0;
	answer_ready(d);
}

void display_hold_gone(struct display *d, uint32_t index)
{
	for (struct held *held = d->held; held; held = held->next)
		held->untold &= ~(UINT32_C(1) << index);
	answer_ready(d);
}

void display_hold_end(struct display *d)
{
	for (struct held *held = d->held; held; held = held->next)
		held->untold = held->unread = 0;
	answer_ready(d);
}

void display_hold_over(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	struct display *d = opaque;

	(void)source;
	(void)fd;
	(void)expirations;
	d->tired |= d->held && d->owes_ack;
	display_hold_end(d);
}
