/* SPDX-License-Identifier: MIT */
/* See gpu_card.h: the beginning and the end of a card, and what it counts. */
#include "gpu_card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int card_init(struct card *card)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		pixman_region32_init(&card->screens[i].damage);
		pixman_region32_init(&card->screens[i].pending);
		pixman_region32_init(&card->screens[i].ahead);
	}
	card->band = calloc(2 * SCREEN_BAND, (size_t)CARD_MAX_SIZE * PIXEL);
	return card->band ? 0 : -ENOMEM;
}

void card_clear(struct card *card)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		screen_off(card, &card->screens[i]);
		card->screens[i].cursor = (struct cursor){.moved = true};
	}
	card_forget(card, false);
}

void card_fini(struct card *card)
{
	if (!card->band)
		return;
	card_clear(card);
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		pixman_region32_fini(&card->screens[i].damage);
		pixman_region32_fini(&card->screens[i].pending);
		pixman_region32_fini(&card->screens[i].ahead);
	}
	free(card->band);
	card->band = NULL;
}

static void mark_old(struct card *card, struct resource *resource)
{
	card->n_old += !resource->old;
	resource->old = true;
}

static void move(struct card *card, struct resource *resource)
{
	uint64_t before = resource->backing.room, more;

	backing_move(&resource->backing, &card->map);
	/* Other regions cut it into other pieces. */
	more = (resource->backing.room - before) * sizeof(struct backing_piece);
	resource->charged += more;
	card->charged += more;
}

static void for_each(struct card *card, void (*fn)(struct card *card, struct resource *resource))
{
	for (uint32_t i = 0; i < CARD_BUCKETS; i++)
		for (struct resource *r = card->buckets[i]; r; r = r->next)
			fn(card, r);
}

void card_doubt(struct card *card)
{
	for_each(card, mark_old);
	three_doubt(card);
}

void card_move(struct card *card)
{
	for_each(card, move);
	share_moved(card);
}

bool card_charge(struct card *card, uint64_t bytes)
{
	uint64_t limit = card->limits.bytes;

	if (bytes > limit)
		return false;
	/* A driver that was there before would have used its resources by now. */
	if (card->charged > limit - bytes && card->n_old)
		card_forget(card, true);
	if (card->charged > limit - bytes)
		return false;
	card->charged += bytes;
	return true;
}

uint32_t card_fail(struct card *card, uint32_t response, const char *why)
{
	card->why = why;
	return response;
}
