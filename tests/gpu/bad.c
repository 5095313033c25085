/* SPDX-License-Identifier: MIT */
/* See bad.h. */
#include "bad.h"

void bad_offer_command(struct rig *rig, const void *command, uint32_t len)
{
	struct rig_buffer out, in;
	struct driver_seg segs[2];

	rig_buffer(rig, &out, len);
	rig_buffer(rig, &in, 64);
	memcpy(out.data, command, len);
	segs[0] = rig_read_seg(&out, len);
	segs[1] = rig_write_seg(&in, 64);
	rig_offer(rig, GPU_CONTROL, segs, 2, NULL);
}

void bad_offer(struct rig *rig, enum bad what)
{
	const struct {
		struct virtio_gpu_cmd_submit submit;
		uint32_t word;
	} c = {.submit = {.hdr = {.type = htole32(VIRTIO_GPU_CMD_SUBMIT_3D),
				  .flags = htole32(VIRTIO_GPU_FLAG_FENCE),
				  .ctx_id = htole32(1)},
			  .size = htole32(4)},
	       .word = what};

	bad_offer_command(rig, &c, sizeof(c.submit) + sizeof(c.word));
}

void bad_expect_ended(struct rig *rig)
{
	struct driver_used used;
	int ret;

	/* What waits may still be answered, with an error. */
	do
		ret = peer_wait_used(rig->peer, GPU_CONTROL, &used);
	while (!ret);
	assert_int_equal(ret, -ECONNRESET);
}

/* A context, and 6, which the renderer may write to. */
void bad_begin(struct rig *rig, struct rig_buffer *memory)
{
	const struct virtio_gpu_resource_create_3d query = {
		.bind = BIND_CUSTOM, .format = FORMAT_R8, .width = BAD_SHADOW};
	struct virtio_gpu_mem_entry entry;

	rig_buffer(rig, memory, BAD_MEMORY);
	entry = gpu_entry(memory->gpa, BAD_MEMORY);
	three_context(1);
	gpu_ok(three_try_create(6, query));
	gpu_ok(gpu_try_attach(6, &entry, 1));
}

void bad_begin_again(struct rig *rig, struct rig_buffer *memory)
{
	rig_connect(rig);
	gpu_begin(rig);
	bad_begin(rig, memory);
}
