/* SPDX-License-Identifier: MIT */
/* What both layouts share: the requests that are on their way.  Owns them. */
#include "vring.h"

#include <stdlib.h>
#include <stdio.h>

#include "trace.h"

struct vring *vring_new(const struct memory *memory, const struct vring_user *user, bool packed,
			uint32_t num, const struct wire_vring_addr *addr, uint32_t base)
{
	struct vring *v;

	if (!num || num > VRING_MOST)
		return NULL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->seen = calloc(num, sizeof(*v->seen));
	if (!v->seen) {
		free(v);
		return NULL;
	}
	v->memory = memory;
	v->user = *user;
	v->packed = packed;
	v->num = num;
	v->desc = addr->desc;
	v->used = addr->used;
	v->avail = addr->avail;
	/* vhost-user "A vring descriptor index for split virtqueues", "... packed virtqueues" */
	v->next_avail = v->next_used = (uint16_t)base;
	if (packed)
		vring_packed_begin(v, base);
	return v;
}

void vring_free(struct vring *v)
{
	if (!v)
		return;
	for (uint32_t i = 0; i < v->num; i++)
		free(v->seen[i]);
	free(v->seen);
	free(v);
}

void vring_available(struct vring *v, uint32_t id, const struct seen *seen)
{
	struct seen *s = v->seen[id];

	if (!s && v->n_seen < VRING_SEEN)
		s = malloc(sizeof(*s));
	if (!s)
		return;
	/* The driver has it back and offers it again: when it was used we did not look. */
	if (v->seen[id])
		v->lost++;
	else
		v->n_seen++;
	*s = *seen;
	s->at = trace_now();
	seen_read(s, v->memory);
	v->seen[id] = s;
}

void vring_completed(struct vring *v, uint32_t id, uint32_t len)
{
	struct seen unknown = {.unknown = true, .late = true};
	struct seen *s = v->seen[id];

	if (!s) {
		v->user.used(v->user.opaque, &unknown, len);
		return;
	}
	v->seen[id] = NULL;
	v->n_seen--;
	seen_read_table(s, v->memory, &v->budget);
	seen_read(s, v->memory);
	v->user.used(v->user.opaque, s, len);
	free(s);
}

void vring_stuck(struct vring *v)
{
	if (!v->stuck)
		v->user.note(v->user.opaque, NULL,
			     v->memory->iommu ? "the ring cannot be read: no translation came (yet)"
					      : "the ring cannot be read");
	v->stuck = true;
}

bool vring_look(struct vring *v)
{
	bool found;

	v->budget = VRING_BUDGET;
	found = v->packed ? vring_packed_look(v) : vring_split_look(v);

	if (v->lost && found) {
		char text[80];

		snprintf(text, sizeof(text), "%llu requests went by too fast to be seen",
			 (unsigned long long)v->lost);
		v->user.note(v->user.opaque, NULL, text);
		v->lost = 0;
	}
	return found;
}

uint64_t vring_oldest(const struct vring *v)
{
	uint64_t oldest = 0;

	for (uint32_t i = 0; i < v->num; i++)
		if (v->seen[i] && (!oldest || v->seen[i]->at < oldest))
			oldest = v->seen[i]->at;
	return oldest;
}
