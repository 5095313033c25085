/* SPDX-License-Identifier: MIT */
/* vu-gpu: what a guest may take of the host's memory, and of its log. */
#include "card.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
	NO_RESOURCE = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
};

/* As many as it likes, at once or one after the other, of each kind. */
static void no_number_of_resources_takes_more_than_it_may(void **state)
{
	static const char *const options[] = {"--max-resources=500", "--max-hostmem=1M", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	uint32_t id = 2;

	gpu_start_shown(rig, &memory, options);
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
	gpu_finish_shown(rig, &memory);
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

	gpu_start_shown(rig, &memory, options);
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
	gpu_finish_shown(rig, &memory);
}

/* KiB that the program has in memory. */
static uint64_t resident(const struct rig *rig)
{
	uint64_t size, pages;
	char path[40];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", rig->program.pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%" SCNu64 " %" SCNu64, &size, &pages), 2);
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* Memory is given twice, or to what is dropped with it, or to what cannot be made (CVE-2021-3544).
 */
static void lists_of_memory_go_with_what_they_belong_to(void **state)
{
	enum { PIECES = 5000, TIMES = 300, MOST = 32 << 10 };
	struct virtio_gpu_mem_entry *list = calloc(PIECES, sizeof(*list));
	struct rig *rig = *state;
	struct rig_buffer memory;
	uint64_t before = 0;

	gpu_start_shown(rig, &memory, NULL);
	for (uint32_t i = 0; i < PIECES; i++)
		list[i] = gpu_entry(memory.gpa + i % 2 * 16, 8);
	for (uint32_t i = 0; i < TIMES; i++) {
		gpu_ok(gpu_try_create(2, XRGB, PICTURE, PICTURE));
		gpu_ok(gpu_try_attach(2, list, PIECES));
		assert_int_equal(gpu_try_attach(2, list, PIECES), VIRTIO_GPU_RESP_ERR_UNSPEC);
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 2));
		gpu_ok(gpu_try_blob(2, 1, list, PIECES));
		assert_int_equal(gpu_try_blob(2, 1, list, PIECES), NO_RESOURCE);
		assert_int_equal(gpu_try_blob(3, UINT64_MAX, list, PIECES),
				 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 2));
		if (i == TIMES / 10)
			before = resident(rig);
	}
	free(list);
#ifndef __SANITIZE_ADDRESS__ /* it keeps what is freed, and finds leaks by itself */
	assert_true(resident(rig) < before + MOST);
#else
	(void)before;
#endif
	gpu_finish_shown(rig, &memory);
}

/* Whatever is asked, there is nothing in the answer that nobody put there (CVE-2021-3545), and no
 * more than there is room for (CVE-2021-3546). */
static void capsets_that_there_are_not_tell_nothing(void **state)
{
	static const uint32_t numbers[] = {0, 1, 2, 3, 4, 0x80000000, UINT32_MAX};
	enum { N = sizeof(numbers) / sizeof(numbers[0]) };
	struct virtio_gpu_ctrl_hdr head,
		wanted = {.type = htole32(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER)};
	struct rig *rig = *state;
	struct rig_buffer memory;
	unsigned char reply[2048];

	gpu_start_shown(rig, &memory, NULL);
	for (uint32_t i = 0; i < 2 * N * N; i++) {
		const struct virtio_gpu_get_capset c = {
			gpu_head(i & 1 ? VIRTIO_GPU_CMD_GET_CAPSET
				       : VIRTIO_GPU_CMD_GET_CAPSET_INFO),
			htole32(numbers[i / 2 % N]), htole32(numbers[i / 2 / N])};

		gpu_command(GPU_CONTROL, &c, sizeof(c), reply, sizeof(reply));
		memcpy(&head, reply, sizeof(head));
		assert_memory_equal(&head, &wanted, sizeof(head));
		for (size_t at = sizeof(head); at < sizeof(reply); at++)
			assert_int_equal(reply[at], RIG_UNTOUCHED);
	}
	gpu_finish_shown(rig, &memory);
}

/* All that a guest wants at once; in between others are served. */
static void large_commands_take_turns_with_what_else_there_is(void **state)
{
	enum { SIZE = 2048, PAGE = 4096, PAGES = SIZE * SIZE * 4 / PAGE, N = 32 };
	const struct virtio_gpu_transfer_to_host_2d c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D),
		.r = gpu_rect(0, 0, SIZE, SIZE),
		.resource_id = htole32(2),
	};
	static struct virtio_gpu_mem_entry list[PAGES];
	struct rig_buffer memory, page, out, in[N];
	struct rig *rig = *state;
	struct driver_used used;
	uint32_t done = 0;

	gpu_start_shown(rig, &memory, NULL);
	rig_buffer(rig, &page, PAGE);
	for (uint32_t i = 0; i < PAGES; i++)
		list[i] = gpu_entry(page.gpa, PAGE);
	gpu_ok(gpu_try_create(2, XRGB, SIZE, SIZE));
	gpu_ok(gpu_try_attach(2, list, PAGES));
	rig_buffer(rig, &out, sizeof(c));
	memcpy(out.data, &c, sizeof(c));
	assert_return_code(kill(rig->program.pid, SIGSTOP), errno);
	for (uint32_t i = 0; i < N; i++) {
		rig_buffer(rig, &in[i], sizeof(struct virtio_gpu_ctrl_hdr));
		rig_offer(rig, GPU_CONTROL,
			  (struct driver_seg[]){rig_read_seg(&out, out.len),
						rig_write_seg(&in[i], in[i].len)},
			  2, &in[i]);
	}
	assert_return_code(kill(rig->program.pid, SIGCONT), errno);
	for (uint32_t i = 0; i < 3; i++)
		rig_say(rig, "state");
	while (driver_collect(rig->peer->queues[GPU_CONTROL], &used, 1) == 1)
		done++;
	assert_true(done < N);
	for (; done < N; done++)
		rig_wait(rig, GPU_CONTROL, NULL);
	gpu_finish_shown(rig, &memory);
}

/* 20 lines at once, and then one a second. */
static void a_guest_cannot_fill_the_log(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	uint32_t limit;

	gpu_start_shown(rig, &memory, NULL);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(gpu_try_flush(77, gpu_rect(0, 0, 1, 1)), NO_RESOURCE);
	limit = rig_log_limit(rig);
	gpu_finish_shown(rig, &memory);
	assert_in_range(rig_logged(rig, "there is no such resource"), 1, limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(no_number_of_resources_takes_more_than_it_may),
		GPU_TEST(lists_of_memory_take_no_more_than_they_may),
		GPU_TEST(lists_of_memory_go_with_what_they_belong_to),
		GPU_TEST(capsets_that_there_are_not_tell_nothing),
		GPU_TEST(large_commands_take_turns_with_what_else_there_is),
		GPU_TEST(a_guest_cannot_fill_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
