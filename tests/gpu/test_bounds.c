/* SPDX-License-Identifier: MIT */
/* vu-gpu: what a guest may take of the host's memory, and of its log. */
#include "card.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
	NO_RESOURCE = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
};

/* A picture that is shown; at the end it must still be so. */
static void start(struct rig *rig, struct rig_buffer *memory, const char *const *options)
{
	gpu_start(rig, options);
	gpu_picture(memory, 1);
	gpu_create(1, memory);
	gpu_show(0, 1);
	gpu_update(1);
}

static void finish(struct rig *rig, const struct rig_buffer *memory)
{
	gpu_expect(0, memory);
	rig_stop(rig);
}

/* As many as it likes, at once or one after the other, of each kind. */
static void no_number_of_resources_takes_more_than_it_may(void **state)
{
	static const char *const options[] = {"--max-resources=500", "--max-hostmem=1M", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	uint32_t id = 2;

	start(rig, &memory, options);
	while (gpu_try_create(id, XRGB, 1, 1) == VIRTIO_GPU_RESP_OK_NODATA)
		id++;
	assert_int_equal(id, 501);
	for (uint32_t i = 0; i < 3000; i++)
		assert_int_equal(gpu_try_create(id + i * 4096, XRGB, 1, 1), NO_MEMORY);
	while (--id > 1)
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, id));
	/* Of the bytes there are few. */
	for (id = 2; gpu_try_create(id, XRGB, 100, 100) == VIRTIO_GPU_RESP_OK_NODATA;)
		id++;
	assert_in_range(id, 20, 28);
	/* What is shown takes as much again. */
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, --id));
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, --id));
	gpu_ok(gpu_try_create(id, XRGB, 200, 80));
	assert_int_equal(gpu_try_show(0, id, gpu_rect(0, 0, 200, 80)), NO_MEMORY);
	while (id > 1)
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, id--));
	finish(rig, &memory);
}

/* Lists of pages are counted, too; and what fails half-way leaves nothing. */
static void lists_of_memory_take_no_more_than_they_may(void **state)
{
	enum { PIECES = 20000 };
	static const char *const options[] = {"--max-hostmem=1M", NULL};
	struct virtio_gpu_mem_entry *list = calloc(PIECES, sizeof(*list));
	struct rig *rig = *state;
	struct rig_buffer memory;
	char before[200], *end;

	start(rig, &memory, options);
	/* Not one after the other: those would be one piece. */
	for (uint32_t i = 0; i < PIECES; i++)
		list[i] = gpu_entry(memory.gpa + i % 2 * 16, 8);
	gpu_ok(gpu_try_create(2, XRGB, PICTURE, PICTURE));
	snprintf(before, sizeof(before), "%s", strstr(rig_say(rig, "state"), "resources "));
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(gpu_try_attach(2, list, PIECES), NO_MEMORY);
		assert_int_equal(gpu_try_blob(3, 1, list, PIECES), NO_MEMORY);
	}
	assert_non_null(strstr(rig_say(rig, "state"), before));
	for (uint32_t i = 0; i < 200; i++) {
		gpu_ok(gpu_try_attach(2, list, 5000));
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 2));
		gpu_ok(gpu_try_blob(3, 1, list, 5000));
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 3));
	}
	end = strstr(rig_say(rig, "state"), before);
	assert_non_null(end);
	free(list);
	finish(rig, &memory);
}

/* 20 lines at once, and then one a second. */
static void a_guest_cannot_fill_the_log(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	uint32_t limit;

	start(rig, &memory, NULL);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(gpu_try_flush(77, gpu_rect(0, 0, 1, 1)), NO_RESOURCE);
	limit = rig_log_limit(rig);
	finish(rig, &memory);
	assert_in_range(rig_logged(rig, "there is no such resource"), 1, limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(no_number_of_resources_takes_more_than_it_may),
		GPU_TEST(lists_of_memory_take_no_more_than_they_may),
		GPU_TEST(a_guest_cannot_fill_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
