/* SPDX-License-Identifier: MIT */
/*
 * Blobs of the host's, which a guest sees in the front-end's region, from a renderer that gives
 * what memory a test likes (bad_renderer.c): where they are, for how long, and of what.
 */
#include "blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bad_renderer.h"
#include "kit/counts.h"

enum { CONTEXT = 1, BAD_PARAMETER = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER };

static const uint32_t *first(struct rig *rig, uint32_t id, uint64_t at)
{
	(void)rig;
	gpu_ok(blob_try_create(CONTEXT, id, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	return blob_map(id, at, BAD_BLOB);
}

static void start(struct rig *rig)
{
	three_start_blobs(rig, NULL);
	gpu_ok(blob_try_context(CONTEXT, CAPSET_VENUS));
}

static void a_blob_is_seen_and_goes(void **state)
{
	struct rig *rig = *state;
	const uint32_t *seen;

	start(rig);
	seen = first(rig, 5, BLOB_WINDOW - BAD_BLOB);
	assert_int_equal(*(const unsigned char *)seen, BAD_BYTE);
	gpu_expect_state(0, "resource 0");
	assert_non_null(strstr(rig_say(rig, "state"), "blobs mapped 1"));
	gpu_ok(blob_try_unmap(5));
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, BLOB_WINDOW - BAD_BLOB, BAD_BLOB, 0);
	munmap((void *)(uintptr_t)seen, BAD_BLOB);
	/* Once more at another place; and it goes with its resource. */
	seen = blob_map(5, 0, BAD_BLOB);
	munmap((void *)(uintptr_t)seen, BAD_BLOB);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, 0, BAD_BLOB, 0);
	assert_non_null(strstr(rig_say(rig, "state"), "blobs mapped 0"));
	assert_non_null(strstr(rig_say(rig, "state"), "resources 0 bytes 0 of"));
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

static void places_that_cannot_be_are_refused(void **state)
{
	static const uint64_t places[] = {1,
					  BLOB_PAGE - 1,
					  BLOB_WINDOW,
					  BLOB_WINDOW - BLOB_PAGE,
					  BLOB_WINDOW + BLOB_PAGE,
					  UINT64_MAX,
					  UINT64_MAX - BLOB_PAGE + 1,
					  UINT64_C(1) << 63};
	static const uint64_t taken[] = {6 * BLOB_PAGE, 7 * BLOB_PAGE, 8 * BLOB_PAGE,
					 9 * BLOB_PAGE};
	struct rig *rig = *state;

	start(rig);
	gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		assert_int_equal(blob_try_map(5, places[i]), BAD_PARAMETER);
	munmap((void *)(uintptr_t)first(rig, 6, 7 * BLOB_PAGE), BAD_BLOB);
	assert_int_equal(blob_try_map(6, 0), BAD_PARAMETER); /* twice */
	for (size_t i = 1; i < 3; i++)
		assert_int_equal(blob_try_map(5, taken[i]), BAD_PARAMETER);
	assert_int_equal(blob_try_map(5, taken[0]), BAD_PARAMETER);
	munmap(blob_map(5, taken[3], BAD_BLOB), BAD_BLOB);
	blob_hear_nothing();
	rig_stop(rig);
}

static void blobs_that_cannot_be_are_refused(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	start(rig);
	assert_int_equal(blob_try_create(2, 5, BLOB_MAPPABLE, 0, BAD_BLOB),
			 VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	assert_int_equal(blob_try_create(0, 5, BLOB_MAPPABLE, 0, BAD_BLOB),
			 VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	assert_int_equal(blob_try_create(CONTEXT, 5, 8, 0, BAD_BLOB), BAD_PARAMETER);
	assert_int_equal(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, 0, 0), BAD_PARAMETER);
	assert_int_equal(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, 0, 100), BAD_PARAMETER);
	assert_int_equal(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, 0, UINT64_MAX - 4095),
			 VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(blob_try_create(CONTEXT, 0, BLOB_MAPPABLE, 0, BAD_BLOB),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	/* Counted: so many there are not. */
	gpu_ok(blob_try_create(CONTEXT, 6, BLOB_MAPPABLE, 0, BLOB_WINDOW / 2));
	assert_int_equal(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, 0, BLOB_WINDOW / 2),
			 VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 6));
	/* Not to be mapped, and not one of the host's. */
	gpu_ok(blob_try_create(CONTEXT, 6, 0, 0, BAD_BLOB));
	assert_int_equal(blob_try_map(6, 0), BAD_PARAMETER);
	assert_int_equal(blob_try_unmap(6), BAD_PARAMETER);
	gpu_picture(&memory, 1);
	gpu_create(7, &memory);
	assert_int_equal(blob_try_map(7, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(blob_try_unmap(7), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	/* What is for pictures. */
	assert_int_equal(gpu_try_show(0, 6, gpu_rect(0, 0, 16, 16)),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(gpu_try_show_blob(0, 6, 16, 16, 64, 0),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_true(gpu_try_transfer(6, gpu_rect(0, 0, 1, 1), 0) >= VIRTIO_GPU_RESP_ERR_UNSPEC);
	assert_true(gpu_try_flush(6, gpu_rect(0, 0, 1, 1)) >= VIRTIO_GPU_RESP_ERR_UNSPEC);
	blob_hear_nothing();
	rig_stop(rig);
}

static void memory_that_is_not_safe_is_not_shown(void **state)
{
	struct rig *rig = *state;

	start(rig);
	for (uint32_t what = BLOB_GOOD + 1; what < BLOB_ENDED; what++) {
		gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, what, BAD_BLOB));
		assert_int_equal(blob_try_map(5, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
		blob_hear_nothing();
		assert_int_equal(blob_try_unmap(5), BAD_PARAMETER);
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

static void descriptors_that_nobody_asked_for_end_the_renderer(void **state)
{
	struct rig *rig = *state;
	int files;

	start(rig);
	files = count_fds_of(rig->program.pid);
	for (uint32_t what = BLOB_ENDED; what < BLOB_ALL; what++) {
		struct driver_used used;
		int ret;

		gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, what, BAD_BLOB));
		blob_offer_map(5, 0);
		do
			ret = peer_wait_used(rig->peer, GPU_CONTROL, &used);
		while (!ret);
		assert_int_equal(ret, -ECONNRESET);
		rig_connect(rig);
		gpu_begin(rig);
		gpu_ok(blob_try_context(CONTEXT, CAPSET_VENUS));
		assert_int_equal(count_fds_of(rig->program.pid), files);
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it says what it was not asked for"),
			 BLOB_ALL - BLOB_ENDED);
}

/* What is seen cannot get shorter: whoever touches it would get a signal. */
static void what_is_seen_never_gets_shorter(void **state)
{
	struct rig *rig = *state;
	struct frontend_msg msg;

	start(rig);
	gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	blob_offer_map(5, 0);
	blob_hear(WIRE_BACKEND_SHMEM_MAP, 0, BAD_BLOB, &msg);
	assert_int_equal(ftruncate(msg.fds[0], 0), -1);
	assert_int_equal(errno, EPERM);
	blob_answer(&msg, 0);
	assert_int_equal(blob_wait_map(NULL), VIRTIO_GPU_RESP_OK_MAP_INFO);
	rig_stop(rig);
}

static void a_front_end_that_refuses_is_told_to_the_driver(void **state)
{
	struct rig *rig = *state;
	struct frontend_msg msg;

	start(rig);
	gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	blob_offer_map(5, 0);
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_MAP, 0, BAD_BLOB, 1);
	assert_int_equal(blob_wait_map(NULL), VIRTIO_GPU_RESP_ERR_UNSPEC);
	munmap(blob_map(5, 0, BAD_BLOB), BAD_BLOB);
	/* It goes while the front-end is about to map it: it is taken away as soon as it is there.
	 */
	gpu_ok(blob_try_create(CONTEXT, 6, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	blob_offer_map(6, BAD_BLOB);
	blob_hear(WIRE_BACKEND_SHMEM_MAP, BAD_BLOB, BAD_BLOB, &msg);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 6));
	blob_answer(&msg, 0);
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, BAD_BLOB, BAD_BLOB, 0);
	assert_int_equal(blob_wait_map(NULL), VIRTIO_GPU_RESP_OK_MAP_INFO);
	rig_stop(rig);
}

/* The front-end waits for the queue, and answers nothing until it has stopped. */
static void a_queue_stops_while_the_front_end_maps(void **state)
{
	struct rig *rig = *state;
	struct frontend_msg msg;

	start(rig);
	gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	blob_offer_map(5, 0);
	blob_hear(WIRE_BACKEND_SHMEM_MAP, 0, BAD_BLOB, &msg);
	rig_check(rig, peer_stop(rig->peer));
	frontend_msg_close_fds(&msg);
	peer_disconnect(rig->peer);
	/* And the next guest's window is empty. */
	rig_connect(rig);
	gpu_begin(rig);
	assert_non_null(strstr(rig_say(rig, "state"), "blobs mapped 0"));
	gpu_ok(blob_try_context(CONTEXT, CAPSET_VENUS));
	munmap((void *)(uintptr_t)first(rig, 5, 0), BAD_BLOB);
	rig_stop(rig);
}

/* Front-ends take away what is mapped, and do not tell a pause from a reboot. */
static void after_a_pause_the_same_is_seen_and_after_a_reboot_nothing(void **state)
{
	struct rig *rig = *state;

	start(rig);
	munmap((void *)(uintptr_t)first(rig, 5, 0), BAD_BLOB);
	gpu_start_again(rig);
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_MAP, 0, BAD_BLOB, 0);
	/* The driver of before. */
	gpu_ok(blob_try_unmap(5));
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, 0, BAD_BLOB, 0);
	munmap(blob_map(5, 0, BAD_BLOB), BAD_BLOB);
	gpu_start_again(rig);
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_MAP, 0, BAD_BLOB, 0);
	/* A new one. */
	gpu_ok(blob_try_context(CONTEXT, CAPSET_VENUS));
	blob_hear_and_answer(WIRE_BACKEND_SHMEM_UNMAP, 0, BAD_BLOB, 0);
	assert_non_null(strstr(rig_say(rig, "state"), "blobs mapped 0"));
	/* And who stops again before the front-end has answered. */
	munmap((void *)(uintptr_t)first(rig, 5, 0), BAD_BLOB);
	for (int i = 0; i < 3; i++)
		gpu_start_again(rig);
	assert_non_null(strstr(rig_say(rig, "state"), "blobs mapped 1"));
	gpu_ok(blob_try_unmap(5));
	/* The program ends while the front-end is to answer. */
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
	gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	blob_offer_map(5, BLOB_WINDOW / 2);
	rig_expect_nothing(rig, GPU_CONTROL);
	assert_return_code(kill(rig->program.pid, SIGTERM), errno);
	rig_stop(rig);
}

