/* SPDX-License-Identifier: MIT */
/*
 * See gpu_3d.h: bytes of resources.  A guest says where a box of a resource is in its memory, in
 * rows with gaps; without gaps they go to the renderer and come from it.
 */
#include <stdlib.h>
#include <string.h>

#include "gpu_3d.h"
#include "gpu_card.h"
#include "gpu_format.h"

enum { MOST = 1 << 30 }; /* bytes at once */

static uint32_t at_level(uint32_t size, uint32_t level)
{
	return size >> level ? size >> level : 1;
}

static bool is_within(uint32_t at, uint32_t len, uint32_t size)
{
	return len && at <= size && len <= size - at;
}

static bool is_box(const struct wire_create *c, const struct wire_box *box)
{
	uint32_t depth;

	if (box->level > c->last_level)
		return false;
	depth = c->target == TARGET_3D ? at_level(c->depth, box->level) : c->array_size;
	return is_within(box->x, box->w, at_level(c->width, box->level)) &&
	       is_within(box->y, box->h, at_level(c->height, box->level)) &&
	       is_within(box->z, box->d, depth);
}

static uint64_t blocks(uint32_t pixels, uint32_t size)
{
	return ((uint64_t)pixels + size - 1) / size;
}

/* Where the box is in the resource's memory; false: nowhere. */
static bool rows_of(const struct resource *r, const struct three_transfer *t,
		    struct three_rows *rows)
{
	const struct wire_box *box = &t->box;
	struct format_block block = format_block(r->three.format);

	if (r->three.target == TARGET_BUFFER)
		block = (struct format_block){1, 1, 1};
	if (!block.bytes)
		return false;
	rows->id = r->id;
	rows->serial = r->serial;
	rows->at = t->offset;
	rows->len = blocks(box->w, block.width) * block.bytes;
	rows->n = (uint32_t)blocks(box->h, block.height);
	rows->n_layers = box->d;
	rows->stride = box->stride;
	if (!rows->stride)
		rows->stride = blocks(at_level(r->width, box->level), block.width) * block.bytes;
	rows->layer = box->layer_stride;
	if (!rows->layer)
		rows->layer = blocks(at_level(r->height, box->level), block.height) * rows->stride;
	return (rows->n == 1 || rows->stride >= rows->len) &&
	       (rows->n_layers == 1 || rows->layer >= (rows->n - 1) * rows->stride + rows->len);
}

/* From the first byte to the last; without overflow, for all but layer have less than 37 bits. */
static uint64_t span_of(const struct three_rows *rows)
{
	return (rows->n_layers - 1) * rows->layer + (rows->n - 1) * rows->stride + rows->len;
}

static uint64_t size_of(const struct three_rows *rows)
{
	return rows->len * rows->n * rows->n_layers;
}

static uint64_t place_of(const struct three_rows *rows, uint32_t layer, uint32_t row)
{
	return rows->at + layer * rows->layer + row * rows->stride;
}

static void gather(const struct resource *r, const struct three_rows *rows, unsigned char *bytes)
{
	for (uint32_t z = 0; z < rows->n_layers; z++)
		for (uint32_t y = 0; y < rows->n; y++, bytes += rows->len)
			backing_read(&r->backing, place_of(rows, z, y), bytes, rows->len);
}

static void scatter(const struct resource *r, const struct three_rows *rows,
		    const unsigned char *bytes)
{
	for (uint32_t z = 0; z < rows->n_layers; z++)
		for (uint32_t y = 0; y < rows->n; y++, bytes += rows->len)
			backing_write(&r->backing, place_of(rows, z, y), bytes, rows->len);
}

static uint32_t start(struct card *card, const struct resource *r, const struct three_transfer *t,
		      struct three_rows *rows, bool to_host)
{
	struct wire_request request = {.kind = to_host ? WIRE_PUT : WIRE_GET,
				       .context = t->context,
				       .resource = t->id,
				       .box = t->box};
	unsigned char *bytes = NULL;

