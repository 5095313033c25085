/* SPDX-License-Identifier: MIT */
/* See gpu_card.h: resources, their memory, and what a guest puts into them. */
#include "gpu_card.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { MAX_RANGES = 65536 }; /* of a resource: 256 MiB in single pages */
enum { RANGE_WORK = 512 };   /* to find one takes as long as so many bytes of pixels */

/* virtio names bytes in the order of memory, pixman those of a number. */
#if __BYTE_ORDER == __LITTLE_ENDIAN
#define FORMAT(little, big) PIXMAN_##little
#else
#define FORMAT(little, big) PIXMAN_##big
#endif

pixman_format_code_t card_format(uint32_t virtio)
{
	switch (virtio) {
	case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
		return FORMAT(a8r8g8b8, b8g8r8a8);
	case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
		return FORMAT(x8r8g8b8, b8g8r8x8);
	case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
		return FORMAT(b8g8r8a8, a8r8g8b8);
	case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
		return FORMAT(b8g8r8x8, x8r8g8b8);
	case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
		return FORMAT(a8b8g8r8, r8g8b8a8);
	case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
		return FORMAT(r8g8b8x8, x8b8g8r8);
	case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
		return FORMAT(r8g8b8a8, a8b8g8r8);
	case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
		return FORMAT(x8b8g8r8, r8g8b8x8);
	default:
		return 0;
	}
}

/* --- the table --- */

static struct resource **bucket_of(struct card *card, uint32_t id)
{
	return &card->buckets[id * UINT32_C(0x9e3779b1) >> 20];
}

static struct resource **link_of(struct card *card, uint32_t id)
{
	struct resource **link = bucket_of(card, id);

	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

static void resource_free(struct card *card, struct resource **link)
{
	struct resource *r = *link;

	*link = r->next;
	if (r->kind == RESOURCE_3D || r->kind == RESOURCE_HOST)
		three_unref(card, r);
	card_hide(card, r);
	share_drop(card, r);
	card->n_resources--;
	card->n_old -= r->old;
	card->charged -= r->charged;
	backing_free(&r->backing);
	free(r->pixels);
	free(r);
}

void card_forget(struct card *card, bool only_old)
{
	three_forget(card, only_old);
	for (uint32_t i = 0; i < CARD_BUCKETS; i++) {
		struct resource **link = &card->buckets[i];

		while (*link)
			if (only_old && !(*link)->old)
				link = &(*link)->next;
			else
				resource_free(card, link);
	}
}

void card_trust(struct card *card)
{
	for (uint32_t i = 0; i < CARD_BUCKETS; i++)
		for (struct resource *r = card->buckets[i]; r; r = r->next)
			r->old = false;
	card->n_old = 0;
	three_trust(card);
}

struct resource *card_look(struct card *card, uint32_t id)
{
	return *link_of(card, id);
}

struct resource *card_find(struct card *card, uint32_t id)
{
	struct resource *r = *link_of(card, id);

	if (r && r->old)
		card_trust(card);
	return r;
}

static uint32_t no_resource(struct card *card)
{
	return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			 "there is no such resource");
}

static uint32_t no_memory(struct card *card)
{
	return card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
			 "resources would take more than --max-hostmem");
}

struct resource *card_new(struct card *card, uint32_t id, uint64_t bytes, uint32_t *response)
{
	struct resource **link = link_of(card, id), *r;

	if (*link && (*link)->old)
		card_forget(card, true);
	link = link_of(card, id);
	*response = card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			      id ? "a resource of this id is there" : "0 is no id");
	if (!id || *link)
		return NULL;
	if (card->n_resources >= card->limits.resources && card->n_old)
		card_forget(card, true);
	*response = card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
			      "there are as many resources as --max-resources allows");
	if (card->n_resources >= card->limits.resources)
		return NULL;
	*response = no_memory(card);
	if (!card_charge(card, sizeof(*r) + bytes))
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r) {
		card->charged -= sizeof(*r) + bytes;
		return NULL;
	}
	r->id = id;
	r->serial = ++card->n_serials;
	r->charged = sizeof(*r) + bytes;
	link = bucket_of(card, id); /* the chain may have changed */
	r->next = *link;
	*link = r;
	card->n_resources++;
	card->why = NULL;
	*response = VIRTIO_GPU_RESP_OK_NODATA;
	return r;
}

/* --- what a guest does with them --- */

uint32_t card_create(struct card *card, uint32_t id, uint32_t format, uint32_t width,
		     uint32_t height)
{
	pixman_format_code_t code = card_format(format);
	uint64_t bytes = (uint64_t)width * height * PIXEL;
	struct resource *r;
	uint32_t response;

	if (!code)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "no such format");
	if (!width || !height || width > CARD_MAX_SIZE || height > CARD_MAX_SIZE)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "a size from 1x1 to 16384x16384 is needed");
	r = card_new(card, id, bytes, &response);
	if (!r)
		return response;
	r->pixels = calloc(1, bytes);
	if (!r->pixels) {
		resource_free(card, link_of(card, id));
		return no_memory(card);
	}
	r->format = code;
	r->width = width;
	r->height = height;
	return response;
}

