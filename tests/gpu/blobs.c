/* SPDX-License-Identifier: MIT */
/* See blobs.h. */
#include "blobs.h"

#include <sys/mman.h>

#include "kit/patience.h"

static struct rig *rig;
static struct rig_buffer out, in;

void three_start_blobs(struct rig *r, const char *const *options)
{
	const char *all[RIG_MAX_ARGS] = {"--venus", "--max-hostmem=64M"};

	for (uint32_t i = 0; options && options[i]; i++)
		all[i + 2] = options[i];
	rig = r;
	gpu_start(r, all);
}

uint32_t blob_try_context(uint32_t context, uint32_t capset)
{
	struct virtio_gpu_ctx_create c = {.hdr = gpu_head(VIRTIO_GPU_CMD_CTX_CREATE),
					  .context_init = htole32(capset)};

	c.hdr.ctx_id = htole32(context);
	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

uint32_t blob_try_create(uint32_t context, uint32_t id, uint32_t flags, uint64_t blob_id,
			 uint64_t size)
{
	struct virtio_gpu_resource_create_blob c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
		.resource_id = htole32(id),
		.blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_HOST3D),
		.blob_flags = htole32(flags),
		.blob_id = htole64(blob_id),
		.size = htole64(size),
	};

	c.hdr.ctx_id = htole32(context);
	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

static struct virtio_gpu_resource_map_blob map_of(uint32_t id, uint64_t at)
{
	return (struct virtio_gpu_resource_map_blob){
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB),
		.resource_id = htole32(id),
		.offset = htole64(at),
	};
}

void blob_offer_map(uint32_t id, uint64_t at)
{
	const struct virtio_gpu_resource_map_blob c = map_of(id, at);
	struct driver_seg segs[2];

	rig_buffer(rig, &out, sizeof(c));
	rig_buffer(rig, &in, sizeof(struct virtio_gpu_resp_map_info));
	memcpy(out.data, &c, sizeof(c));
	segs[0] = rig_read_seg(&out, sizeof(c));
	segs[1] = rig_write_seg(&in, in.len);
	rig_offer(rig, GPU_CONTROL, segs, 2, &out);
}

uint32_t blob_wait_map(uint32_t *info)
{
	struct virtio_gpu_resp_map_info reply;
	uint32_t len, response;

	assert_ptr_equal(rig_wait(rig, GPU_CONTROL, &len), &out);
	memcpy(&reply, in.data, sizeof(reply));
	response = le32toh(reply.hdr.type);
	assert_int_equal(len, response == VIRTIO_GPU_RESP_OK_MAP_INFO ? sizeof(reply)
								      : sizeof(reply.hdr));
	if (info)
		*info = le32toh(reply.map_info);
	return response;
}

uint32_t blob_try_map(uint32_t id, uint64_t at)
{
	blob_offer_map(id, at);
	return blob_wait_map(NULL);
}

uint32_t blob_try_unmap(uint32_t id)
{
	const struct virtio_gpu_resource_unmap_blob c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB), .resource_id = htole32(id)};

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

/* --- the front-end --- */

void blob_hear(uint32_t request, uint64_t at, uint64_t len, struct frontend_msg *msg)
{
	struct wire_mmap what;

	rig_check(rig, frontend_recv_backend(&rig->peer->frontend, msg, HANG_MS));
	assert_int_equal(msg->hdr.request, request);
	assert_int_equal(msg->hdr.size, sizeof(what));
	memcpy(&what, msg->payload, sizeof(what));
	assert_int_equal(what.shmid, BLOB_REGION);
	assert_int_equal(what.shm_offset, at);
	assert_int_equal(what.len, len);
	assert_int_equal(msg->n_fds, request == WIRE_BACKEND_SHMEM_MAP);
}

void blob_answer(struct frontend_msg *msg, uint64_t value)
{
	rig_check(rig, frontend_answer_backend(&rig->peer->frontend, msg, value));
	frontend_msg_close_fds(msg);
}

void blob_hear_and_answer(uint32_t request, uint64_t at, uint64_t len, uint64_t value)
{
	struct frontend_msg msg;

	blob_hear(request, at, len, &msg);
	blob_answer(&msg, value);
}

void blob_hear_nothing(void)
{
	struct frontend_msg msg;

	gpu_expect_state(0, "resource 0");
	assert_int_equal(frontend_recv_backend(&rig->peer->frontend, &msg, 0), -EAGAIN);
}

uint32_t *blob_map(uint32_t id, uint64_t at, uint64_t len)
{
	struct frontend_msg msg;
	uint32_t info;
	void *memory;

	blob_offer_map(id, at);
	blob_hear(WIRE_BACKEND_SHMEM_MAP, at, len, &msg);
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, msg.fds[0], 0);
	assert_true(memory != MAP_FAILED);
	blob_answer(&msg, 0);
	assert_int_equal(blob_wait_map(&info), VIRTIO_GPU_RESP_OK_MAP_INFO);
	assert_int_equal(info, VIRTIO_GPU_MAP_CACHE_CACHED);
	return memory;
}
