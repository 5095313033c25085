/* SPDX-License-Identifier: MIT */
/* See gpu_command.h.  Field names are those of virtio 1.3 §5.7.6. */
#include "gpu_command.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RANGES_HELD = 256 };

struct command_row {
	uint32_t type, queue;
	const char *name;
	uint32_t size;	      /* with its header, without what may follow */
	uint32_t resource_at; /* where it names a resource; 0: it does not */
	uint32_t (*run)(struct command *c, struct card *card);
};

static struct virtio_gpu_rect rect_of(const struct virtio_gpu_rect *r)
{
	return (struct virtio_gpu_rect){le32toh(r->x), le32toh(r->y), le32toh(r->width),
					le32toh(r->height)};
}

/* --- the list of ranges behind a command --- */

struct request_ranges {
	struct card_ranges ranges; /* first */
	const struct vu_req *req;
	uint64_t at; /* of what is read next */
	uint32_t i, n_held;
	struct virtio_gpu_mem_entry held[RANGES_HELD];
};

static int ranges_next(struct card_ranges *ranges, uint64_t *addr, uint32_t *len)
{
	struct request_ranges *r = (struct request_ranges *)ranges;
	size_t got;

	if (r->i == r->n_held) {
		got = vu_req_read(r->req, r->at, r->held, sizeof(r->held));
		r->at += got;
		r->n_held = (uint32_t)(got / sizeof(r->held[0]));
		r->i = 0;
	}
	if (r->i == r->n_held)
		return -EIO;
	*addr = le64toh(r->held[r->i].addr);
	*len = le32toh(r->held[r->i].length);
	r->i++;
	return 0;
}

static struct request_ranges ranges_of(const struct command *c, uint32_t n)
{
	return (struct request_ranges){
		.ranges = {ranges_next, le32toh(n)}, .req = c->req, .at = c->row->size};
}

/* --- commands --- */

static uint32_t get_display_info(struct command *c, struct card *card)
{
	card_display_info(card, &c->out.display_info);
	return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

static uint32_t get_edid(struct command *c, struct card *card)
{
	return card_edid(card, le32toh(c->in.get_edid.scanout), &c->out.edid);
}

static uint32_t resource_create_2d(struct command *c, struct card *card)
{
	const struct virtio_gpu_resource_create_2d *in = &c->in.create_2d;

	return card_create(card, le32toh(in->resource_id), le32toh(in->format), le32toh(in->width),
			   le32toh(in->height));
}

static uint32_t resource_unref(struct command *c, struct card *card)
{
	return card_unref(card, le32toh(c->in.unref.resource_id));
}

static uint32_t set_scanout(struct command *c, struct card *card)
{
	const struct virtio_gpu_set_scanout *in = &c->in.set_scanout;
	const struct virtio_gpu_rect rect = rect_of(&in->r);

	return card_show(card, le32toh(in->scanout_id), le32toh(in->resource_id), &rect);
}

static uint32_t set_scanout_blob(struct command *c, struct card *card)
{
	const struct virtio_gpu_set_scanout_blob *in = &c->in.set_scanout_blob;
	const struct virtio_gpu_set_scanout_blob blob = {
		.r = rect_of(&in->r),
		.scanout_id = le32toh(in->scanout_id),
		.resource_id = le32toh(in->resource_id),
		.width = le32toh(in->width),
		.height = le32toh(in->height),
		.format = le32toh(in->format),
		/* Formats of several planes there are none. */
		.strides = {le32toh(in->strides[0])},
		.offsets = {le32toh(in->offsets[0])},
	};

	return card_show_blob(card, &blob);
}

static uint32_t resource_flush(struct command *c, struct card *card)
{
	const struct virtio_gpu_rect rect = rect_of(&c->in.flush.r);

	if (!c->twice) {
		c->twice = card_ask_pixels(card, le32toh(c->in.flush.resource_id), &rect);
		if (c->twice)
			return VIRTIO_GPU_RESP_OK_NODATA;
	}
	return card_flush(card, le32toh(c->in.flush.resource_id), &rect);
}

static uint32_t transfer_to_host_2d(struct command *c, struct card *card)
{
	const struct virtio_gpu_rect rect = rect_of(&c->in.transfer.r);

	return card_transfer(card, le32toh(c->in.transfer.resource_id), &rect,
			     le64toh(c->in.transfer.offset), c->flush.width ? &c->flush : NULL);
}

static uint32_t resource_attach_backing(struct command *c, struct card *card)
{
	struct request_ranges r = ranges_of(c, c->in.attach.nr_entries);

	return card_attach(card, le32toh(c->in.attach.resource_id), &r.ranges);
}

static uint32_t resource_detach_backing(struct command *c, struct card *card)
{
	return card_detach(card, le32toh(c->in.detach.resource_id));
}

static uint32_t resource_assign_uuid(struct command *c, struct card *card)
{
	return card_assign_uuid(card, le32toh(c->in.assign_uuid.resource_id), c->out.uuid.uuid);
}

static uint32_t resource_create_blob(struct command *c, struct card *card)
{
	const struct virtio_gpu_resource_create_blob *in = &c->in.create_blob;
	const struct wire_blob blob = {le64toh(in->blob_id), le32toh(in->blob_flags)};
	struct request_ranges r = ranges_of(c, in->nr_entries);

	if (le32toh(in->blob_mem) == VIRTIO_GPU_BLOB_MEM_HOST3D && !r.ranges.n)
		return three_create_blob(card, le32toh(in->hdr.ctx_id), le32toh(in->resource_id),
					 le64toh(in->size), &blob);
	if (le32toh(in->blob_mem) != VIRTIO_GPU_BLOB_MEM_GUEST)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "blobs can only be of the guest's memory, or of a context's");
	return card_create_blob(card, le32toh(in->resource_id), le64toh(in->size), &r.ranges);
}