	request.size = size_of(rows);
	request.box.stride = (uint32_t)rows->len;
	request.box.layer_stride = (uint32_t)(rows->len * rows->n);
	if (to_host) {
		bytes = malloc(request.size);
		if (!bytes)
			return card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
					 "no memory for what is to be transferred");
		gather(r, rows, bytes);
		request.len = request.size;
	}
	rows->to = to_host ? ROWS_NOWHERE : ROWS_TO_GUEST;
	card->work += request.size;
	card->three.ask(card->three.opaque, &request, bytes, rows);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t three_transfer(struct card *card, const struct three_transfer *t, bool to_host)
{
	const struct resource *r = card_find(card, t->id);
	struct three_rows rows = {0};

	if (!card->three.on || !r || r->kind != RESOURCE_3D)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
				 "there is no such resource of 3D");
	if (t->context && !three_has_context(card, t->context))
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
				 "there is no such context");
	if (!is_box(&r->three, &t->box))
		return three_invalid(card,
				     "what is to be transferred lies outside of the resource");
	if (!rows_of(r, t, &rows))
		return three_invalid(card, "its rows overlap, or nothing is known of its format");
	if (size_of(&rows) > MOST)
		return three_invalid(card, "it is more than 1 GiB at once");
	if (!r->backing.n)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC, "it has no memory");
	if (!backing_holds(&r->backing, t->offset, span_of(&rows)))
		return three_invalid(card, "what is to be transferred lies outside of its memory");
	/* The renderer's writes to it have gone to the guest's memory, and it reads nothing. */
	if (three_has_shadow(r))
		return VIRTIO_GPU_RESP_OK_NODATA;
	return start(card, r, t, &rows, to_host);
}

/* --- what is shown --- */

bool three_read(struct card *card, const struct resource *r, const struct virtio_gpu_rect *rect)
{
	uint32_t most = WIRE_BAND / (rect->width * PIXEL), end = rect->y + rect->height;

	if (!r->pixels || !r->format)
		return false;
	for (uint32_t y = rect->y; y < end; y += most) {
		uint32_t n = end - y < most ? end - y : most;
		const struct three_rows rows = {
			.to = ROWS_TO_PIXELS,
			.id = r->id,
			.serial = r->serial,
			.len = rect->width * PIXEL,
			.n = n,
			.n_layers = 1,
			.x = rect->x,
			.y = y,
			.width = rect->width,
		};
		struct wire_request request = {
			.kind = WIRE_GET,
			.resource = r->id,
			.box = {.x = rect->x, .y = y, .w = rect->width, .h = n, .d = 1}};

		request.size = size_of(&rows);
		request.box.stride = rect->width * PIXEL;
		request.box.layer_stride = rect->width * PIXEL * n;
		card->three.ask(card->three.opaque, &request, NULL, &rows);
	}
	return true;
}

bool three_drawn(struct card *card, const struct resource *r)
{
	const struct three_rows nothing = {.id = r->id, .serial = r->serial};
	const struct wire_request request = {.kind = WIRE_DRAWN, .resource = r->id};

	card->three.ask(card->three.opaque, &request, NULL, &nothing);
	return true;
}

bool three_arrived(struct card *card, const struct three_rows *rows, const void *bytes,
		   uint64_t len)
{
	struct resource *r = card_look(card, rows->id);
	const pixman_box32_t box = {(int)rows->x, (int)rows->y, (int)(rows->x + rows->width),
				    (int)(rows->y + rows->n)};

	if (len != size_of(rows))
		return false;
	if (!r || r->serial != rows->serial)
		return true; /* it went meanwhile */
	if (rows->to == ROWS_TO_PIXELS && r->pixels)
		card_put(card, r, &box, bytes);
	else if (rows->to == ROWS_TO_GUEST && backing_holds(&r->backing, rows->at, span_of(rows)))
		scatter(r, rows, bytes);
	return true;
}
