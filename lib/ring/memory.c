/* SPDX-License-Identifier: MIT */
/*
 * A ring's memory changes under it, other tables and translations, and what it waits for of that.
 * Queue thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring/ring.h"

void ring_miss(struct ring *r, uint64_t addr, enum space_access access)
{
	/* Once: what is missed meanwhile is missed again when that is known. */
	if (r->waits)
		return;
	r->waits = true;
	r->missed = addr;
	r->missed_access = access;
	if (r->config.miss)
		r->config.miss(r->config.queue, addr, access);
}

bool ring_memory_came(struct ring *r)
{
	bool waited = r->waits;

	r->waits = false;
	return waited;
}

/*
 * Keep the present table for the requests that point into it; those that are free will point into
 * the next one.
 */
static int ring_retire_table(struct ring *r, struct table *next)
{
	struct ring_old_table *old = NULL;
	uint32_t users = 0;

	/* First: a request that is marked needs its table in the list. */
	if (ring_outstanding(r)) {
		old = malloc(sizeof(*old));
		if (!old)
			return -ENOMEM;
	}
	for (uint32_t at = r->begun; at;) {
		struct req *req = ring_req(r, at - 1);

		at = req->begun_before;
		if (req->state == REQ_FREE) {
			req->table = next;
		} else if (req->table == r->table) {
			req->odd |= REQ_ODD;
			users++;
		}
	}
	if (!users) {
		free(old);
		table_unref(r->table);
		return 0;
	}
	*old = (struct ring_old_table){r->old_tables, r->table, users};
	r->old_tables = old;
	return 0;
}

/* What it looked up may be elsewhere now.  NULL, or why its areas cannot be where they are. */
static const char *ring_look_anew(struct ring *r)
{
	const char *flaw;

	ring_memory_came(r);
	memset(&r->window, 0, sizeof(r->window));
	/* Once broken it touches nothing shared: the old pointers may stay. */
	if (r->dead || r->why)
		return NULL;
	flaw = ring_resolve(r);
	if (flaw || r->is_live || r->seeks_areas)
		return flaw;
	/* It has been waiting for them since it was made. */
	r->is_live = true;
	return ring_begin(r, &flaw) ? flaw : NULL;
}

int ring_set_table(struct ring *r, struct table *table)
{
	if (table == r->table)
		return 0;
	if (ring_retire_table(r, table))
		return ring_lose(r, "no memory to remember where its requests are");
	r->table = table_ref(table);
	r->space.table = table;
	if (!ring_look_anew(r))
		return 0;
	areas_drop(r);
	return ring_lose(r, "the memory it lies in was removed");
}

int ring_set_translations(struct ring *r, const struct iotlb *iotlb)
{
	const char *flaw;

	if (!r->config.is_translated)
		return 0;
	r->space.iotlb = iotlb;
	flaw = ring_look_anew(r);
	return flaw ? ring_lose(r, flaw) : 0;
}

void ring_refuse(struct ring *r)
{
	if (!r->waits || r->why)
		return;
	snprintf(r->flaw, sizeof(r->flaw), "%s%#llx, which the IOMMU does not let the device %s",
		 r->seeks_areas ? "its areas are at " : "the address ",
		 (unsigned long long)r->missed,
		 r->missed_access == SPACE_READ	   ? "read"
		 : r->missed_access == SPACE_WRITE ? "write"
						   : "read and write");
	if (r->seeks_areas)
		ring_lose(r, r->flaw);
	else
		ring_break(r, r->flaw);
}

void ring_release_old_table(struct ring *r, struct req *req)
{
	struct ring_old_table **link = &r->old_tables, *old;

	while ((*link)->table != req->table)
		link = &(*link)->next;
	old = *link;
	req->table = r->table;
	if (--old->users)
		return;
	*link = old->next;
	table_unref(old->table);
	free(old);
}
