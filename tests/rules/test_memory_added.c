/* SPDX-License-Identifier: MIT */
/* Rules: which regions may be added to the memory that there is, and removed again. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "rules/rig.h"

enum { RINGS, BUFFERS }; /* regions */

static const struct guest_region two_regions[] = {
	[RINGS] = {.gpa = 0, .size = 4 << 20, .uva = UINT64_C(0x7f0000000000)},
	[BUFFERS] = {.gpa = 1 << 30, .size = 1 << 20, .uva = UINT64_C(0x7e0000000000)},
};
static const struct guest_region third_region = {
	.gpa = UINT64_C(1) << 32, .size = 1 << 20, .uva = UINT64_C(0x7d0000000000)};

static const struct rig_config config = {.peer = {.n_regions = 2, .regions = two_regions}};

static uint32_t count_regions(const struct rig *rig)
{
	struct vu_region region = {.size = sizeof(region)};
	struct vu_memory *memory = vu_device_memory(rig->dev);
	uint32_t n = 0;

	while (!vu_memory_region(memory, n, &region))
		n++;
	vu_memory_release(memory);
	return n;
}

/* QEMU 7.2 sends each message about a region once for every pair of a network card's queues. */
static void memory_that_is_added_twice_is_there_once_and_may_be_removed_twice(void **state)
{
	struct guest_region *region;
	struct frontend *f;
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	f = &rig.peer->frontend;
	assert_int_equal(guest_add(rig.peer->guest, &third_region), 2);
	region = &rig.peer->guest->regions[2];
	for (int i = 0; i < 2; i++) {
		assert_ok(frontend_add_mem_reg(f, region));
		assert_int_equal(count_regions(&rig), 3);
	}
	rig.queues[1].region = 2;
	rig_roundtrip(&rig, 1, 3);
	/* Gone with the first: another may come before the second. */
	for (int i = 0; i < 2; i++) {
		assert_ok(frontend_rem_mem_reg(f, region));
		assert_int_equal(count_regions(&rig), 2);
	}
	assert_true(frontend_rem_mem_reg(f, region) != 0);
	rig_expect_errors(&rig, "cannot be removed", 1);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void other_memory_where_there_is_some_is_refused(void **state)
{
	struct guest_region region;
	struct frontend *f;
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	f = &rig.peer->frontend;
	region = rig.peer->guest->regions[BUFFERS];
	region.size -= 4096;
	assert_true(frontend_add_mem_reg(f, &region) != 0);
	region = rig.peer->guest->regions[BUFFERS];
	region.fd = memfd_create("other", MFD_CLOEXEC);
	assert_ok(ftruncate(region.fd, (off_t)(region.mmap_offset + region.size)));
	assert_true(frontend_add_mem_reg(f, &region) != 0);
	close(region.fd);
	rig_expect_errors(&rig, "two memory regions overlap", 2);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void more_memory_than_there_are_slots_is_refused_alone(void **state)
{
	enum { STEP = 8192 };
	struct guest_region page;
	struct rig rig;
	uint64_t slots;

	(void)state;
	rig_open(&rig, &config);
	slots = rig.peer->backend_slots;
	page = rig.peer->guest->regions[BUFFERS];
	page.size = page.map_size = STEP / 2;
	page.gpa = UINT64_C(1) << 40;
	page.uva = UINT64_C(0x700000000000);
	for (uint64_t i = 2; i < slots; i++) {
		page.gpa += STEP;
		page.uva += STEP;
		assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &page));
	}
	/* What is there already; then one more than there may be. */
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &page));
	page.gpa += STEP;
	page.uva += STEP;
	assert_true(frontend_add_mem_reg(&rig.peer->frontend, &page) != 0);
	rig_expect_errors(&rig, "more than 509 memory regions", 1);
	/* With a free slot it is an overlap that is wrong. */
	page.gpa -= STEP;
	page.uva -= STEP;
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &page));
	page.gpa -= STEP;
	assert_true(frontend_add_mem_reg(&rig.peer->frontend, &page) != 0);
	rig_expect_errors(&rig, "two memory regions overlap", 1);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_is_added_twice_is_there_once_and_may_be_removed_twice),
		cmocka_unit_test(other_memory_where_there_is_some_is_refused),
		cmocka_unit_test(more_memory_than_there_are_slots_is_refused_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
