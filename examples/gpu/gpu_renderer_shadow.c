/* SPDX-License-Identifier: MIT */
/* See gpu_renderer_part.h: memory of resources that the renderer writes to by itself. */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <virglrenderer.h>

#include "gpu_renderer_part.h"

/*
 * Memory of a resource that the renderer writes to by itself, in words; the device is told which.
 * What nobody wrote to is random: so each write is seen, also of what was there before.
 */
struct shadow {
	struct shadow *next;
	uint32_t resource;
	size_t n_words;
	struct iovec iov;
	uint32_t *untouched;
};

/* Marsaglia's xorshift. */
static uint32_t random_word(struct renderer *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (uint32_t)(r->random >> 32);
}

static void untouch(struct renderer *r, struct shadow *s, size_t from, size_t to)
{
	uint32_t *words = s->iov.iov_base;

	for (size_t i = from; i < to; i++)
		words[i] = s->untouched[i] = random_word(r);
}

static void tell_shadow(struct renderer *r, struct shadow *s)
{
	const uint32_t *words = s->iov.iov_base;

	for (size_t i = 0, end; i < s->n_words; i = end + 1) {
		for (end = i; end < s->n_words && words[end] != s->untouched[end]; end++)
			;
		if (end == i)
			continue;
		renderer_reply(r,
			       &(struct wire_reply){.kind = WIRE_WRITTEN,
						    .resource = s->resource,
						    .len = (uint32_t)((end - i) * sizeof(*words)),
						    .at = i * sizeof(*words)},
			       words + i, -1);
		untouch(r, s, i, end);
	}
}

void renderer_tell_shadows(struct renderer *r)
{
	for (struct shadow *s = r->shadows; s; s = s->next)
		tell_shadow(r, s);
}

static struct shadow **shadow_of(struct renderer *r, uint32_t resource)
{
	struct shadow **link = &r->shadows;

	while (*link && (*link)->resource != resource)
		link = &(*link)->next;
	return link;
}

int renderer_unshadow(struct renderer *r, uint32_t resource)
{
	struct shadow **link = shadow_of(r, resource), *s = *link;

	if (!s)
		return 0;
	virgl_renderer_resource_detach_iov((int)resource, NULL, NULL);
	*link = s->next;
	free(s->iov.iov_base);
	free(s->untouched);
	free(s);
	return 0;
}

int renderer_shadow(struct renderer *r, uint32_t resource, uint64_t size)
{
	struct shadow *s;
	int ret;

	if (size > WIRE_SHADOW_MAX || *shadow_of(r, resource))
		return EINVAL;
	s = renderer_allocate(sizeof(*s));
	s->resource = resource;
	s->n_words = size / sizeof(*s->untouched);
	s->iov = (struct iovec){renderer_allocate(size), size};
	s->untouched = renderer_allocate(size);
	s->next = r->shadows;
	r->shadows = s;
	ret = virgl_renderer_resource_attach_iov((int)resource, &s->iov, 1);
	if (ret)
		renderer_unshadow(r, resource);
	else
		untouch(r, s, 0, s->n_words); /* what it begins with is nobody's */
	return ret;
}
