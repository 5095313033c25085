/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu's 3D and guests that do what none should: each gets an error, and nothing else happens;
 * or what draws dies of it, and one session with it.  Among them the mistakes that QEMU's
 * vhost-user-gpu had (CVE-2021-3544, -3545, -3546): memory that is attached twice or never given
 * back, answers with what was on the stack, capsets that are larger than there is room for.
 */
#include "three.h"

#include <stdio.h>

enum {
	UNSPEC = VIRTIO_GPU_RESP_ERR_UNSPEC,
	NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
	NO_RESOURCE = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
	NO_CONTEXT = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
	NO_PARAMETER = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
	FROM_HOST = VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D,
	TO_HOST = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
	ATTACH = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
};

/* A context 1, and a picture 5 that is shown, with the guest's picture in it. */
static void start_shown(struct rig *rig, struct rig_buffer *memory)
{
	three_start(rig, NULL);
	gpu_picture(memory, 1);
	three_context(1);
	three_picture(1, 5, memory);
	gpu_show(0, 5);
}

/* All is as it was, and goes on. */
static void finish_shown(struct rig *rig, const struct rig_buffer *memory)
{
	gpu_ok(three_try_transfer(TO_HOST, 1, 5, three_all(), 0, 0));
	gpu_ok(gpu_try_flush(5, gpu_rect(0, 0, PICTURE, PICTURE)));
	gpu_expect(0, memory);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

static void sizes_and_kinds_that_cannot_be_are_refused(void **state)
{
	static const struct virtio_gpu_resource_create_3d wrong[] = {
		{.target = 9},
		{.target = 0xffffffff},
		{.target = TARGET_2D, .format = 512},
		{.target = TARGET_2D, .format = 0xffffffff},
		/* One in three planes, of which virglrenderer dies. */
		{.target = TARGET_2D, .format = 163},
		{.target = TARGET_2D, .width = 16385},
		{.target = TARGET_2D, .height = 16385},
		{.target = TARGET_2D, .width = 0xffffffff, .height = 0xffffffff},
		{.target = TARGET_2D, .width = 0x80000000},
		{.target = 3, .depth = 2049},
		{.target = 3, .depth = 0xffffffff},
		{.target = 7, .array_size = 2049},
		{.target = TARGET_2D, .last_level = 16},
		{.target = TARGET_2D, .nr_samples = 33},
		{.target = TARGET_BUFFER, .height = 2},
		{.target = TARGET_BUFFER, .depth = 2},
	};
	/* More than all resources may take. */
	static const struct virtio_gpu_resource_create_3d large[] = {
		{.target = TARGET_BUFFER, .width = 0xffffffff},
		{.target = TARGET_2D, .width = 16384, .height = 16384, .nr_samples = 2},
		{.target = 3, .width = 16384, .height = 16384, .depth = 2048},
		{.target = 7,
		 .width = 16384,
		 .height = 16384,
		 .array_size = 2048,
		 .nr_samples = 32,
		 .last_level = 15},
	};
	struct rig *rig = *state;
	struct rig_buffer memory;

	start_shown(rig, &memory);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(three_try_create(7, wrong[i]), NO_PARAMETER);
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		assert_int_equal(three_try_create(7, large[i]), NO_MEMORY);
	assert_int_equal(three_try_create(0, wrong[0]), NO_PARAMETER);
	assert_int_equal(
		three_try_create(5, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}),
		NO_RESOURCE);
	/* What the renderer refuses is not there, either: a picture that has depth. */
	assert_int_equal(
		three_try_create(
			7, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D, .depth = 2}),
		UNSPEC);
	assert_int_equal(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 7), NO_RESOURCE);
	finish_shown(rig, &memory);
}