static uint32_t get_capset_info(struct command *c, struct card *card)
{
	return three_capset_info(card, le32toh(c->in.get_capset_info.capset_index),
				 &c->out.capset_info);
}

static uint32_t get_capset(struct command *c, struct card *card)
{
	return three_capset(card, le32toh(c->in.get_capset.capset_id),
			    le32toh(c->in.get_capset.capset_version), c->out.capset.data,
			    &c->capset_len);
}

static uint32_t set_cursor(struct command *c, struct card *card)
{
	const struct virtio_gpu_update_cursor *in = &c->in.cursor;
	const struct virtio_gpu_update_cursor update = {
		.pos = {.scanout_id = le32toh(in->pos.scanout_id),
			.x = le32toh(in->pos.x),
			.y = le32toh(in->pos.y)},
		.resource_id = le32toh(in->resource_id),
		.hot_x = le32toh(in->hot_x),
		.hot_y = le32toh(in->hot_y),
	};

	if (!c->twice && c->type == VIRTIO_GPU_CMD_UPDATE_CURSOR) {
		c->twice = card_ask_cursor(card, update.resource_id);
		if (c->twice)
			return VIRTIO_GPU_RESP_OK_NODATA;
	}
	return card_set_cursor(card, &update, c->type == VIRTIO_GPU_CMD_MOVE_CURSOR);
}

/* --- 3D --- */

static uint32_t context_of(const struct command *c)
{
	return le32toh(c->in.hdr.ctx_id);
}

static uint32_t ctx_create(struct command *c, struct card *card)
{
	const struct virtio_gpu_ctx_create *in = &c->in.ctx_create;
	uint32_t init = card->three.kinds ? le32toh(in->context_init) : 0;

	return three_context_create(card, context_of(c),
				    init & VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK);
}

static uint32_t ctx_destroy(struct command *c, struct card *card)
{
	return three_context_destroy(card, context_of(c));
}

static uint32_t ctx_resource(struct command *c, struct card *card)
{
	return three_context_resource(card, context_of(c), le32toh(c->in.ctx_resource.resource_id),
				      c->type == VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE);
}

static uint32_t resource_create_3d(struct command *c, struct card *card)
{
	const struct virtio_gpu_resource_create_3d *in = &c->in.create_3d;
	const struct wire_create create = {
		.target = le32toh(in->target),
		.format = le32toh(in->format),
		.bind = le32toh(in->bind),
		.width = le32toh(in->width),
		.height = le32toh(in->height),
		.depth = le32toh(in->depth),
		.array_size = le32toh(in->array_size),
		.last_level = le32toh(in->last_level),
		.nr_samples = le32toh(in->nr_samples),
		.flags = le32toh(in->flags),
	};

	return three_create(card, le32toh(in->resource_id), &create);
}

