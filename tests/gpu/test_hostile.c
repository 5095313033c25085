/* SPDX-License-Identifier: MIT */
/* vu-gpu and guests that do what none should: each gets an error, and nothing else happens. */
#include "card.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	UNSPEC = VIRTIO_GPU_RESP_ERR_UNSPEC,
	NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
	NO_SCANOUT = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
	NO_RESOURCE = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
	NO_PARAMETER = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
};

static void sizes_that_overflow_are_refused(void **state)
{
	static const uint32_t sizes[] = {0,	  16385,      0x8000,	  0xffff,
					 0x10000, 0x40000000, 0x80000000, 0xffffffff};
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start_shown(rig, &memory, NULL);
	for (uint32_t i = 0; i < N; i++)
		for (uint32_t j = 0; j < N; j++) {
			assert_int_equal(gpu_try_create(2, XRGB, sizes[i], sizes[j]), NO_PARAMETER);
			assert_int_equal(gpu_try_create(2, XRGB, sizes[i], 1), NO_PARAMETER);
			assert_int_equal(gpu_try_create(2, XRGB, 1, sizes[j]), NO_PARAMETER);
		}
	/* More than all pictures may take. */
	assert_int_equal(gpu_try_create(2, XRGB, 16384, 16384), NO_MEMORY);
	assert_int_equal(gpu_try_create(2, 0, 1, 1), NO_PARAMETER);
	assert_int_equal(gpu_try_create(2, 0xffffffff, 1, 1), NO_PARAMETER);
	assert_int_equal(gpu_try_create(0, XRGB, 1, 1), NO_RESOURCE);
	assert_int_equal(gpu_try_create(1, XRGB, 1, 1), NO_RESOURCE);
	gpu_finish_shown(rig, &memory);
	assert_true(rig_logged(rig, "RESOURCE_CREATE_2D: resource 2: a size from 1x1") > 0);
}

static void parts_outside_of_a_picture_are_refused(void **state)
{
	static const uint32_t out[][4] = {
		{0, 0, PICTURE + 1, 1},
		{0, 0, 1, PICTURE + 1},
		{PICTURE, 0, 1, 1},
		{0, PICTURE, 1, 1},
		{1, 0, PICTURE, 1},
		{0, 1, 1, PICTURE},
		{0xffffffff, 0, 2, 1},
		{0, 0xffffffff, 1, 2},
		{1, 1, 0xffffffff, 1},
		{1, 1, 1, 0xffffffff},
		{0x80000000, 0, 0x80000000, 1},
		{0, 0x80000000, 1, 0x80000000},
		{0, 0, 0, 1},
		{0, 0, 1, 0},
	};
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start_shown(rig, &memory, NULL);
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		const uint32_t *o = out[i];
		struct virtio_gpu_rect rect = gpu_rect(o[0], o[1], o[2], o[3]);

		assert_int_equal(gpu_try_transfer(1, rect, 0), NO_PARAMETER);
		assert_int_equal(gpu_try_flush(1, rect), NO_PARAMETER);
		assert_int_equal(gpu_try_show(0, 1, rect), NO_PARAMETER);
	}
	/* Behind the end of its memory, also where the sum wraps. */
	assert_int_equal(gpu_try_transfer(1, gpu_rect(0, 0, 1, 1), PICTURE_BYTES), NO_PARAMETER);
	assert_int_equal(gpu_try_transfer(1, gpu_rect(0, 0, 1, 1), PICTURE_BYTES - 3),
			 NO_PARAMETER);
	assert_int_equal(gpu_try_transfer(1, gpu_rect(0, 0, PICTURE, PICTURE), 1), NO_PARAMETER);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(gpu_try_transfer(1, gpu_rect(0, 0, PICTURE, PICTURE),
						  UINT64_MAX - PICTURE_BYTES + 32 + i),
				 NO_PARAMETER);
	gpu_finish_shown(rig, &memory);
}