static void transfers_outside_of_a_resource_or_its_memory_are_refused(void **state)
{
	static const struct virtio_gpu_box out[] = {
		{0, 0, 0, PICTURE + 1, 1, 1}, {0, 0, 0, 1, PICTURE + 1, 1},
		{0, 0, 0, 1, 1, 2},	      {PICTURE, 0, 0, 1, 1, 1},
		{0, PICTURE, 0, 1, 1, 1},     {0, 0, 1, 1, 1, 1},
		{0xffffffff, 0, 0, 2, 1, 1},  {0, 0xffffffff, 0, 1, 2, 1},
		{0, 0, 0xffffffff, 1, 1, 2},  {0, 0, 0, 0xffffffff, 1, 1},
		{1, 0, 0, 0xffffffff, 1, 1},  {0, 0, 0, 1, 0xffffffff, 1},
		{0, 0, 0, 1, 1, 0xffffffff},  {0, 0, 0, 0, 1, 1},
		{0x80000000, 0, 0, 1, 1, 1},  {0, 0, 0, 1, 1, 0},
	};
	struct rig *rig = *state;
	struct rig_buffer memory;

	start_shown(rig, &memory);
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		assert_int_equal(three_try_transfer(TO_HOST, 1, 5, out[i], 0, 0), NO_PARAMETER);
		assert_int_equal(three_try_transfer(FROM_HOST, 1, 5, out[i], 0, 0), NO_PARAMETER);
	}
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t type = i ? TO_HOST : FROM_HOST;

		assert_int_equal(three_try_transfer(type, 1, 5, three_all(), 1, 0), NO_PARAMETER);
		assert_int_equal(three_try_transfer(type, 1, 5, three_all(), UINT64_MAX, 0),
				 NO_PARAMETER);
		assert_int_equal(three_try_transfer(type, 1, 5, three_all(), UINT64_MAX - 4095, 0),
				 NO_PARAMETER);
		assert_int_equal(three_try_transfer(type, 1, 5, three_all(), 0, 0xfffffffc),
				 NO_PARAMETER);
		/* Rows that overlap. */
		assert_int_equal(three_try_transfer(type, 1, 5, three_all(), 0, 4), NO_PARAMETER);
		assert_int_equal(three_try_transfer(type, 2, 5, three_all(), 0, 0), NO_CONTEXT);
		assert_int_equal(three_try_transfer(type, 1, 6, three_all(), 0, 0), NO_RESOURCE);
	}
	finish_shown(rig, &memory);
}

static void resources_of_two_dimensions_are_none_of_three(void **state)
{
	const struct virtio_gpu_rect rect = gpu_rect(0, 0, PICTURE, PICTURE);
	struct rig_buffer memory, other;
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;

	start_shown(rig, &memory);
	gpu_picture(&other, 2);
	gpu_create(6, &other);
	entry = gpu_entry(other.gpa, other.len);
	/* As the kernel does it with all that a program opens. */
	gpu_ok(three_try_resource(ATTACH, 1, 6));
	assert_int_equal(three_try_transfer(TO_HOST, 1, 6, three_all(), 0, 0), NO_RESOURCE);
	assert_int_equal(three_try_transfer(FROM_HOST, 1, 6, three_all(), 0, 0), NO_RESOURCE);
	assert_int_equal(
		three_try_create(6, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}),
		NO_RESOURCE);
	assert_int_equal(gpu_try_transfer(5, rect, 0), NO_RESOURCE);
	assert_int_equal(gpu_try_create(5, XRGB, 1, 1), NO_RESOURCE);
	assert_int_equal(gpu_try_blob(5, 4096, &entry, 1), NO_RESOURCE);
	assert_int_equal(gpu_try_show_blob(0, 5, PICTURE, PICTURE, 4 * PICTURE, 0), NO_RESOURCE);
	/* Of 3D, but no picture. */
	gpu_ok(three_try_create(8, (struct virtio_gpu_resource_create_3d){
					   .bind = BIND_VERTEX, .format = FORMAT_R8, .width = 64}));
	assert_int_equal(gpu_try_show(0, 8, gpu_rect(0, 0, 1, 1)), NO_RESOURCE);
	assert_int_equal(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 8, 0, 0), NO_RESOURCE);
	gpu_ok(gpu_try_flush(8, gpu_rect(0, 0, 1, 1)));
	assert_int_equal(gpu_try_flush(8, gpu_rect(0, 0, 1, 2)), NO_PARAMETER);
	/* A batch that draws to what is none of the context's. */
	gpu_show(0, 6);
	gpu_update(6);
	gpu_expect(0, &other);
	gpu_show(0, 5);
	finish_shown(rig, &memory);
}

static void memory_is_attached_once_and_given_back(void **state)
{
	const struct virtio_gpu_resource_create_3d query = {
		.bind = BIND_CUSTOM, .format = FORMAT_R8, .width = 4096};
	const struct virtio_gpu_mem_entry outside = gpu_entry(UINT64_C(1) << 40, 4096);
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct rig_buffer memory;
	char before[400];

	start_shown(rig, &memory);
	entry = gpu_entry(memory.gpa, memory.len);
	snprintf(before, sizeof(before), "%s", strstr(rig_say(rig, "state"), "resources "));
	assert_int_equal(gpu_try_attach(5, &entry, 1), UNSPEC);
	for (uint32_t i = 0; i < 200; i++) {
		const struct virtio_gpu_resource_create_3d picture = {.target = TARGET_2D};

		gpu_ok(three_try_create(7, i % 2 ? query : picture));
		assert_int_equal(gpu_try_attach(7, &outside, 1), NO_PARAMETER);
		gpu_ok(gpu_try_attach(7, &entry, 1));
		assert_int_equal(gpu_try_attach(7, &entry, 1), UNSPEC);
		gpu_ok(three_try_resource(ATTACH, 1, 7));
		gpu_ok(three_try_resource(ATTACH, 1, 7));
		if (i % 3)
			gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 7));
		if (i % 3 == 1)
			gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 7));
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 7));
	}
	assert_non_null(strstr(rig_say(rig, "state"), before));
	/* Without memory there is nothing to be transferred. */
	gpu_ok(three_try_create(7, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}));
	assert_int_equal(three_try_transfer(TO_HOST, 0, 7, three_all(), 0, 0), UNSPEC);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 7));
	finish_shown(rig, &memory);
}

