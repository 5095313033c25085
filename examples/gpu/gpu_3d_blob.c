/* SPDX-License-Identifier: MIT */
/*
 * See gpu_3d.h: memory of a context's that the guest may see (virtio 1.3 §5.7.6.8, blobs of
 * VIRTIO_GPU_BLOB_MEM_HOST3D), and where it sees it.
 */
#include <stddef.h>

#include "gpu_3d.h"
#include "gpu_card.h"

enum {
	ANY_USE = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
		  VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE,
};

uint32_t three_create_blob(struct card *card, uint32_t context, uint32_t id, uint64_t size,
			   const struct wire_blob *blob)
{
	const struct wire_request request = {.kind = WIRE_CREATE_BLOB,
					     .context = context,
					     .resource = id,
					     .size = size,
					     .blob = *blob};
	struct resource *r;
	uint32_t response;

	if (!card->three.on || !card->three.kinds)
		return three_invalid(card,
				     "without --venus blobs can only be of the guest's memory");
	if (!three_has_context(card, context))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
				 "there is no such context");
	if (!size || size % THREE_PAGE || blob->flags & ~(uint32_t)ANY_USE)
		return three_invalid(card, "a size in whole pages is needed, and uses that exist");
	r = card_new(card, id, size, &response);
	if (!r)
		return response;
	r->kind = RESOURCE_HOST;
	r->size = size;
	r->mappable = blob->flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE;
	card->three.ask(card->three.opaque, &request, NULL, NULL);
	return response;
}

static bool is_free(struct card *card, uint64_t at, uint64_t len)
{
	for (uint32_t i = 0; i < CARD_BUCKETS; i++)
		for (const struct resource *r = card->buckets[i]; r; r = r->next)
			if (r->mapping && r->at < at + len && at < r->at + r->size)
				return false;
	card->work += CARD_BUCKETS * sizeof(card->buckets[0]);
	return true;
}

/* NULL: *response says why. */
static struct resource *host_blob(struct card *card, uint32_t id, uint32_t *response)
{
	struct resource *r = card_find(card, id);

	if (!card->three.on) {
		*response = three_none(card);
		return NULL;
	}
	if (r && r->kind == RESOURCE_HOST)
		return r;
	*response = card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			      "there is no such blob of the host's");
	return NULL;
}

uint32_t three_map(struct card *card, uint32_t id, uint64_t at)
{
	const struct wire_request request = {.kind = WIRE_EXPORT, .resource = id};
	uint32_t response;
	struct resource *r = host_blob(card, id, &response);

	if (!r)
		return response;
	if (!r->mappable)
		return three_invalid(card, "it was not made to be mapped");
	if (r->mapping)
		return three_invalid(card, "it is mapped already");
	if (at % THREE_PAGE || at > card->three.window || r->size > card->three.window - at)
		return three_invalid(card, "it would lie outside of the region, or between pages");
	if (!is_free(card, at, r->size))
		return three_invalid(card, "something is mapped there");
	r->mapping = ++card->n_serials;
	r->at = at;
	card->three.ask(card->three.opaque, &request, NULL, NULL);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t three_unmap(struct card *card, uint32_t id)
{
	uint32_t response;
	struct resource *r = host_blob(card, id, &response);

	if (!r)
		return response;
	if (!r->mapping)
		return three_invalid(card, "it is not mapped");
	card->three.unmap(card->three.opaque, r);
	r->mapping = 0;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void three_not_mapped(struct card *card, uint32_t id, uint64_t mapping)
{
	struct resource *r = card_look(card, id);

	if (r && r->mapping == mapping)
		r->mapping = 0;
}