static void memory_that_is_none_of_the_guests_is_refused(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	const uint64_t places[] = {PEER_MEMORY - 4, PEER_MEMORY, UINT64_C(1) << 40,
				   UINT64_MAX - 7,  UINT64_MAX,	 UINT64_C(1) << 63};

	gpu_start_shown(rig, &memory, NULL);
	gpu_ok(gpu_try_create(2, XRGB, PICTURE, PICTURE));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		/* A good one before it does not help. */
		const struct virtio_gpu_mem_entry list[] = {gpu_entry(memory.gpa, 4096),
							    gpu_entry(places[i], 4096)};

		assert_int_equal(gpu_try_attach(2, list, 2), NO_PARAMETER);
		assert_int_equal(gpu_try_attach(2, list + 1, 1), NO_PARAMETER);
		assert_int_equal(gpu_try_blob(3, 8192, list, 2), NO_PARAMETER);
		assert_int_equal(gpu_try_transfer(2, gpu_rect(0, 0, 1, 1), 0), UNSPEC);
	}
	assert_int_equal(gpu_try_attach(2, &(struct virtio_gpu_mem_entry){0}, 1), 0x1100);
	assert_int_equal(gpu_try_transfer(2, gpu_rect(0, 0, 1, 1), 0), UNSPEC);
	gpu_finish_shown(rig, &memory);
}

static void lists_that_say_more_than_they_have_are_refused(void **state)
{
	static const uint32_t counts[] = {2, 3, 257, 65536, 65537, 0x10000001, 0xffffffff};
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start_shown(rig, &memory, NULL);
	gpu_ok(gpu_try_create(2, XRGB, PICTURE, PICTURE));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		const struct virtio_gpu_mem_entry entry = gpu_entry(memory.gpa, 4096);
		struct virtio_gpu_resource_attach_backing attach = {
			.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING),
			.resource_id = htole32(2),
			.nr_entries = htole32(counts[i])};
		struct virtio_gpu_resource_create_blob blob = {
			.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
			.resource_id = htole32(3),
			.blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_GUEST),
			.nr_entries = htole32(counts[i]),
			.size = htole64(1)};

		assert_int_equal(gpu_command_list(&attach, sizeof(attach), &entry, 1),
				 NO_PARAMETER);
		assert_int_equal(gpu_command_list(&blob, sizeof(blob), &entry, 1), NO_PARAMETER);
	}
	/* Neither left anything. */
	assert_non_null(strstr(rig_say(rig, "state"), "resources 2 "));
	gpu_finish_shown(rig, &memory);
}

