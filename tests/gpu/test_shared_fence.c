/* SPDX-License-Identifier: MIT */
/* vu-gpu with --dmabuf: a guest that flushes with a fence may draw there again when that is
 * answered. */
#include <poll.h>
#include <unistd.h>

#include "../devices/client.h"
#include "shared.h"

enum { FENCE = 77 };

static struct rig_buffer out, in;

/* A display that has the blob 1, and has read it. */
static int begin(struct rig *rig, struct rig_buffer *memory)
{
	int fd;

	shared_start(rig, false);
	rig_buffer(rig, &out, 512);
	rig_buffer(rig, &in, 512);
	shared_pages(rig, memory, 1);
	shared_blob(1, memory);
	fd = shared_display(rig, 3);
	shared_show(0, 1);
	shared_expect_shown(fd, 0, memory);
	shared_ack(fd);
	return fd;
}

static void offer(struct rig *rig, uint32_t place, const void *command, uint32_t len)
{
	const struct driver_seg segs[2] = {
		{.gpa = out.gpa + 64 * place, .len = len},
		{.gpa = in.gpa + 64 * place,
		 .len = sizeof(struct virtio_gpu_ctrl_hdr),
		 .write = true},
	};

	memcpy(out.data + 64 * place, command, len);
	rig_offer(rig, GPU_CONTROL, segs, 2, NULL);
}

static void offer_flush(struct rig *rig, uint32_t place, uint32_t id)
{
	const struct virtio_gpu_resource_flush c = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
			.flags = htole32(VIRTIO_GPU_FLAG_FENCE),
			.fence_id = htole64(FENCE)},
		.r = gpu_rect(0, 0, PICTURE, PICTURE),
		.resource_id = htole32(id),
	};

	offer(rig, place, &c, sizeof(c));
}

static void offer_unref(struct rig *rig, uint32_t place, uint32_t id)
{
	const struct virtio_gpu_resource_unref c = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_RESOURCE_UNREF),
			.flags = htole32(VIRTIO_GPU_FLAG_FENCE),
			.fence_id = htole64(FENCE)},
		.resource_id = htole32(id),
	};

	offer(rig, place, &c, sizeof(c));
}

static void is_answered(uint32_t place)
{
	struct virtio_gpu_ctrl_hdr head;

	memcpy(&head, in.data + 64 * place, sizeof(head));
	assert_int_equal(le32toh(head.type), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(le64toh(head.fence_id), FENCE);
}

static void expect_answer(struct rig *rig, uint32_t place)
{
	rig_wait(rig, GPU_CONTROL, NULL);
	is_answered(place);
}

/* On a busy machine one may be answered in time, as it would be by itself; all of them are not. */
static void a_flush_is_answered_when_the_display_has_read_it(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd = begin(rig, &memory);
	uint32_t open = 0;

	for (int i = 0; i < 50; i++) {
		offer_flush(rig, 0, 1);
		shared_expect(fd, DMABUF_UPDATE);
		open += !driver_has_used(rig->peer->queues[GPU_CONTROL]);
		shared_ack(fd);
		expect_answer(rig, 0);
	}
	assert_int_not_equal(open, 0);
	/* What has no fence, is answered at once, read or not. */
	shared_flush(1);
	shared_expect(fd, DMABUF_UPDATE);
	shared_flush(1);
	shared_ack(fd);
	close(fd);
	rig_stop(rig);
}

/* The answer comes after the display was told, and before it says anything. */
static void a_display_that_does_not_read_holds_a_flush_up_once_and_not_for_long(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd = begin(rig, &memory);

	offer_flush(rig, 0, 1);
	shared_expect(fd, DMABUF_UPDATE);
	expect_answer(rig, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		offer_flush(rig, i % 2, 1);
		expect_answer(rig, i % 2);
	}
	shared_ack(fd);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	offer_flush(rig, 0, 1);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	expect_answer(rig, 0);
	close(fd);
	rig_stop(rig);
}

static void flushes_of_a_blob_that_goes_are_answered(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd = begin(rig, &memory);

	offer_flush(rig, 0, 1);
	shared_expect(fd, DMABUF_UPDATE);
	offer_flush(rig, 1, 1);
	offer_unref(rig, 2, 1);
	shared_expect_gone(fd, 0, 0, 0);
	shared_ack(fd);
	/* In any order. */
	for (int i = 0; i < 3; i++)
		rig_wait(rig, GPU_CONTROL, NULL);
	for (uint32_t i = 0; i < 3; i++)
		is_answered(i);
	close(fd);
	rig_stop(rig);
}

static void a_queue_that_stops_has_its_flushes_back(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd = begin(rig, &memory);

	for (int i = 0; i < 10; i++) {
		offer_flush(rig, 0, 1);
		shared_expect(fd, DMABUF_UPDATE);
		rig_check(rig, peer_stop(rig->peer));
		expect_answer(rig, 0);
		for (uint32_t q = 0; q < GPU_QUEUES; q++) {
			rig_check(rig, peer_start_queue(rig->peer, q));
			rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, q, true));
		}
		shared_ack(fd);
	}
	close(fd);
	rig_stop(rig);
}

static void a_display_that_goes_gives_the_flushes_back(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd = begin(rig, &memory);

	for (int i = 0; i < 10; i++) {
		offer_flush(rig, 0, 1);
		shared_expect(fd, DMABUF_UPDATE);
		close(fd);
		expect_answer(rig, 0);
		fd = shared_display(rig, 3);
		shared_expect_shown(fd, 0, &memory);
		shared_ack(fd);
	}
	/* With everything. */
	offer_flush(rig, 0, 1);
	shared_expect(fd, DMABUF_UPDATE);
	peer_disconnect(rig->peer);
	client_expect_end(fd);
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_flush_is_answered_when_the_display_has_read_it),
		GPU_TEST(a_display_that_does_not_read_holds_a_flush_up_once_and_not_for_long),
		GPU_TEST(flushes_of_a_blob_that_goes_are_answered),
		GPU_TEST(a_queue_that_stops_has_its_flushes_back),
		GPU_TEST(a_display_that_goes_gives_the_flushes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