static void capsets_that_there_are_not_tell_nothing(void **state)
{
	struct virtio_gpu_get_capset_info info = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_GET_CAPSET_INFO)}};
	struct virtio_gpu_get_capset get = {.hdr = {.type = htole32(VIRTIO_GPU_CMD_GET_CAPSET)}};
	unsigned char reply[1400];
	struct rig *rig = *state;
	struct rig_buffer memory;

	start_shown(rig, &memory);
	/* The driver fails the test if anything is written behind the answer. */
	for (uint32_t i = 2; i; i *= 2) {
		info.capset_index = htole32(i);
		assert_int_equal(
			gpu_command(GPU_CONTROL, &info, sizeof(info), reply, sizeof(reply)),
			NO_PARAMETER);
	}
	for (uint32_t id = 0; id < 8; id++) {
		get.capset_id = htole32(id);
		get.capset_version = htole32(0xffffffff);
		assert_int_equal(gpu_command(GPU_CONTROL, &get, sizeof(get), reply, sizeof(reply)),
				 NO_PARAMETER);
	}
	/* As much as there is room for. */
	get.capset_id = htole32(2);
	get.capset_version = 0;
	for (uint32_t len = 24; len < sizeof(reply); len += 97)
		assert_int_equal(gpu_command(GPU_CONTROL, &get, sizeof(get), reply, len),
				 VIRTIO_GPU_RESP_OK_CAPSET);
	finish_shown(rig, &memory);
}

static void batches_of_odd_lengths_are_refused(void **state)
{
	static const uint32_t sizes[] = {
		0, 1, 2, 3, 5, 7, 13, (4 << 20) + 4, 0xffffffff, 0xfffffffc, 0x80000000};
	struct stream stream = {.n = 16};
	struct rig *rig = *state;
	struct rig_buffer memory;

	start_shown(rig, &memory);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(three_try_submit(1, &stream, sizes[i]), NO_PARAMETER);
	/* Shorter than it says; and of contexts that there are not. */
	assert_int_equal(three_try_submit(1, &stream, 68), NO_PARAMETER);
	assert_int_equal(three_try_submit(1, &stream, 4 << 20), NO_PARAMETER);
	assert_int_equal(three_try_submit(0, &stream, 64), NO_CONTEXT);
	assert_int_equal(three_try_submit(2, &stream, 64), NO_CONTEXT);
	assert_int_equal(three_try_submit(0xffffffff, &stream, 64), NO_CONTEXT);
	/* What is longer than its batch is left out; what is too short is an error. */
	stream.words[0] = 7 | 0xffffU << 16;
	gpu_ok(three_try_submit(1, &stream, 64));
	stream.words[0] = 7 | 1 << 16;
	assert_int_equal(three_try_submit(1, &stream, 64), UNSPEC);
	/* The context is of no use any more; others are. */
	assert_int_equal(three_try_submit(1, &stream, 64), UNSPEC);
	gpu_ok(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 1));
	three_context(1);
	gpu_ok(three_try_resource(ATTACH, 1, 5));
	finish_shown(rig, &memory);
}

static void there_are_only_so_many_contexts_and_resources(void **state)
{
	static const char *const options[] = {"--max-resources=40", NULL};
	struct rig *rig = *state;

	three_start(rig, options);
	for (uint32_t i = 1; i <= 128; i++)
		three_context(i);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 129), NO_MEMORY);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 1), NO_CONTEXT);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 0), NO_CONTEXT);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 0), NO_CONTEXT);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 200), NO_CONTEXT);
	gpu_ok(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 77));
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 77), NO_CONTEXT);
	gpu_ok(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 0xffffffff));
	assert_int_equal(three_try_resource(ATTACH, 1, 3), NO_RESOURCE);
	assert_int_equal(three_try_resource(ATTACH, 77, 3), NO_CONTEXT);
	for (uint32_t i = 1; i <= 40; i++)
		gpu_ok(three_try_create(i, (struct virtio_gpu_resource_create_3d){
						   .target = TARGET_2D, .width = 4, .height = 4}));
	assert_int_equal(
		three_try_create(41, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}),
		NO_MEMORY);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

