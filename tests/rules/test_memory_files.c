/* SPDX-License-Identifier: MIT */
/* Rules: the files of guest memory are kept for who wants them, as long as the memory is. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "kit/counts.h"
#include "rules/rig.h"

enum { RINGS, BUFFERS }; /* regions */

static const struct guest_region regions[] = {
	[RINGS] = {.gpa = 0, .size = 4 << 20, .uva = UINT64_C(0x7f0000000000)},
	[BUFFERS] = {.gpa = 1 << 30, .size = 1 << 20, .uva = UINT64_C(0x7e0000000000)},
};

static const struct rig_config config = {.peer = {.n_regions = 2, .regions = regions}};

/* Where the front-end finds the same bytes. */
static void is_file_of(const struct rig *rig, const struct vu_memory *memory, uint64_t gpa)
{
	const struct guest_region *r = &rig->peer->guest->regions[gpa ? BUFFERS : RINGS];
	uint64_t offset;
	char bytes[4];
	struct stat ours, theirs;
	int fd = vu_memory_file(memory, gpa, &offset);

	assert_true(fd >= 0 && fd != r->fd);
	assert_true(!fstat(fd, &ours) && !fstat(r->fd, &theirs) && ours.st_ino == theirs.st_ino);
	memcpy(guest_ptr(rig->peer->guest, gpa, 4), "here", 4);
	assert_int_equal(pread(fd, bytes, 4, (off_t)offset), 4);
	assert_memory_equal(bytes, "here", 4);
}

static void files_are_kept_as_long_as_there_is_a_reference(void **state)
{
	struct vu_memory *memory;
	struct rig rig;
	uint64_t offset;
	int before;

	(void)state;
	rig_make(&rig, &config);
	vu_device_keep_memory_files(rig.dev, 1);
	rig_start(&rig);
	memory = vu_device_memory(rig.dev);
	is_file_of(&rig, memory, 0);
	is_file_of(&rig, memory, regions[BUFFERS].gpa + 0x12340);
	assert_int_equal(vu_memory_file(memory, regions[RINGS].size, &offset), -ENOENT);
	assert_int_equal(vu_memory_file(memory, UINT64_MAX, &offset), -ENOENT);
	before = count_fds();
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[BUFFERS]));
	assert_int_equal(count_fds(), before);
	is_file_of(&rig, memory, regions[BUFFERS].gpa);
	vu_memory_release(memory);
	assert_int_equal(count_fds(), before - 1);
	/* The same region comes again: one descriptor, however often. */
	for (int i = 0; i < 3; i++)
		assert_ok(frontend_add_mem_reg(&rig.peer->frontend,
					       &rig.peer->guest->regions[BUFFERS]));
	assert_int_equal(count_fds(), before);
	for (int i = 0; i < 3; i++)
		assert_ok(frontend_set_mem_table(&rig.peer->frontend, rig.peer->guest));
	assert_int_equal(count_fds(), before);
	rig_close(&rig);
}

static void no_file_is_kept_for_who_did_not_ask(void **state)
{
	struct vu_memory *memory;
	struct rig rig;
	uint64_t offset;

	(void)state;
	rig_open(&rig, &config);
	memory = vu_device_memory(rig.dev);
	assert_int_equal(vu_memory_file(memory, 0, &offset), -ENOENT);
	vu_memory_release(memory);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_kept_as_long_as_there_is_a_reference),
		cmocka_unit_test(no_file_is_kept_for_who_did_not_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
