/* SPDX-License-Identifier: MIT */
/*
 * Blobs of the host's whose commands overtake what they asked for: the renderer has not given the
 * memory yet, or the front-end has not mapped it, when the next one comes.
 */
#include "blobs.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "bad_renderer.h"

enum { CONTEXT = 1, FIRST_AT = 0, SECOND_AT = 4 * BLOB_PAGE };

/* A command that nobody waits for yet. */
struct offered {
	struct rig_buffer out, in;
};

static void offer(struct rig *rig, struct offered *o, const void *command, uint32_t len)
{
	struct driver_seg segs[2];

	rig_buffer(rig, &o->out, len);
	rig_buffer(rig, &o->in, sizeof(struct virtio_gpu_resp_map_info));
	memcpy(o->out.data, command, len);
	segs[0] = rig_read_seg(&o->out, len);
	segs[1] = rig_write_seg(&o->in, o->in.len);
	rig_offer(rig, GPU_CONTROL, segs, 2, o);
}

static void offer_map(struct rig *rig, struct offered *o, uint32_t id, uint64_t at)
{
	const struct virtio_gpu_resource_map_blob c = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB)},
		.resource_id = htole32(id),
		.offset = htole64(at),
	};

	offer(rig, o, &c, sizeof(c));
}

static void offer_unmap(struct rig *rig, struct offered *o, uint32_t id)
{
	const struct virtio_gpu_resource_unmap_blob c = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB)},
		.resource_id = htole32(id),
	};

	offer(rig, o, &c, sizeof(c));
}

/* It is the next that is answered. */
static void expect(struct rig *rig, const struct offered *o, uint32_t response)
{
	struct virtio_gpu_ctrl_hdr reply;

	assert_ptr_equal(rig_wait(rig, GPU_CONTROL, NULL), o);
	memcpy(&reply, o->in.data, sizeof(reply));
	assert_int_equal(le32toh(reply.type), response);
}

static void expect_mapped(struct rig *rig, const char *words)
{
	gpu_expect_state(0, "resource 0");
	assert_non_null(strstr(rig_say(rig, "state"), words));
}

static void start(struct rig *rig)
{
	three_start_blobs(rig, NULL);
	gpu_ok(blob_try_context(CONTEXT, CAPSET_VENUS));
	gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
}

/* It is at the second place, and goes with its resource, or with the guest. */
static void mapped_again_before_its_memory_came(void **state)
{
	struct offered first, unmap, second;
	struct rig *rig = *state;

	start(rig);
	for (int goes = 0; goes < 2; goes++) {
		int pid = three_renderer(rig, 0);

		assert_return_code(kill(pid, SIGSTOP), errno);
		offer_map(rig, &first, 5, FIRST_AT);
		offer_unmap(rig, &unmap, 5);
		offer_map(rig, &second, 5, SECOND_AT);
		expect(rig, &unmap, VIRTIO_GPU_RESP_OK_NODATA);
		assert_return_code(kill(pid, SIGCONT), errno);
		expect(rig, &first, VIRTIO_GPU_RESP_ERR_UNSPEC);
		blob_hear_and_answer(WIRE_BACKEND_SHMEM_MAP, SECOND_AT, BAD_BLOB, 0);
		expect(rig, &second, VIRTIO_GPU_RESP_OK_MAP_INFO);
		expect_mapped(rig, "blobs mapped 1");
		if (!goes) {
			gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
			blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, SECOND_AT, BAD_BLOB, 0);
			gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
		} else {
			peer_disconnect(rig->peer);
			rig_connect(rig);
			gpu_begin(rig);
		}
		expect_mapped(rig, "blobs mapped 0");
	}
	blob_hear_nothing();
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

/* What the front-end says of the first is not of the second. */
static void mapped_again_before_the_front_end_refused(void **state)
{
	struct offered first, second;
	struct frontend_msg msgs[2];
	struct rig *rig = *state;

	start(rig);
	offer_map(rig, &first, 5, FIRST_AT);
	blob_hear(WIRE_BACKEND_SHMEM_MAP, FIRST_AT, BAD_BLOB, &msgs[0]);
	gpu_ok(blob_try_unmap(5));
	offer_map(rig, &second, 5, SECOND_AT);
	blob_hear(WIRE_BACKEND_SHMEM_MAP, SECOND_AT, BAD_BLOB, &msgs[1]);
	blob_answer(&msgs[0], 1);
	expect(rig, &first, VIRTIO_GPU_RESP_ERR_UNSPEC);
	blob_answer(&msgs[1], 0);
	expect(rig, &second, VIRTIO_GPU_RESP_OK_MAP_INFO);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, SECOND_AT, BAD_BLOB, 0);
	expect_mapped(rig, "blobs mapped 0");
	rig_stop(rig);
}

/* The memory comes when the front-end waits for the queue, and would answer nothing. */
static void a_queue_stops_while_the_renderer_gives_memory(void **state)
{
	const struct wire_vring_state queue = {.index = GPU_CONTROL};
	struct rig *rig = *state;
	struct frontend_msg msg;
	struct frontend *f;
	struct offered map;
	int pid;

	start(rig);
	f = &rig->peer->frontend;
	pid = three_renderer(rig, 0);
	assert_return_code(kill(pid, SIGSTOP), errno);
	offer_map(rig, &map, 5, FIRST_AT);
	rig_expect_nothing(rig, GPU_CONTROL);
	rig_check(rig, frontend_send(f, WIRE_GET_VRING_BASE, 0, &queue, sizeof(queue), NULL, 0));
	/* By the second answer the device has seen the message. */
	gpu_expect_state(0, "resource 0");
	gpu_expect_state(0, "resource 0");
	assert_return_code(kill(pid, SIGCONT), errno);
	rig_check(rig, frontend_recv(f, &msg));
	assert_int_equal(msg.hdr.request, WIRE_GET_VRING_BASE);
	expect(rig, &map, VIRTIO_GPU_RESP_ERR_UNSPEC);
	blob_hear_nothing();
	expect_mapped(rig, "blobs mapped 0");
	rig_stop(rig);
}

/* The front-end answers the first pause's when it has taken all away for the second. */
static void a_pause_ends_while_the_front_end_maps_for_the_one_before(void **state)
{
	struct rig *rig = *state;
	struct frontend_msg msg;

	start(rig);
	munmap(blob_map(5, FIRST_AT, BAD_BLOB), BAD_BLOB);
	gpu_start_again(rig);
	blob_hear(WIRE_BACKEND_SHMEM_MAP, FIRST_AT, BAD_BLOB, &msg);
	gpu_start_again(rig);
	blob_hear_nothing();
	blob_answer(&msg, 0);
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_MAP, FIRST_AT, BAD_BLOB, 0);
	gpu_ok(blob_try_unmap(5));
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, FIRST_AT, BAD_BLOB, 0);
	expect_mapped(rig, "blobs mapped 0");
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(mapped_again_before_its_memory_came),
		GPU_TEST(mapped_again_before_the_front_end_refused),
		GPU_TEST(a_queue_stops_while_the_renderer_gives_memory),
		GPU_TEST(a_pause_ends_while_the_front_end_maps_for_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