static void blobs_that_cannot_be_are_refused(void **state)
{
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct virtio_gpu_resource_create_blob host = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
		.resource_id = htole32(2),
		.size = htole64(4096)};

	gpu_start_shown(rig, &memory, NULL);
	entry = gpu_entry(memory.gpa, memory.len);
	for (uint32_t mem = 0; mem < 8; mem++) {
		host.blob_mem = htole32(mem);
		assert_int_equal(gpu_command_list(&host, sizeof(host), &entry, 1), NO_PARAMETER);
	}
	assert_int_equal(gpu_try_blob(2, 0, &entry, 1), NO_PARAMETER);
	assert_int_equal(gpu_try_blob(2, PICTURE_BYTES + 1, &entry, 1), NO_PARAMETER);
	assert_int_equal(gpu_try_blob(2, UINT64_MAX, &entry, 1), NO_PARAMETER);
	assert_int_equal(gpu_try_blob(1, 1, &entry, 1), NO_RESOURCE);
	gpu_ok(gpu_try_blob(2, PICTURE_BYTES, &entry, 1));
	/* A blob is no picture, and a picture no blob. */
	assert_int_equal(gpu_try_show(0, 2, gpu_rect(0, 0, 1, 1)), NO_RESOURCE);
	assert_int_equal(gpu_try_show_blob(0, 1, 1, 1, 4, 0), NO_RESOURCE);
	assert_int_equal(gpu_try_attach(2, &entry, 1), UNSPEC);
	/* Larger than it is, in every way. */
	assert_int_equal(gpu_try_show_blob(0, 2, PICTURE, PICTURE, 4 * PICTURE, 1), NO_PARAMETER);
	assert_int_equal(gpu_try_show_blob(0, 2, PICTURE, PICTURE, 4 * PICTURE + 4, 0),
			 NO_PARAMETER);
	assert_int_equal(gpu_try_show_blob(0, 2, PICTURE, PICTURE, 4 * PICTURE - 1, 0),
			 NO_PARAMETER);
	assert_int_equal(gpu_try_show_blob(0, 2, PICTURE, PICTURE, 0, 0), NO_PARAMETER);
	assert_int_equal(gpu_try_show_blob(0, 2, 1, 2, 0xffffffff, 0xffffffff), NO_PARAMETER);
	assert_int_equal(gpu_try_show_blob(0, 2, 0x40000001, 1, 4, 0), NO_PARAMETER);
	assert_int_equal(gpu_try_show_blob(0, 2, 1, 0xffffffff, 4, 0), NO_PARAMETER);
	assert_int_equal(gpu_try_show_blob(0, 2, 0, 0, 4, 0), NO_PARAMETER);
	gpu_finish_shown(rig, &memory);
}

static void outputs_that_there_are_not_are_refused(void **state)
{
	static const uint32_t outputs[] = {1, 15, 16, 31, 32, 0x80000000, 0xffffffff};
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start_shown(rig, &memory, NULL);
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		assert_int_equal(gpu_try_show(outputs[i], 1, gpu_rect(0, 0, 1, 1)), NO_SCANOUT);
		assert_int_equal(gpu_try_show(outputs[i], 0, gpu_rect(0, 0, 1, 1)), NO_SCANOUT);
		assert_int_equal(gpu_try_show_blob(outputs[i], 1, 1, 1, 4, 0), NO_SCANOUT);
		for (uint32_t type = VIRTIO_GPU_CMD_UPDATE_CURSOR;
		     type <= VIRTIO_GPU_CMD_MOVE_CURSOR; type++)
			assert_int_equal(gpu_try_cursor(type, outputs[i], 1, 0, 0), NO_SCANOUT);
	}
	gpu_finish_shown(rig, &memory);
}

static void resources_that_there_are_not_are_refused(void **state)
{
	static const uint32_t ids[] = {0, 2, 0x1001, 0x80000001, 0xffffffff};
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start_shown(rig, &memory, NULL);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct virtio_gpu_rect rect = gpu_rect(0, 0, 1, 1);
		const struct virtio_gpu_mem_entry entry = gpu_entry(memory.gpa, 4);

		assert_int_equal(gpu_try_flush(ids[i], rect), NO_RESOURCE);
		assert_int_equal(gpu_try_transfer(ids[i], rect, 0), NO_RESOURCE);
		assert_int_equal(gpu_try_attach(ids[i], &entry, 1), NO_RESOURCE);
		assert_int_equal(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, ids[i]), NO_RESOURCE);
		assert_int_equal(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, ids[i]),
				 NO_RESOURCE);
		if (ids[i])
			assert_int_equal(
				gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, ids[i], 0, 0),
				NO_RESOURCE);
	}
	gpu_finish_shown(rig, &memory);
}

