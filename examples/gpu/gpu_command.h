/* SPDX-License-Identifier: MIT */
/*
 * Requests of a graphics device's queues: a command is copied out of its buffers, run on the card,
 * and answered.  All in steps, for the answers of two commands may be somebody else's.
 */
#ifndef GPU_COMMAND_H
#define GPU_COMMAND_H

#include <libvu/unstable.h>

#include "gpu_card.h"

enum { CONTROL_QUEUE, CURSOR_QUEUE, N_QUEUES };

union command_in {
	struct virtio_gpu_ctrl_hdr hdr;
	struct virtio_gpu_resource_create_2d create_2d;
	struct virtio_gpu_resource_unref unref;
	struct virtio_gpu_set_scanout set_scanout;
	struct virtio_gpu_resource_flush flush;
	struct virtio_gpu_transfer_to_host_2d transfer;
	struct virtio_gpu_resource_attach_backing attach;
	struct virtio_gpu_resource_detach_backing detach;
	struct virtio_gpu_cmd_get_edid get_edid;
	struct virtio_gpu_resource_assign_uuid assign_uuid;
	struct virtio_gpu_resource_create_blob create_blob;
	struct virtio_gpu_set_scanout_blob set_scanout_blob;
	struct virtio_gpu_update_cursor cursor;
	struct virtio_gpu_get_capset_info get_capset_info;
	struct virtio_gpu_get_capset get_capset;
	struct virtio_gpu_ctx_create ctx_create;
	struct virtio_gpu_ctx_resource ctx_resource;
	struct virtio_gpu_resource_create_3d create_3d;
	struct virtio_gpu_transfer_host_3d transfer_3d;
	struct virtio_gpu_cmd_submit submit;
	struct virtio_gpu_resource_map_blob map_blob;
	struct virtio_gpu_resource_unmap_blob unmap_blob;
};

union command_out {
	struct virtio_gpu_ctrl_hdr hdr;
	struct virtio_gpu_resp_display_info display_info;
	struct virtio_gpu_resp_edid edid;
	struct virtio_gpu_resp_resource_uuid uuid;
	struct virtio_gpu_resp_capset_info capset_info;
	struct virtio_gpu_resp_map_info map_info;
	struct {
		struct virtio_gpu_ctrl_hdr hdr;
		unsigned char data[WIRE_CAPSET_BYTES];
	} capset;
};

struct command {
	const struct vu_req *req;
	const struct command_row *row; /* NULL: there is no such command */
	uint32_t type;
	/* A flush of the resource that is to be run right behind it; of nothing: there is none. */
	struct virtio_gpu_rect flush;
	bool twice; /* run it again when the pixels are here that it asked the renderer for */
	uint32_t capset_len;
	union command_in in; /* as the guest wrote it */
	union command_out out;
};

/* Copy it out of a request of that queue. */
void command_read(struct command *c, const struct vu_req *req, uint32_t queue);
/* What it is called; "" for one that there is not.  And the resource it names, or 0. */
const char *command_name(const struct command *c);
uint32_t command_resource(const struct command *c);
/* It should be known which one is behind it before it is run. */
bool command_looks_ahead(const struct command *c);
void command_is_behind(struct command *c, const struct command *next);
/* Run it: VIRTIO_GPU_RESP_*, and out is filled but for its header. */
uint32_t command_run(struct command *c, struct card *card);
/* Write the answer: how many bytes it has. */
uint64_t command_answer(struct command *c, uint32_t response);

#endif
