/* SPDX-License-Identifier: MIT */
/* See gpu_share.h: which screens are shown so.  gpu_share_blob.c makes dma-bufs of blobs. */
#include "gpu_share.h"

#include <stdlib.h>
#include <unistd.h>

#include "gpu_card.h"
#include "gpu_damage.h"
#include "gpu_share_blob.h"

static void damage_all(struct screen *s)
{
	damage_become(&s->damage, &(pixman_box32_t){0, 0, (int)s->width, (int)s->height});
}

void share_drop(struct card *card, struct resource *r)
{
	if (!r->share)
		return;
	close(r->share->fd);
	free(r->share);
	r->share = NULL;
	card->sharing.n--;
}

static bool is_shown(const struct card *card, const struct resource *r)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		if (card->screens[i].resource == r)
			return true;
	return false;
}

/* A guest may have thousands, and show one after the other. */
static void drop_unseen(struct card *card)
{
	for (uint32_t i = 0; i < CARD_BUCKETS; i++)
		for (struct resource *r = card->buckets[i]; r; r = r->next)
			if (r->share && !is_shown(card, r))
				share_drop(card, r);
}

static void say(struct card *card, struct resource *r, const char *why, int error)
{
	if (r->share_said)
		return;
	r->share_said = true;
	card->sharing.say(card->sharing.opaque, r->id, why, error);
}

/* The one that there is may be of another part of the resource, or of another shape. */
static bool is_same(const struct share *have, const struct share *wanted)
{
	return have->offset == wanted->offset && have->width == wanted->width &&
	       have->height == wanted->height && have->stride == wanted->stride &&
	       have->fourcc == wanted->fourcc;
}

static bool is_shared_by_another(const struct card *card, const struct screen *s)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		const struct screen *other = &card->screens[i];

		if (other != s && other->resource == s->resource && other->shared)
			return true;
	}
	return false;
}

static bool is_possible(struct card *card, struct screen *s)
{
	struct resource *r = s->resource;
	struct share_problem problem;
	struct share share;

	if (r->kind != RESOURCE_BLOB)
		return false;
	share = share_blob_wanted(s);
	if (r->share && is_same(r->share, &share))
		return true;
	if (r->share && is_shared_by_another(card, s)) {
		say(card, r, "two outputs show it in two ways", 0);
		return false;
	}
	share_drop(card, r);
	if (card->sharing.n >= SHARES_MOST)
		drop_unseen(card);
	share.fd = share_blob(card, r, &share, &problem);
	if (share.fd >= 0) {
		r->share = malloc(sizeof(*r->share));
		if (r->share) {
			*r->share = share;
			card->sharing.n++;
			say(card, r, NULL, 0);
			return true;
		}
		close(share.fd);
		problem.why = "no memory for it";
	}
	say(card, r, problem.why, problem.error);
	return false;
}

/* What of it is here is older. */
static void get_pixels_again(struct screen *s)
{
	s->shared = false;
	s->resized = true;
	s->stale = s->resource != NULL;
	damage_all(s);
}

void share_screen(struct card *card, struct screen *s)
{
	const bool was = s->shared;

	s->shared = card->sharing.on && s->resource && is_possible(card, s);
	if (s->shared) {
		/* Also of the same size it is another dma-buf. */
		s->resized = true;
		damage_all(s);
	} else if (was) {
		get_pixels_again(s);
	}
}

void share_refuse(struct card *card, struct screen *s, const char *why, int error)
{
	card->sharing.say(card->sharing.opaque, s->resource->id, why, error);
	get_pixels_again(s);
	card_settle(card);
}

static void share_screens(struct card *card)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		if (card->screens[i].resource)
			share_screen(card, &card->screens[i]);
}

void share_all(struct card *card, bool on)
{
	if (card->sharing.on == on)
		return;
	card->sharing.on = on;
	share_screens(card);
	if (!on)
		card_settle(card);
}

void share_moved(struct card *card)
{
	for (uint32_t i = 0; i < CARD_BUCKETS && card->sharing.n; i++)
		for (struct resource *r = card->buckets[i]; r; r = r->next)
			if (r->kind == RESOURCE_BLOB)
				share_drop(card, r);
	if (card->sharing.on)
		share_screens(card);
}

bool share_only(const struct card *card, const struct screen *s)
{
	return s->shared && !card->sharing.copies;
}

void share_flush(struct screen *s, const pixman_box32_t *box)
{
	pixman_region32_t part;

	pixman_region32_init_with_extents(&part, box);
	damage_add(&s->damage, &part);
	pixman_region32_fini(&part);
	s->frames++;
}