static uint32_t transfer_3d(struct command *c, struct card *card)
{
	const struct virtio_gpu_transfer_host_3d *in = &c->in.transfer_3d;
	const struct three_transfer transfer = {
		.context = context_of(c),
		.id = le32toh(in->resource_id),
		.offset = le64toh(in->offset),
		.box = {.x = le32toh(in->box.x),
			.y = le32toh(in->box.y),
			.z = le32toh(in->box.z),
			.w = le32toh(in->box.w),
			.h = le32toh(in->box.h),
			.d = le32toh(in->box.d),
			.level = le32toh(in->level),
			.stride = le32toh(in->stride),
			.layer_stride = le32toh(in->layer_stride)},
	};

	return three_transfer(card, &transfer, c->type == VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D);
}

static uint32_t resource_map_blob(struct command *c, struct card *card)
{
	const struct virtio_gpu_resource_map_blob *in = &c->in.map_blob;

	return three_map(card, le32toh(in->resource_id), le64toh(in->offset));
}

static uint32_t resource_unmap_blob(struct command *c, struct card *card)
{
	return three_unmap(card, le32toh(c->in.unmap_blob.resource_id));
}

static uint32_t submit_3d(struct command *c, struct card *card)
{
	uint32_t size = le32toh(c->in.submit.size);
	void *bytes;

	if (!card->three.on)
		return three_none(card);
	if (!size || size % 4 || size > WIRE_SUBMIT_MAX)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "commands of 4 bytes to 4 MiB are needed, in whole words");
	bytes = malloc(size);
	if (!bytes)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "no memory for it");
	if (vu_req_read(c->req, c->row->size, bytes, size) != size) {
		free(bytes);
		return card_fail(card, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
				 "it is shorter than it says");
	}
	return three_submit(card, context_of(c), bytes, size);
}

/* --- the table --- */

#define ROW(type, queue, in, at, run)                                                              \
	{                                                                                          \
		VIRTIO_GPU_CMD_##type, queue, #type, sizeof(in), at, run                           \
	}
#define OF(type, in, run) ROW(type, CONTROL_QUEUE, struct in, offsetof(struct in, resource_id), run)
#define CURSOR(type)                                                                               \
	ROW(type, CURSOR_QUEUE, struct virtio_gpu_update_cursor,                                   \
	    offsetof(struct virtio_gpu_update_cursor, resource_id), set_cursor)

static const struct command_row rows[] = {
	ROW(GET_DISPLAY_INFO, CONTROL_QUEUE, struct virtio_gpu_ctrl_hdr, 0, get_display_info),
	ROW(GET_EDID, CONTROL_QUEUE, struct virtio_gpu_cmd_get_edid, 0, get_edid),
	OF(RESOURCE_CREATE_2D, virtio_gpu_resource_create_2d, resource_create_2d),
	OF(RESOURCE_UNREF, virtio_gpu_resource_unref, resource_unref),
	OF(SET_SCANOUT, virtio_gpu_set_scanout, set_scanout),
	OF(RESOURCE_FLUSH, virtio_gpu_resource_flush, resource_flush),
	OF(TRANSFER_TO_HOST_2D, virtio_gpu_transfer_to_host_2d, transfer_to_host_2d),
	OF(RESOURCE_ATTACH_BACKING, virtio_gpu_resource_attach_backing, resource_attach_backing),
	OF(RESOURCE_DETACH_BACKING, virtio_gpu_resource_detach_backing, resource_detach_backing),
	OF(RESOURCE_ASSIGN_UUID, virtio_gpu_resource_assign_uuid, resource_assign_uuid),
	OF(RESOURCE_CREATE_BLOB, virtio_gpu_resource_create_blob, resource_create_blob),
	OF(SET_SCANOUT_BLOB, virtio_gpu_set_scanout_blob, set_scanout_blob),
	ROW(GET_CAPSET_INFO, CONTROL_QUEUE, struct virtio_gpu_get_capset_info, 0, get_capset_info),
	ROW(GET_CAPSET, CONTROL_QUEUE, struct virtio_gpu_get_capset, 0, get_capset),
	ROW(CTX_CREATE, CONTROL_QUEUE, struct virtio_gpu_ctx_create, 0, ctx_create),
	ROW(CTX_DESTROY, CONTROL_QUEUE, struct virtio_gpu_ctx_destroy, 0, ctx_destroy),
	OF(CTX_ATTACH_RESOURCE, virtio_gpu_ctx_resource, ctx_resource),
	OF(CTX_DETACH_RESOURCE, virtio_gpu_ctx_resource, ctx_resource),
	OF(RESOURCE_CREATE_3D, virtio_gpu_resource_create_3d, resource_create_3d),
	OF(TRANSFER_TO_HOST_3D, virtio_gpu_transfer_host_3d, transfer_3d),
	OF(TRANSFER_FROM_HOST_3D, virtio_gpu_transfer_host_3d, transfer_3d),
	OF(RESOURCE_MAP_BLOB, virtio_gpu_resource_map_blob, resource_map_blob),
	OF(RESOURCE_UNMAP_BLOB, virtio_gpu_resource_unmap_blob, resource_unmap_blob),
	ROW(SUBMIT_3D, CONTROL_QUEUE, struct virtio_gpu_cmd_submit, 0, submit_3d),
	CURSOR(UPDATE_CURSOR),
	CURSOR(MOVE_CURSOR),
};

