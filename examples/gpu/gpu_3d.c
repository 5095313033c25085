/* SPDX-License-Identifier: MIT */
/* See gpu_3d.h: what a guest does with contexts and resources of 3D.  gpu_3d_rows.c has bytes. */
#include "gpu_3d.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "gpu_card.h"
#include "gpu_format.h"

/* Numbers of virgl's, as guests use them. */
enum {
	MAX_DEPTH = 2048,
	MAX_LEVEL = 15,
	MAX_SAMPLES = 32,
	MAX_FORMAT = 512,
	UNKNOWN_BLOCK = 16, /* bytes of a pixel whose format we do not know */
	BIND_CUSTOM = 1 << 17,
	BIND_STAGING = 1 << 19,
};

uint32_t three_invalid(struct card *card, const char *why)
{
	return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, why);
}

uint32_t three_none(struct card *card)
{
	return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC,
			 "there is no 3D (--virgl), or the driver did not take it");
}

static void ask(struct card *card, const struct wire_request *request)
{
	card->three.ask(card->three.opaque, request, NULL, NULL);
}

/* --- capsets --- */

uint32_t three_capset_info(struct card *card, uint32_t index,
			   struct virtio_gpu_resp_capset_info *info)
{
	const struct wire_capset *capset = &card->three.capsets[index < WIRE_CAPSETS ? index : 0];

	if (!card->three.on)
		return three_invalid(card, "there is no capset");
	if (index >= WIRE_CAPSETS || !capset->size)
		return three_invalid(card, "there is no capset of this number");
	info->capset_id = htole32(capset->id);
	info->capset_max_version = htole32(capset->version);
	info->capset_max_size = htole32(capset->size);
	return VIRTIO_GPU_RESP_OK_CAPSET_INFO;
}

static const struct wire_capset *capset_of(const struct card *card, uint32_t id)
{
	for (uint32_t i = 0; i < WIRE_CAPSETS; i++)
		if (card->three.capsets[i].size && card->three.capsets[i].id == id)
			return &card->three.capsets[i];
	return NULL;
}

uint32_t three_capset(struct card *card, uint32_t id, uint32_t version, unsigned char *data,
		      uint32_t *len)
{
	const struct wire_capset *capset = card->three.on ? capset_of(card, id) : NULL;

	if (!capset || version > capset->version)
		return three_invalid(card, "there is no such capset, or not in this version");
	memcpy(data, capset->data, capset->size);
	*len = capset->size;
	return VIRTIO_GPU_RESP_OK_CAPSET;
}

/* --- contexts --- */

/* id 0: a free place. */
static struct three_context *context_of(struct card *card, uint32_t id)
{
	for (uint32_t i = 0; i < THREE_CONTEXTS; i++)
		if (card->three.contexts[i].id == id)
			return &card->three.contexts[i];
	return NULL;
}

static void context_drop(struct card *card, struct three_context *context)
{
	const struct wire_request request = {.kind = WIRE_CONTEXT_DESTROY, .context = context->id};

	ask(card, &request);
	*context = (struct three_context){0};
	card->three.n_contexts--;
}

bool three_has_context(struct card *card, uint32_t id)
{
	const struct three_context *context = id ? context_of(card, id) : NULL;

	if (context && context->old)
		card_trust(card);
	return context;
}

static uint32_t no_context(struct card *card)
{
	return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "there is no such context");
}

