/* SPDX-License-Identifier: MIT */
/*
 * Where a ring's three areas are (virtio 1.3 §2.6).  Each is used in one piece.  Where its
 * addresses are in several of guest memory, as they may be behind an IOMMU, these are mapped once
 * more, side by side, until they are somewhere else.  Queue thread.
 */
#include <errno.h>
#include <stdint.h>

#include "mem/mirror.h"
#include "ring/packed.h"
#include "ring/ring.h"
#include "ring/split.h"

/* What is looked for. */
struct area {
	uint64_t addr, bytes;
	enum space_access access;
	const char *outside, *apart;
};

/* In what runs it is. */
struct found {
	struct mirror_run runs[MIRROR_RUNS];
	uint32_t n;
};

/* Where it is; the mirror is the area's own, or still the ring's, or NULL. */
struct place {
	void *host;
	struct mirror *mirror;
};

/* Where the three areas' addresses are looked up. */
static struct space areas_space(const struct ring *r)
{
	struct space areas = r->space;

	if (!r->config.is_translated)
		areas.kind = r->config.space;
	return areas;
}

/* NULL: found, or it was asked for and is sought; or why it cannot be. */
static const char *area_find(struct ring *r, const struct area *a, struct found *found)
{
	const struct space space = areas_space(r);
	uint64_t missed;
	int err =
		space_gather(&space, a->addr, a->bytes, a->access, found->runs, &found->n, &missed);

	if (err == SPACE_MISS) {
		r->seeks_areas = true;
		ring_miss(r, missed, a->access);
		return NULL;
	}
	if (err)
		return err == -E2BIG ? a->apart : a->outside;
	return NULL;
}

/* In one piece: NULL, or why not. */
static const char *area_join(const struct ring *r, const struct area *a, const struct found *found,
			     struct mirror *old, struct place *place)
{
	int err;

	if (found->n == 1) {
		place->host = found->runs[0].host;
		return NULL;
	}
	place->mirror = old;
	if (!mirror_shows(old, found->runs, found->n)) {
		place->mirror = NULL;
		err = mirror_new(r->config.mappings, found->runs, found->n, &place->mirror);
		if (err)
			return err == -EDQUOT	? "its areas are in more pieces than may be mapped"
			       : err == -ENOMEM ? "no memory to map its areas in one piece"
						: a->apart;
	}
	place->host = mirror_host(place->mirror);
	return NULL;
}

/* All three, or what is not known of them is asked for. */
static const char *areas_find(struct ring *r, struct place *places)
{
	const struct ring_config *c = &r->config;
	const struct area areas[RING_AREAS] = {
		/* A packed ring's descriptors are written, too. */
		{c->desc, c->packed ? packed_desc_bytes(c->size) : split_desc_bytes(c->size),
		 c->packed ? SPACE_BOTH : SPACE_READ, "its descriptors are outside guest memory",
		 "its descriptors are in pieces that are no whole pages"},
		{c->driver, c->packed ? packed_event_bytes() : split_driver_bytes(c->size),
		 SPACE_READ, "its driver area (available ring) is outside guest memory",
		 "its driver area (available ring) is in pieces that are no whole pages"},
		{c->device, c->packed ? packed_event_bytes() : split_device_bytes(c->size),
		 SPACE_BOTH, "its device area (used ring) is outside guest memory",
		 "its device area (used ring) is in pieces that are no whole pages"},
	};
	struct found found[RING_AREAS];
	const char *flaw = NULL;

	r->seeks_areas = false;
	for (int i = 0; i < RING_AREAS && !flaw && !r->seeks_areas; i++)
		flaw = area_find(r, &areas[i], &found[i]);
	if (r->seeks_areas)
		return flaw;
	/* Nothing is mapped before all of it is known. */
	for (int i = 0; i < RING_AREAS && !flaw; i++)
		flaw = area_join(r, &areas[i], &found[i], r->mirrors[i], &places[i]);
	if (flaw)
		return flaw;
	/* What the accesses need of the host's addresses; the guest's are aligned to more. */
	if ((uintptr_t)places[0].host % 8 || (uintptr_t)places[1].host % 2 ||
	    (uintptr_t)places[2].host % 4)
		return "its areas are not aligned";
	return NULL;
}

/* Of old and next mirrors, those of old that are not among next. */
static void mirror_replace(struct mirror **old, struct mirror *next)
{
	if (*old != next)
		mirror_free(*old);
	*old = next;
}

const char *ring_resolve(struct ring *r)
{
	struct place places[RING_AREAS] = {{0}};
	const char *flaw = areas_find(r, places);
	bool is_elsewhere;

	if (flaw || r->seeks_areas) {
		/* Those that are new. */
		for (int i = 0; i < RING_AREAS; i++)
			if (places[i].mirror != r->mirrors[i])
				mirror_free(places[i].mirror);
		return flaw;
	}
	is_elsewhere = r->desc != places[0].host || r->device != places[2].host;
	r->desc = places[0].host;
	r->driver = places[1].host;
	r->device = places[2].host;
	r->used_event = r->event_idx && !r->packed ? split_used_event(r) : NULL;
	for (int i = 0; i < RING_AREAS; i++)
		mirror_replace(&r->mirrors[i], places[i].mirror);
	if (r->areas_table != r->table) {
		table_unref(r->areas_table);
		r->areas_table = table_ref(r->table);
	}
	if (is_elsewhere)
		marks_whole_area(r);
	return NULL;
}

void areas_drop(struct ring *r)
{
	for (int i = 0; i < RING_AREAS; i++)
		mirror_replace(&r->mirrors[i], NULL);
	table_unref(r->areas_table);
	r->areas_table = NULL;
}

const void *areas_origin(const struct ring *r, enum ring_area area, const void *host, uint64_t *len)
{
	uint64_t run;

	host = mirror_origin(r->mirrors[area], host, &run);
	*len = *len < run ? *len : run;
	return host;
}