static void what_is_used_after_its_end_is_not_there(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct virtio_gpu_mem_entry entry;

	gpu_start_shown(rig, &memory, NULL);
	entry = gpu_entry(memory.gpa, memory.len);
	/* Twice memory, twice none. */
	assert_int_equal(gpu_try_attach(1, &entry, 1), UNSPEC);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1));
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1));
	assert_int_equal(gpu_try_transfer(1, gpu_rect(0, 0, 1, 1), 0), UNSPEC);
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, 1, 1)));
	/* A blob that is shown loses its memory, and then is no more. */
	gpu_ok(gpu_try_blob(2, PICTURE_BYTES, &entry, 1));
	gpu_ok(gpu_try_show_blob(0, 2, PICTURE, PICTURE, 4 * PICTURE, 0));
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 0, 0));
	assert_int_equal(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 0, 0), NO_RESOURCE);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 2));
	assert_int_equal(gpu_try_flush(2, gpu_rect(0, 0, 1, 1)), UNSPEC);
	assert_int_equal(gpu_try_show_blob(0, 2, PICTURE, PICTURE, 4 * PICTURE, 0), NO_PARAMETER);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 2));
	gpu_expect_off(0);
	assert_int_equal(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 2), NO_RESOURCE);
	gpu_show(0, 1);
	gpu_finish_shown(rig, &memory);
}

/* Memory that is a picture's, another's, a blob's and the commands' own at the same time. */
static void memory_may_overlap_in_any_way(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct virtio_gpu_mem_entry list[16];

	gpu_start_shown(rig, &memory, NULL);
	for (uint32_t i = 0; i < 16; i++)
		list[i] = gpu_entry(memory.gpa + i, PICTURE_BYTES - 16);
	for (uint32_t id = 2; id < 10; id++) {
		gpu_ok(gpu_try_create(id, XRGB, PICTURE, PICTURE));
		gpu_ok(gpu_try_attach(id, list, 16));
		gpu_show(0, id);
		for (uint32_t i = 0; i < PICTURE / 2; i++)
			gpu_ok(gpu_try_transfer(id, gpu_rect(i, i, PICTURE / 2, PICTURE / 2), i));
		gpu_update(id);
	}
	gpu_ok(gpu_try_blob(20, 16 * (PICTURE_BYTES - 16), list, 16));
	/* Lines that overlap: a stride may not be shorter than a line, but offsets may be odd. */
	gpu_ok(gpu_try_show_blob(0, 20, PICTURE, PICTURE, 4 * PICTURE, 1));
	gpu_show(0, 1);
	gpu_finish_shown(rig, &memory);
}

static void commands_that_there_are_not_are_answered(void **state)
{
	static const uint32_t types[] = {0,	0x100 - 1, 0x10e, 0x200, 0x201,	 0x204,
					 0x207, 0x208,	   0x209, 0x302, 0x1100, 0xffffffff};
	struct rig *rig = *state;
	struct rig_buffer memory;
	unsigned char bytes[512] = {0};

	gpu_start_shown(rig, &memory, NULL);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (uint32_t q = 0; q < GPU_QUEUES; q++) {
			const struct virtio_gpu_ctrl_hdr head = gpu_head(types[i]);

			memcpy(bytes, &head, sizeof(head));
			assert_int_equal(gpu_command(q, bytes, sizeof(bytes), NULL, 0), UNSPEC);
		}
	/* Each in the other's queue. */
	for (uint32_t type = 0x100; type < 0x10e; type++) {
		const struct virtio_gpu_ctrl_hdr head = gpu_head(type);

		memcpy(bytes, &head, sizeof(head));
		assert_int_equal(gpu_command(GPU_CURSOR, bytes, 128, NULL, 0), UNSPEC);
	}
	for (uint32_t type = 0x300; type < 0x302; type++) {
		const struct virtio_gpu_ctrl_hdr head = gpu_head(type);

		memcpy(bytes, &head, sizeof(head));
		assert_int_equal(gpu_command(GPU_CONTROL, bytes, 128, NULL, 0), UNSPEC);
	}
	/* No capsets; and whatever is asked, no byte of this process is told. */
	for (uint32_t type = VIRTIO_GPU_CMD_GET_CAPSET_INFO; type <= VIRTIO_GPU_CMD_GET_CAPSET;
	     type++) {
		const struct virtio_gpu_get_capset c = {gpu_head(type), htole32(1),
							htole32(0xffffffff)};

		assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), bytes, sizeof(bytes)),
				 NO_PARAMETER);
	}
	gpu_finish_shown(rig, &memory);
}

