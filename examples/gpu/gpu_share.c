/* SPDX-License-Identifier: MIT */
/* See gpu_share.h: which screens are shown so.  gpu_share_make.h has how dma-bufs are made. */
#include "gpu_share.h"

#include <stdlib.h>
#include <unistd.h>

#include "gpu_card.h"
#include "gpu_damage.h"
#include "gpu_share_make.h"

static void damage_all(struct screen *s)
{
	damage_become(&s->damage, &(pixman_box32_t){0, 0, (int)s->width, (int)s->height});
}

void share_drop(struct card *card, struct resource *r)
{
	if (!r->share)
		return;
	share_free(r->share);
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

void share_make_room(struct card *card)
{
	if (card->sharing.n >= SHARES_MOST)
		drop_unseen(card);
	card->sharing.n++;
}

void share_say(struct card *card, struct resource *r, const struct share_problem *problem)
{
	if (r->share_said)
		return;
	r->share_said = true;
	card->sharing.say(card->sharing.opaque, "resource", r->id, problem);
}

static void say_output(struct card *card, const struct screen *s,
		       const struct share_problem *problem)
{
	const uint32_t output = (uint32_t)(s - card->screens), bit = UINT32_C(1) << output;

	if (!(card->sharing.said & bit))
		card->sharing.say(card->sharing.opaque, "output", output, problem);
	card->sharing.said |= bit;
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

		if (other != s && other->resource == s->resource &&
		    other->shared == SHARED_RESOURCE)
			return true;
	}
	return false;
}

/* The resource's own memory. */
static bool share_resource(struct card *card, struct screen *s)
{
	struct share_problem problem = {.why = "two outputs show it in two ways"};
	struct resource *r = s->resource;
	struct share share;

	if (r->kind == RESOURCE_3D)
		return share_3d(card, s);
	if (r->kind != RESOURCE_BLOB || !card->sharing.make)
		return false;
	share = share_blob_wanted(s);
	if (r->share && is_same(r->share, &share))
		return true;
	if (r->share && is_shared_by_another(card, s)) {
		share_say(card, r, &problem);
		return false;
	}
	share_drop(card, r);
	share_make_room(card);
	r->share = share_blob(card, r, &share, &problem);
	if (!r->share)
		card->sharing.n--;
	share_say(card, r, r->share ? NULL : &problem);
	return r->share;
}

/* What is drawn here. */
static bool share_drawn(struct card *card, struct screen *s)
{
	struct share_problem problem;

	if (!card->sharing.make)
		return false;
	if (!s->own)
		s->own = share_pixels(card, s, &problem);
	say_output(card, s, s->own ? NULL : &problem);
	return s->own;
}

static enum screen_shared find_way(struct card *card, struct screen *s)
{
	s->coming = false;
	if (!card->sharing.on || !s->resource)
		return SHARED_NOT;
	if (share_resource(card, s))
		return SHARED_RESOURCE;
	return !s->coming && share_drawn(card, s) ? SHARED_PIXELS : SHARED_NOT;
}

static void become(struct screen *s, enum screen_shared shared)
{
	/* What is here is older. */
	if (s->shared == SHARED_RESOURCE && shared != SHARED_RESOURCE)
		s->stale = true;
	/* Also of the same size it is another resource's. */
	if (s->shared != shared || shared == SHARED_RESOURCE) {
		s->resized = true;
		damage_all(s);
	}
	s->shared = shared;
}

void share_screen(struct card *card, struct screen *s)
{
	become(s, find_way(card, s));
}

const struct share *share_of(const struct screen *s)
{
	return s->shared == SHARED_RESOURCE ? s->resource->share
	       : s->shared == SHARED_PIXELS ? s->own
					    : NULL;
}

void share_refuse(struct card *card, struct screen *s, const struct share_problem *problem)
{
	card->sharing.said &= ~(UINT32_C(1) << (s - card->screens));
	say_output(card, s, problem);
	become(s, SHARED_NOT);
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
	card->sharing.said = 0;
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

void share_detached(struct card *card, struct resource *r)
{
	if (!r->share || r->kind == RESOURCE_3D)
		return;
	share_drop(card, r);
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		if (card->screens[i].resource == r)
			share_screen(card, &card->screens[i]);
}

bool share_only(const struct card *card, const struct screen *s)
{
	return s->shared == SHARED_RESOURCE && !card->sharing.copies;
}

void share_flush(struct screen *s, const pixman_box32_t *box)
{
	pixman_region32_t part;

	pixman_region32_init_with_extents(&part, box);
	damage_add(&s->damage, &part);
	pixman_region32_fini(&part);
	s->frames++;
}