/* What another driver left goes for a command that is fenced for a context of this one's. */
static void a_fence_is_of_its_context_and_what_goes_for_it_is_not(void **state)
{
	const struct virtio_gpu_resource_create_2d c = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D),
			.flags = htole32(VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX),
			.ctx_id = htole32(2)},
		.resource_id = htole32(7),
		.format = htole32(XRGB),
		.width = htole32(4000),
		.height = htole32(3500)};
	const struct stream nothing = {.n = 1};
	struct virtio_gpu_ctrl_hdr reply;
	struct rig *rig = *state;

	start(rig);
	gpu_ok(gpu_try_create(6, XRGB, 3000, 3000));
	gpu_start_again(rig);
	gpu_ok(blob_try_context(2, CAPSET_VENUS));
	/* There is no room for it but that of what is old, context 1 among it. */
	gpu_ok(gpu_command(GPU_CONTROL, &c, sizeof(c), &reply, sizeof(reply)));
	assert_int_equal(le32toh(reply.ctx_id), 2);
	gpu_ok(three_try_submit(2, &nothing, sizeof(nothing.words[0])));
	assert_int_equal(three_try_submit(1, &nothing, sizeof(nothing.words[0])),
			 VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	rig_stop(rig);
}

static void there_are_only_so_many(void **state)
{
	enum { MOST = 256 };
	struct rig *rig = *state;

	start(rig);
	for (uint32_t i = 0; i <= MOST; i++)
		gpu_ok(blob_try_create(CONTEXT, 5 + i, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	for (uint32_t i = 0; i < MOST; i++)
		munmap(blob_map(5 + i, (uint64_t)i * BAD_BLOB, BAD_BLOB), BAD_BLOB);
	assert_int_equal(blob_try_map(5 + MOST, MOST * BAD_BLOB), VIRTIO_GPU_RESP_ERR_UNSPEC);
	peer_disconnect(rig->peer);
	rig_connect(rig);
	gpu_begin(rig);
	assert_non_null(strstr(rig_say(rig, "state"), "blobs mapped 0"));
	rig_stop(rig);
}

static void a_guest_that_goes_leaves_nothing_mapped(void **state)
{
	struct rig *rig = *state;

	start(rig);
	for (uint32_t i = 0; i < 3; i++) {
		munmap((void *)(uintptr_t)first(rig, 5, 0), BAD_BLOB);
		peer_disconnect(rig->peer);
		rig_connect(rig);
		gpu_begin(rig);
		assert_non_null(strstr(rig_say(rig, "state"), "blobs mapped 0"));
		gpu_ok(blob_try_context(CONTEXT, CAPSET_VENUS));
	}
	rig_stop(rig);
}

/* As with QEMU 10: everything else goes on. */
static void without_a_region_nothing_is_mapped(void **state)
{
	struct rig *rig = *state;

	rig->config.protocol_features = (UINT64_C(1) << WIRE_PF_MQ) |
					(UINT64_C(1) << WIRE_PF_REPLY_ACK) |
					(UINT64_C(1) << WIRE_PF_CONFIG);
	start(rig);
	gpu_ok(blob_try_create(CONTEXT, 5, BLOB_MAPPABLE, BLOB_GOOD, BAD_BLOB));
	assert_int_equal(blob_try_map(5, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_blob_is_seen_and_goes),
		GPU_TEST(places_that_cannot_be_are_refused),
		GPU_TEST(blobs_that_cannot_be_are_refused),
		GPU_TEST(memory_that_is_not_safe_is_not_shown),
		GPU_TEST(descriptors_that_nobody_asked_for_end_the_renderer),
		GPU_TEST(what_is_seen_never_gets_shorter),
		GPU_TEST(a_front_end_that_refuses_is_told_to_the_driver),
		GPU_TEST(a_queue_stops_while_the_front_end_maps),
		GPU_TEST(after_a_pause_the_same_is_seen_and_after_a_reboot_nothing),
		GPU_TEST(a_fence_is_of_its_context_and_what_goes_for_it_is_not),
		GPU_TEST(there_are_only_so_many),
		GPU_TEST(a_guest_that_goes_leaves_nothing_mapped),
		GPU_TEST(without_a_region_nothing_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