static void commands_that_are_too_short_are_answered(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	unsigned char bytes[128] = {0}, in[4];

	gpu_start_shown(rig, &memory, NULL);
	for (uint32_t type = 0x101; type < 0x10e; type++)
		for (uint32_t len = 1; len < 32; len++) {
			const struct virtio_gpu_ctrl_hdr head = gpu_head(type);

			if (len >= sizeof(head) && (type == VIRTIO_GPU_CMD_GET_CAPSET ||
						    type == VIRTIO_GPU_CMD_GET_CAPSET_INFO))
				continue;
			memcpy(bytes, &head, sizeof(head));
			bytes[24] = 9;
			if (len < 32)
				assert_int_equal(gpu_command(GPU_CONTROL, bytes, len, NULL, 0),
						 UNSPEC);
		}
	/* Without room for an answer, or with little. */
	assert_int_equal(rig_ask(rig, GPU_CONTROL, bytes, 64, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, GPU_CURSOR, bytes, 64, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, GPU_CONTROL, bytes, 64, in, 4), 4);
	assert_int_equal(rig_ask(rig, GPU_CONTROL, NULL, 0, in, 4), 4);
	gpu_finish_shown(rig, &memory);
}

/* --- a second thread that writes --- */

struct writer {
	pthread_t thread;
	unsigned char *data;
	atomic_bool end;
};

static void *write_on(void *opaque)
{
	struct writer *w = opaque;

	for (uint32_t i = 0; !w->end; i++)
		w->data[i * 2654435761u % PICTURE_BYTES] = (unsigned char)i;
	return NULL;
}

static void memory_that_changes_while_it_is_shown_does_no_harm(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, other;
	struct writer writer = {.end = false};
	struct virtio_gpu_mem_entry entry;

	gpu_start_shown(rig, &memory, NULL);
	gpu_picture(&other, 2);
	entry = gpu_entry(other.gpa, other.len);
	gpu_ok(gpu_try_blob(2, PICTURE_BYTES, &entry, 1));
	gpu_create(3, &other);
	gpu_ok(gpu_try_show_blob(0, 2, PICTURE, PICTURE, 4 * PICTURE, 0));
	writer.data = other.data;
	assert_int_equal(pthread_create(&writer.thread, NULL, write_on, &writer), 0);
	for (uint32_t i = 0; i < 300; i++) {
		gpu_ok(gpu_try_flush(2, gpu_rect(0, 0, PICTURE, PICTURE)));
		gpu_update(3);
	}
	writer.end = true;
	pthread_join(writer.thread, NULL);
	gpu_ok(gpu_try_flush(2, gpu_rect(0, 0, PICTURE, PICTURE)));
	gpu_expect(0, &other);
	gpu_show(0, 1);
	gpu_finish_shown(rig, &memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(sizes_that_overflow_are_refused),
		GPU_TEST(parts_outside_of_a_picture_are_refused),
		GPU_TEST(memory_that_is_none_of_the_guests_is_refused),
		GPU_TEST(lists_that_say_more_than_they_have_are_refused),
		GPU_TEST(blobs_that_cannot_be_are_refused),
		GPU_TEST(outputs_that_there_are_not_are_refused),
		GPU_TEST(resources_that_there_are_not_are_refused),
		GPU_TEST(what_is_used_after_its_end_is_not_there),
		GPU_TEST(memory_may_overlap_in_any_way),
		GPU_TEST(commands_that_there_are_not_are_answered),
		GPU_TEST(commands_that_are_too_short_are_answered),
		GPU_TEST(memory_that_changes_while_it_is_shown_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