static void without_3d_there_is_none_of_it(void **state)
{
	struct stream stream = {.n = 4};
	struct rig *rig = *state;

	gpu_start(rig, NULL);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 1), UNSPEC);
	assert_int_equal(three_try_resource(ATTACH, 1, 1), UNSPEC);
	assert_int_equal(
		three_try_create(1, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}),
		UNSPEC);
	assert_int_equal(three_try_submit(1, &stream, 16), UNSPEC);
	assert_int_equal(three_try_transfer(TO_HOST, 0, 1, three_all(), 0, 0), NO_RESOURCE);
	rig_stop(rig);
}

/* --- batches of nonsense --- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Heads that mean something, and numbers that are mostly small. */
static void fill_stream(struct stream *stream, uint32_t *seed)
{
	enum { COMMANDS = 50, OBJECTS = 12, WORDS = 12 };

	stream->n = 0;
	while (stream->n + WORDS + 1 < sizeof(stream->words) / sizeof(stream->words[0])) {
		uint32_t n = next_random(seed) % WORDS;

		three_command(stream, next_random(seed) % COMMANDS, next_random(seed) % OBJECTS, n);
		for (uint32_t i = 0; i < n; i++)
			three_word(stream, next_random(seed) % 4 ? next_random(seed) % 9
								 : next_random(seed) << 8);
	}
}

/* False: the session ended. */
static bool submit_raw(struct rig *rig, struct rig_buffer *out, struct rig_buffer *in,
		       const struct stream *stream)
{
	struct virtio_gpu_cmd_submit c = {.hdr = {.type = htole32(VIRTIO_GPU_CMD_SUBMIT_3D),
						  .flags = htole32(VIRTIO_GPU_FLAG_FENCE),
						  .ctx_id = htole32(1)},
					  .size = htole32(4 * stream->n)};
	uint32_t len = (uint32_t)sizeof(c) + 4 * stream->n;
	struct driver_used used;
	struct driver_seg segs[2];

	memcpy(out->data, &c, sizeof(c));
	memcpy(out->data + sizeof(c), stream->words, 4 * (size_t)stream->n);
	segs[0] = rig_read_seg(out, len);
	segs[1] = rig_write_seg(in, in->len);
	rig_offer(rig, GPU_CONTROL, segs, 2, NULL);
	return !peer_wait_used(rig->peer, GPU_CONTROL, &used);
}

static void connect_again(struct rig *rig, struct rig_buffer *memory, struct rig_buffer *out,
			  struct rig_buffer *in)
{
	rig_connect(rig);
	gpu_begin(rig);
	gpu_picture(memory, 1);
	three_context(1);
	three_picture(1, 5, memory);
	gpu_show(0, 5);
	rig_buffer(rig, out, 1024);
	rig_buffer(rig, in, 64);
}

static void batches_of_nonsense_end_one_session_at_most(void **state)
{
	enum { BATCHES = 300, SESSIONS = 10 };
	struct rig_buffer memory, out, in;
	struct rig *rig = *state;
	struct stream stream;
	uint32_t seed = 1, ended = 0;

	three_start(rig, NULL);
	connect_again(rig, &memory, &out, &in);
	for (uint32_t i = 0; i < BATCHES && ended < SESSIONS; i++) {
		fill_stream(&stream, &seed);
		/* After a batch that fails a context is of no use; another may have one that is. */
		if (submit_raw(rig, &out, &in, &stream)) {
			(void)three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 1);
			(void)three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 1);
			(void)three_try_resource(ATTACH, 1, 5);
		} else {
			ended++;
			connect_again(rig, &memory, &out, &in);
		}
	}
	peer_disconnect(rig->peer);
	connect_again(rig, &memory, &out, &in);
	finish_shown(rig, &memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(sizes_and_kinds_that_cannot_be_are_refused),
		GPU_TEST(transfers_outside_of_a_resource_or_its_memory_are_refused),
		GPU_TEST(resources_of_two_dimensions_are_none_of_three),
		GPU_TEST(memory_is_attached_once_and_given_back),
		GPU_TEST(capsets_that_there_are_not_tell_nothing),
		GPU_TEST(batches_of_odd_lengths_are_refused),
		GPU_TEST(there_are_only_so_many_contexts_and_resources),
		GPU_TEST(without_3d_there_is_none_of_it),
		GPU_TEST(batches_of_nonsense_end_one_session_at_most),
	};

	if (!three_can_be_tested())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