static const struct command_row *row_of(uint32_t type, uint32_t queue)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type && rows[i].queue == queue)
			return &rows[i];
	return NULL;
}

/* --- from a request to its answer --- */

void command_read(struct command *c, const struct vu_req *req, uint32_t queue)
{
	size_t got;

	memset(c, 0, sizeof(*c));
	c->req = req;
	/* Once: what is checked is what is used. */
	got = vu_req_read(req, 0, &c->in, sizeof(c->in));
	if (got < sizeof(c->in.hdr))
		return;
	c->type = le32toh(c->in.hdr.type);
	c->row = row_of(c->type, queue);
	if (c->row && got < c->row->size)
		c->row = NULL;
}

const char *command_name(const struct command *c)
{
	return c->row ? c->row->name : "";
}

uint32_t command_resource(const struct command *c)
{
	uint32_t id = 0;

	if (c->row && c->row->resource_at)
		memcpy(&id, (const char *)&c->in + c->row->resource_at, sizeof(id));
	return le32toh(id);
}

bool command_looks_ahead(const struct command *c)
{
	return c->row && c->type == VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D;
}

void command_is_behind(struct command *c, const struct command *next)
{
	if (next->row && next->type == VIRTIO_GPU_CMD_RESOURCE_FLUSH &&
	    command_resource(next) == command_resource(c))
		c->flush = rect_of(&next->in.flush.r);
}

uint32_t command_run(struct command *c, struct card *card)
{
	card->why = NULL;
	if (!c->row)
		return card_fail(card, VIRTIO_GPU_RESP_ERR_UNSPEC,
				 "there is no such command, or it is shorter than it must be");
	return c->row->run(c, card);
}

static uint32_t answer_size(const struct command *c, uint32_t response)
{
	switch (response) {
	case VIRTIO_GPU_RESP_OK_DISPLAY_INFO:
		return sizeof(struct virtio_gpu_resp_display_info);
	case VIRTIO_GPU_RESP_OK_EDID:
		return sizeof(struct virtio_gpu_resp_edid);
	case VIRTIO_GPU_RESP_OK_RESOURCE_UUID:
		return sizeof(struct virtio_gpu_resp_resource_uuid);
	case VIRTIO_GPU_RESP_OK_CAPSET_INFO:
		return sizeof(struct virtio_gpu_resp_capset_info);
	case VIRTIO_GPU_RESP_OK_MAP_INFO:
		return sizeof(struct virtio_gpu_resp_map_info);
	case VIRTIO_GPU_RESP_OK_CAPSET:
		return (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr) + c->capset_len;
	default:
		return sizeof(struct virtio_gpu_ctrl_hdr);
	}
}

/* §5.7.6.7: the fence of the request comes back; all that can be done is done by now. */
uint64_t command_answer(struct command *c, uint32_t response)
{
	const struct virtio_gpu_ctrl_hdr *in = &c->in.hdr;
	struct virtio_gpu_ctrl_hdr *out = &c->out.hdr;
	uint32_t flags = le32toh(in->flags);

	*out = (struct virtio_gpu_ctrl_hdr){.type = htole32(response)};
	if (flags & VIRTIO_GPU_FLAG_FENCE) {
		out->flags =
			htole32(flags & (VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX));
		out->fence_id = in->fence_id;
		out->ctx_id = in->ctx_id;
		out->ring_idx = in->ring_idx;
	}
	return vu_req_write(c->req, 0, &c->out, answer_size(c, response));
}