uint32_t card_unref(struct card *card, uint32_t id)
{
	if (!card_find(card, id))
		return no_resource(card);
	resource_free(card, link_of(card, id));
	return VIRTIO_GPU_RESP_OK_NODATA;
}

bool card_give_pixels(struct card *card, struct resource *r)
{
	uint64_t bytes = (uint64_t)r->width * r->height * PIXEL;

	if (r->pixels)
		return true;
	if (!card_charge(card, bytes))
		return false;
	r->pixels = calloc(1, bytes);
	if (!r->pixels) {
		card->charged -= bytes;
		return false;
	}
	r->charged += bytes;
	return true;
}

/* --- memory of the guest's --- */

static void backing_drop(struct card *card, struct resource *r)
{
	uint64_t bytes = r->backing.room * sizeof(struct backing_piece);

	card->charged -= bytes;
	r->charged -= bytes;
	backing_free(&r->backing);
}

/* Read the list; what it takes is counted as it grows. */
static uint32_t backing_fill(struct card *card, struct resource *r, struct card_ranges *ranges)
{
	for (uint32_t i = 0; i < ranges->n; i++) {
		uint32_t before = r->backing.room, len;
		uint64_t addr, more;
		int ret = ranges->next(ranges, &addr, &len);

		if (ret)
			return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
					 "the list of its memory is shorter than it says");
		card->work += RANGE_WORK;
		ret = backing_add(&r->backing, &card->map, addr, len);
		more = (r->backing.room - before) * sizeof(struct backing_piece);
		/* Counted first: whoever drops it takes it off again.  Beyond the limit for so
		 * long. */
		card->charged += more;
		r->charged += more;
		if (ret == -EFAULT)
			return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
					 "its memory is none of the guest's");
		if (card->charged > card->limits.bytes && card->n_old)
			card_forget(card, true);
		if (ret || card->charged > card->limits.bytes)
			return no_memory(card);
	}
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t backing_set(struct card *card, struct resource *r, struct card_ranges *ranges)
{
	uint32_t response;

	if (ranges->n > MAX_RANGES)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "its memory is in more than 65536 pieces");
	response = backing_fill(card, r, ranges);
	if (response != VIRTIO_GPU_RESP_OK_NODATA)
		backing_drop(card, r);
	return response;
}

uint32_t card_attach(struct card *card, uint32_t id, struct card_ranges *ranges)
{
	struct resource *r = card_find(card, id);
	uint32_t response;

	if (!r)
		return no_resource(card);
	if (r->kind == RESOURCE_BLOB || r->kind == RESOURCE_HOST)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC, "a blob has memory of its own");
	if (r->backing.n)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC, "it has memory already");
	response = backing_set(card, r, ranges);
	if (response == VIRTIO_GPU_RESP_OK_NODATA && r->kind == RESOURCE_3D)
		three_attached(card, r);
	return response;
}

uint32_t card_detach(struct card *card, uint32_t id)
{
	struct resource *r = card_find(card, id);

	if (!r)
		return no_resource(card);
	if (r->kind == RESOURCE_3D && r->backing.n)
		three_detached(card, r);
	backing_drop(card, r);
	share_detached(card, r);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t card_create_blob(struct card *card, uint32_t id, uint64_t size, struct card_ranges *ranges)
{
	struct resource *r;
	uint32_t response;

	if (!size)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "a size is needed");
	r = card_new(card, id, 0, &response);
	if (!r)
		return response;
	r->kind = RESOURCE_BLOB;
	r->size = size;
	response = backing_set(card, r, ranges);
	if (response == VIRTIO_GPU_RESP_OK_NODATA && r->backing.len < size)
		response = card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				     "it is larger than its memory");
	if (response != VIRTIO_GPU_RESP_OK_NODATA)
		resource_free(card, link_of(card, id));
	return response;
}

uint32_t card_assign_uuid(struct card *card, uint32_t id, uint8_t uuid[CARD_UUID])
{
	struct resource *r = card_find(card, id);

	if (!r)
		return no_resource(card);
	if (!r->has_uuid && getrandom(r->uuid, CARD_UUID, GRND_NONBLOCK) != CARD_UUID)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC, "no random numbers");
	if (!r->has_uuid) { /* RFC 9562 §5.4 */
		r->uuid[6] = (r->uuid[6] & 0x0f) | 0x40;
		r->uuid[8] = (r->uuid[8] & 0x3f) | 0x80;
	}
	r->has_uuid = true;
	memcpy(uuid, r->uuid, CARD_UUID);
	return VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
}
