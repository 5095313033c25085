/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu's Vulkan: a context of venus, memory of its that the guest sees, and what the Vulkan
 * driver at the host's answers there.
 */
#include "blobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Numbers of the protocol of VK_MESA_venus, as Mesa in a guest sends them. */
enum {
	ENUMERATE_INSTANCE_VERSION = 137,
	SET_REPLY_STREAM = 178,
	WITH_REPLY = 1,
	BYTES = 2 * BLOB_PAGE,
	REPLY_AT = 64,
};

static void add(struct stream *stream, uint64_t value)
{
	three_word(stream, (uint32_t)value);
	three_word(stream, (uint32_t)(value >> 32));
}

/* Answers go to a blob's memory; which Vulkan is there? */
static void ask_version(uint32_t context, uint32_t blob)
{
	struct stream stream = {.n = 0};

	three_word(&stream, SET_REPLY_STREAM);
	three_word(&stream, 0);
	add(&stream, 1); /* a pointer that is one */
	three_word(&stream, blob);
	add(&stream, REPLY_AT);
	add(&stream, BYTES - REPLY_AT);
	three_word(&stream, ENUMERATE_INSTANCE_VERSION);
	three_word(&stream, WITH_REPLY);
	add(&stream, 1);
	three_submit(context, &stream);
}

static void the_capset_is_told_and_contexts_are_of_it(void **state)
{
	struct {
		struct virtio_gpu_ctrl_hdr hdr;
		uint32_t words[64];
	} capset;
	struct virtio_gpu_get_capset get = {.hdr = gpu_head(VIRTIO_GPU_CMD_GET_CAPSET),
					    .capset_id = htole32(CAPSET_VENUS)};
	const struct virtio_gpu_get_capset_info ask = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_GET_CAPSET_INFO)};
	struct virtio_gpu_resp_capset_info info;
	struct rig *rig = *state;
	uint32_t n;

	three_start_blobs(rig, NULL);
	rig_get_config(rig, 12, &n, sizeof(n));
	assert_int_equal(le32toh(n), 1);
	assert_int_equal(gpu_command(GPU_CONTROL, &ask, sizeof(ask), &info, sizeof(info)),
			 VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	assert_int_equal(le32toh(info.capset_id), CAPSET_VENUS);
	assert_int_equal(gpu_command(GPU_CONTROL, &get, sizeof(get), &capset,
				     24 + le32toh(info.capset_max_size)),
			 VIRTIO_GPU_RESP_OK_CAPSET);
	assert_true(capset.words[1] >= 1 << 22); /* Vulkan 1.0 */
	assert_int_equal(capset.words[4], 1);	 /* its own memory can be seen */
	/* There is no OpenGL, which is what a context of nothing would be of. */
	assert_int_equal(blob_try_context(1, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(blob_try_context(1, 2), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	gpu_ok(blob_try_context(1, CAPSET_VENUS));
	assert_int_equal(
		three_try_create(5, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}),
		VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	gpu_ok(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 1));
	rig_stop(rig);
}

/* What it was before is what it is now, as the guest sees it. */
static void answers_come_where_the_guest_sees_them(void **state)
{
	static const char *const both[] = {"--virgl", NULL};
	struct rig *rig = *state;

	for (int with_virgl = 0; with_virgl < 2; with_virgl++) {
		uint32_t *seen;

		three_start_blobs(rig, with_virgl ? both : NULL);
		gpu_ok(blob_try_context(1, CAPSET_VENUS));
		gpu_ok(blob_try_create(1, 9, BLOB_MAPPABLE, 0, BYTES));
		gpu_ok(three_try_resource(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 9));
		seen = blob_map(9, 4 * BLOB_PAGE, BYTES);
		ask_version(1, 9);
		assert_int_equal(seen[REPLY_AT / 4], ENUMERATE_INSTANCE_VERSION);
		assert_int_equal(seen[REPLY_AT / 4 + 1], 0); /* VK_SUCCESS */
		assert_int_equal(seen[REPLY_AT / 4 + 2], 1);
		assert_true(seen[REPLY_AT / 4 + 4] >= 1 << 22);
		gpu_ok(blob_try_unmap(9));
		blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, 4 * BLOB_PAGE, BYTES, 0);
		munmap(seen, BYTES);
		rig_stop(rig);
		assert_int_equal(rig_logged(rig, "renderer: "), 0);
	}
}

static struct virtio_gpu_cmd_submit ring_fence(uint32_t context, uint8_t ring)
{
	struct virtio_gpu_cmd_submit c = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_SUBMIT_3D),
			.flags = htole32(VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX),
			.fence_id = htole64(77),
			.ctx_id = htole32(context),
			.ring_idx = ring},
		.size = htole32(16)};

	return c;
}

/* Ring 0 is that of no queue of Vulkan's, 1 of a queue that there is not. */
static void fences_of_rings_are_answered(void **state)
{
	struct rig *rig = *state;

	three_start_blobs(rig, NULL);
	gpu_ok(blob_try_context(1, CAPSET_VENUS));
	for (uint8_t ring = 0; ring < 2; ring++) {
		const struct {
			struct virtio_gpu_cmd_submit submit;
			uint32_t words[4]; /* a question that is not answered */
		} c = {.submit = ring_fence(1, ring),
		       .words = {ENUMERATE_INSTANCE_VERSION, 0, 1, 0}};
		struct virtio_gpu_ctrl_hdr reply;

		gpu_ok(gpu_command(GPU_CONTROL, &c, sizeof(c), &reply, sizeof(reply)));
		assert_int_equal(le64toh(reply.fence_id), 77);
		assert_int_equal(le32toh(reply.flags),
				 VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
		assert_int_equal(reply.ring_idx, ring);
		assert_int_equal(le32toh(reply.ctx_id), 1);
	}
	rig_stop(rig);
}

/* A context that broke refuses, and the next one works. */
static void nonsense_ends_one_context_or_one_session(void **state)
{
	struct rig *rig = *state;
	uint32_t seed = 1;

	three_start_blobs(rig, NULL);
	for (uint32_t i = 0; i < 40; i++) {
		struct stream stream = {.n = 0};

		gpu_ok(blob_try_context(1, CAPSET_VENUS));
		while (stream.n < 16) {
			seed = seed * 1664525 + 1013904223;
			three_word(&stream, stream.n % 4 ? seed >> 24 : seed >> 8);
		}
		three_try_submit(1, &stream, 64);
		gpu_ok(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 1));
	}
	gpu_ok(blob_try_context(1, CAPSET_VENUS));
	gpu_ok(blob_try_create(1, 9, BLOB_MAPPABLE, 0, BYTES));
	munmap(blob_map(9, 0, BYTES), BYTES);
	rig_stop(rig);
}

static bool can_be_tested(void)
{
	char command[512], line[512] = "";
	FILE *said;

	snprintf(command, sizeof(command), "'%s' --venus --fd=0 </dev/null 2>&1",
		 getenv(rig_program));
	said = popen(command, "r");
	while (said && fgets(line, sizeof(line), said))
		if (strstr(line, "--venus:"))
			break;
	if (said)
		pclose(said);
	if (!strstr(line, "--venus:"))
		return said;
	printf("skipped: %s", line);
	return false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(the_capset_is_told_and_contexts_are_of_it),
		GPU_TEST(answers_come_where_the_guest_sees_them),
		GPU_TEST(fences_of_rings_are_answered),
		GPU_TEST(nonsense_ends_one_context_or_one_session),
	};

	if (!can_be_tested())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