uint32_t three_context_create(struct card *card, uint32_t id, uint32_t capset)
{
	const struct wire_request request = {
		.kind = WIRE_CONTEXT_CREATE, .context = id, .capset = capset};
	struct three_context *context;

	if (!card->three.on)
		return three_none(card);
	if (!capset_of(card, capset ? capset : CAPSET_VIRGL))
		return three_invalid(card, "there is no capset for such a context");
	context = id ? context_of(card, id) : NULL;
	if (context && context->old)
		card_forget(card, true);
	if (!id || context_of(card, id))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
				 id ? "a context of this id is there" : "0 is no id of a context");
	context = context_of(card, 0);
	if (!context) {
		card_forget(card, true);
		context = context_of(card, 0);
	}
	if (!context)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
				 "there are 128 contexts already");
	*context = (struct three_context){.id = id};
	card->three.n_contexts++;
	ask(card, &request);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t three_context_destroy(struct card *card, uint32_t id)
{
	if (!card->three.on)
		return three_none(card);
	if (!three_has_context(card, id))
		return no_context(card);
	context_drop(card, context_of(card, id));
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* The kernel does so with all that a program opens, pictures of two dimensions, too. */
uint32_t three_context_resource(struct card *card, uint32_t context, uint32_t id, bool attach)
{
	const struct wire_request request = {
		.kind = attach ? WIRE_CONTEXT_ATTACH : WIRE_CONTEXT_DETACH,
		.context = context,
		.resource = id,
	};
	const struct resource *r;

	if (!card->three.on)
		return three_none(card);
	if (!three_has_context(card, context))
		return no_context(card);
	r = card_find(card, id);
	if (!r)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such resource");
	if (r->kind == RESOURCE_3D || r->kind == RESOURCE_HOST)
		ask(card, &request);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void three_forget(struct card *card, bool only_old)
{
	for (uint32_t i = 0; i < THREE_CONTEXTS && card->three.n_contexts; i++) {
		struct three_context *context = &card->three.contexts[i];

		if (context->id && (context->old || !only_old))
			context_drop(card, context);
	}
}

static void mark(struct three *three, bool old)
{
	for (uint32_t i = 0; i < THREE_CONTEXTS; i++)
		three->contexts[i].old = old && three->contexts[i].id;
}

void three_doubt(struct card *card)
{
	mark(&card->three, true);
}

void three_trust(struct card *card)
{
	mark(&card->three, false);
}

/* --- resources --- */

/* virgl's capset has masks of formats: for textures, targets, depth, and vertices. */
static bool has_format(const struct wire_capset *capset, uint32_t format)
{
	enum { MASKS_AT = 4, MASKS = 4, MASK = 64 };
	unsigned char all = 0;

	if (!capset || format >= MAX_FORMAT || capset->size < MASKS_AT + MASKS * MASK)
		return false;
	for (uint32_t i = 0; i < MASKS; i++)
		all |= capset->data[MASKS_AT + i * MASK + format / 8];
	return all >> format % 8 & 1;
}

static bool is_possible(const struct wire_create *c)
{
	if (c->target >= TARGETS || c->last_level > MAX_LEVEL || c->nr_samples > MAX_SAMPLES ||
	    !c->width || !c->height || !c->depth || !c->array_size)
		return false;
	if (c->target == TARGET_BUFFER)
		return c->height == 1 && c->depth == 1 && c->array_size == 1;
	return c->width <= CARD_MAX_SIZE && c->height <= CARD_MAX_SIZE && c->depth <= MAX_DEPTH &&
	       c->array_size <= MAX_DEPTH;
}

/* What it takes, roughly: the renderer's memory has a limit of its own. */
static uint64_t bytes_of(const struct wire_create *c)
{
	struct format_block block = format_block(c->format);
	uint64_t pixels = (uint64_t)c->width * c->height * c->depth * c->array_size;
	uint64_t bytes = block.bytes ? block.bytes : UNKNOWN_BLOCK;

	if (c->target == TARGET_BUFFER)
		return c->width;
	bytes = pixels * bytes / ((uint64_t)block.width * block.height) + bytes;
	bytes *= c->nr_samples > 1 ? c->nr_samples : 1;
	return c->last_level ? bytes + bytes / 3 : bytes;
}

static bool is_shown(const struct wire_create *c)
{
	return (c->target == TARGET_2D || c->target == TARGET_RECT) && c->nr_samples <= 1;
}

uint32_t three_create(struct card *card, uint32_t id, const struct wire_create *create)
{
	const struct wire_request request = {
		.kind = WIRE_CREATE, .resource = id, .create = *create};
	struct resource *r;
	uint32_t response;

	if (!card->three.on)
		return three_none(card);
	if (!is_possible(create))
		return three_invalid(card, "there is no resource of such a size or kind");
	if (!has_format(capset_of(card, CAPSET_VIRGL), create->format))
		return three_invalid(card, "it is of a format that the renderer does not have");
	r = card_new(card, id, bytes_of(create), &response);
	if (!r)
		return response;
	r->kind = RESOURCE_3D;
	r->three = *create;
	r->width = create->width;
	r->height = create->height;
	r->format = is_shown(create) ? card_format(create->format) : 0;
	ask(card, &request);
	return response;
}

void three_unref(struct card *card, struct resource *r)
{
	const struct wire_request request = {.kind = WIRE_UNREF, .resource = r->id};

	if (r->mapping)
		card->three.unmap(card->three.opaque, r);
	r->mapping = 0;
	ask(card, &request);
}

bool three_has_shadow(const struct resource *r)
{
	return r->three.target == TARGET_BUFFER && r->three.width <= WIRE_SHADOW_MAX &&
	       r->backing.len >= r->three.width &&
	       (r->three.bind == BIND_CUSTOM || r->three.bind == BIND_STAGING);
}

void three_attached(struct card *card, const struct resource *r)
{
	struct wire_request request = {.kind = WIRE_SHADOW, .resource = r->id};

	request.size = r->three.width;
	if (three_has_shadow(r))
		ask(card, &request);
}

void three_detached(struct card *card, const struct resource *r)
{
	const struct wire_request request = {.kind = WIRE_UNSHADOW, .resource = r->id};

	if (three_has_shadow(r))
		ask(card, &request);
}

void three_written(struct card *card, uint32_t id, uint64_t at, const void *bytes, uint64_t len)
{
	const struct resource *r = card_look(card, id);

	/* Its memory may be larger, and is only the guest's there. */
	if (r && r->kind == RESOURCE_3D && three_has_shadow(r) && at <= r->three.width &&
	    len <= r->three.width - at && backing_holds(&r->backing, at, len))
		backing_write(&r->backing, at, bytes, len);
}

void three_refused(struct card *card, uint32_t id, uint64_t serial)
{
	const struct resource *r = card_look(card, id);

	if (r && r->serial == serial)
		card_unref(card, id);
}

uint32_t three_submit(struct card *card, uint32_t context, void *bytes, uint32_t len)
{
	const struct wire_request request = {.kind = WIRE_SUBMIT, .context = context, .len = len};

	if (!three_has_context(card, context)) {
		free(bytes);
		return no_context(card);
	}
	card->work += len;
	card->three.ask(card->three.opaque, &request, bytes, NULL);
	return VIRTIO_GPU_RESP_OK_NODATA;
}
