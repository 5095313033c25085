/* SPDX-License-Identifier: MIT */
/* Rules: memory comes and goes under running queues; a truncated file ends only its session. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
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
static const struct rig_config grouped = {.peer = {.n_regions = 2, .regions = two_regions},
					  .groups = true};

static void open_with_buffers_apart(struct rig *rig, const struct rig_config *how)
{
	rig_open(rig, how);
	for (int i = 0; i < RIG_QUEUES; i++)
		rig->queues[i].region = BUFFERS;
}

static void hold(struct rig *rig, uint32_t q, uint32_t n)
{
	rig_hold(rig, q, n);
	rig->mode = RIG_SERVE;
}

/* The payload of ADD_MEM_REG and REM_MEM_REG. */
static struct wire_mem_reg mem_reg(const struct rig *rig, uint32_t region)
{
	const struct guest_region *r = &rig->peer->guest->regions[region];

	return (struct wire_mem_reg){.region = {r->gpa, r->size, r->uva, r->mmap_offset}};
}

static void adding_memory_never_stops_a_queue(void **state)
{
	struct rig rig;

	(void)state;
	open_with_buffers_apart(&rig, &config);
	hold(&rig, 0, 2);
	assert_int_equal(guest_add(rig.peer->guest, &third_region), 2);
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[2]));
	assert_int_equal(rig.queues[0].stops, 0);
	rig.queues[1].region = 2;
	rig_roundtrip(&rig, 1, 3);
	rig_complete_held(&rig, 0);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void on_memory(struct vu_device *dev, void *opaque)
{
	struct vu_memory **memory = opaque;

	vu_memory_release(*memory);
	*memory = vu_device_memory(dev);
}

static uint32_t count_regions(const struct vu_memory *memory)
{
	struct vu_region region = {.size = sizeof(region)};
	uint32_t n = 0;

	while (memory && !vu_memory_region(memory, n, &region))
		n++;
	return n;
}

static void a_device_sees_guest_memory_and_its_changes(void **state)
{
	struct vu_region region = {.size = sizeof(region)};
	struct vu_memory *memory = NULL, *old;
	struct iovec iov[2];
	struct rig rig;

	(void)state;
	rig_make(&rig, &config);
	assert_null(vu_device_memory(rig.dev));
	vu_device_watch_memory(rig.dev, on_memory, &memory);
	rig_start(&rig);
	assert_int_equal(count_regions(memory), 2);
	assert_ok(vu_memory_region(memory, BUFFERS, &region));
	assert_true(region.guest_addr == two_regions[BUFFERS].gpa);
	assert_true(region.len == two_regions[BUFFERS].size);
	assert_int_equal(vu_memory_region(memory, 2, &region), -ENOENT);
	region.size = 8;
	assert_int_equal(vu_memory_region(memory, 0, &region), -EINVAL);

	old = vu_device_memory(rig.dev);
	assert_int_equal(guest_add(rig.peer->guest, &third_region), 2);
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[2]));
	assert_int_equal(count_regions(memory), 3);
	assert_int_equal(count_regions(old), 2);
	assert_int_equal(vu_memory_map(memory, third_region.gpa, 4, iov, 2), 1);
	assert_int_equal(vu_memory_map(old, third_region.gpa, 4, iov, 2), -EFAULT);
	/* What is removed stays there for who has a reference. */
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[BUFFERS]));
	assert_int_equal(count_regions(memory), 2);
	assert_int_equal(vu_memory_map(memory, two_regions[BUFFERS].gpa, 4, iov, 2), -EFAULT);
	assert_int_equal(vu_memory_map(old, two_regions[BUFFERS].gpa + 8, 4, iov, 2), 1);
	memcpy(guest_ptr(rig.peer->guest, two_regions[BUFFERS].gpa + 8, 4), "kept", 4);
	assert_memory_equal(iov[0].iov_base, "kept", 4);
	vu_memory_release(old);
	vu_memory_release(memory);
	vu_device_watch_memory(rig.dev, NULL, NULL);
	rig_close(&rig);
}

static const struct guest_region neighbours[] = {
	{.gpa = 0, .size = 4 << 20, .uva = UINT64_C(0x7f0000000000)},
	{.gpa = 4 << 20, .size = 1 << 20, .uva = UINT64_C(0x7e0000000000)},
};

static void a_range_of_guest_memory_may_span_regions(void **state)
{
	const struct rig_config next_to_each_other = {
		.peer = {.n_regions = 2, .regions = neighbours}};
	struct vu_memory *memory;
	struct iovec iov[2];
	struct rig rig;

	(void)state;
	rig_open(&rig, &next_to_each_other);
	memory = vu_device_memory(rig.dev);
	assert_int_equal(vu_memory_map(memory, (4 << 20) - 16, 48, iov, 2), 2);
	assert_int_equal(iov[0].iov_len, 16);
	assert_int_equal(iov[1].iov_len, 32);
	memcpy(guest_ptr(rig.peer->guest, 4 << 20, 4), "here", 4);
	assert_memory_equal(iov[1].iov_base, "here", 4);
	assert_int_equal(vu_memory_map(memory, (4 << 20) - 16, 48, iov, 1), -ENOSPC);
	assert_int_equal(vu_memory_map(memory, (5 << 20) - 16, 16, iov, 2), 1);
	assert_int_equal(vu_memory_map(memory, (5 << 20) - 16, 17, iov, 2), -EFAULT);
	assert_int_equal(vu_memory_map(memory, UINT64_MAX, 2, iov, 2), -EFAULT);
	assert_int_equal(vu_memory_map(memory, 0, 0, iov, 0), 0);
	vu_memory_release(memory);
	rig_close(&rig);
}

static void memory_is_removed_while_requests_in_it_are_outstanding(void **state)
{
	int before;
	struct rig rig;

	(void)state;
	open_with_buffers_apart(&rig, &config);
	hold(&rig, 0, 2);
	before = count_guest_mappings();
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[BUFFERS]));
	assert_int_equal(rig.queues[0].stops, 0);
	rig_complete_held(&rig, 0);
	assert_int_equal(count_guest_mappings(), before);
	rig_complete_held(&rig, 0);
	/* What they wrote is there; with the last one the mapping went. */
	rig_wait_used(&rig, 0, 2);
	assert_int_equal(count_guest_mappings(), before - 1);
	rig_close(&rig);
}

static void a_whole_new_table_is_taken_while_requests_are_outstanding(void **state)
{
	int before;
	struct rig rig;

	(void)state;
	open_with_buffers_apart(&rig, &config);
	before = count_guest_mappings();
	hold(&rig, 0, 1);
	for (int i = 0; i < 5; i++)
		assert_ok(frontend_set_mem_table(&rig.peer->frontend, rig.peer->guest));
	rig_roundtrip(&rig, 0, 1);
	/* Two each: the old one is there for the request. */
	assert_int_equal(count_guest_mappings(), before + 2);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	assert_int_equal(count_guest_mappings(), before);
	assert_int_equal(rig.queues[0].stops, 0);
	rig_close(&rig);
}

static void removal_is_acked_once_every_queue_has_switched(void **state)
{
	struct wire_mem_reg reg;
	struct rig rig;

	(void)state;
	open_with_buffers_apart(&rig, &grouped);
	hold(&rig, 1, 1);
	reg = mem_reg(&rig, BUFFERS);
	rig.group_stands = true;
	rig_send(&rig, WIRE_REM_MEM_REG, &reg, sizeof(reg), NULL, 0);
	rig_assert_no_reply(&rig);
	rig_assert_idle(&rig);
	rig.group_stands = false;
	assert_int_equal(rig_recv_ack(&rig, WIRE_REM_MEM_REG), 0);
	rig_complete_held(&rig, 1);
	rig_wait_used(&rig, 1, 1);
	rig_close(&rig);
}

static void a_table_is_acked_once_every_queue_has_switched(void **state)
{
	struct {
		uint32_t n, padding;
		struct wire_region region;
	} table = {.n = 1};
	struct rig rig;

	(void)state;
	open_with_buffers_apart(&rig, &grouped);
	table.region = mem_reg(&rig, RINGS).region;
	rig.group_stands = true;
	rig_send(&rig, WIRE_SET_MEM_TABLE, &table, sizeof(table),
		 &rig.peer->guest->regions[RINGS].fd, 1);
	rig_assert_no_reply(&rig);
	rig.group_stands = false;
	assert_int_equal(rig_recv_ack(&rig, WIRE_SET_MEM_TABLE), 0);
	rig.queues[1].region = RINGS;
	rig_roundtrip(&rig, 1, 2);
	rig_close(&rig);
}

static void a_reference_keeps_the_memory_beyond_the_device(void **state)
{
	struct vu_memory *memory;
	const unsigned char *bytes;
	struct rig rig;
	int before;

	(void)state;
	before = count_guest_mappings();
	open_with_buffers_apart(&rig, &config);
	hold(&rig, 0, 1);
	memory = vu_req_memory(rig.queues[0].held[0]);
	bytes = rig.queues[0].held[0]->writable[0].iov_base;
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	peer_free(rig.peer);
	rig_pump(&rig);
	vu_device_free(rig.dev);
	rig.dev = NULL;
	rig.peer = NULL;
	assert_int_equal(bytes[0], 0xff);
	assert_int_equal(count_guest_mappings(), before + 2);
	vu_memory_release(memory);
	vu_memory_release(NULL);
	rig_close(&rig);
}

/* By REM_MEM_REG, or (*state) by a table without it. */
static void a_running_ring_in_removed_memory_breaks_and_can_start_anew(void **state)
{
	const struct guest_region *regions;
	struct vu_req *req;
	struct rig rig;

	open_with_buffers_apart(&rig, &config);
	rig_roundtrip(&rig, 0, 3);
	regions = rig.peer->guest->regions;
	if (*state) {
		struct guest *without = calloc(1, sizeof(*without));

		without->n_regions = 1;
		without->regions[0] = regions[BUFFERS];
		assert_ok(frontend_set_mem_table(&rig.peer->frontend, without));
		free(without);
	} else {
		assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &regions[RINGS]));
	}
	rig_assert_idle(&rig);
	rig_expect_errors(&rig, "queue 0: broken", 1);
	rig_expect_errors(&rig, "queue 1: broken", 1);
	assert_int_equal(driver_take_errs(rig.peer->queues[0]), 1);
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), -EIO);
	/* What the driver does now is seen after the start. */
	rig_submit(&rig, 0, 2);
	assert_ok(driver_kick_always(rig.peer->queues[0]));
	rig_assert_idle(&rig);
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &regions[RINGS]));
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), -EIO);
	rig_stop_queue(&rig, 0);
	assert_int_equal(rig.peer->queues[0]->base, rig_base(&rig, 0, 3));
	rig_start_queue(&rig, 0);
	rig_wait_used(&rig, 0, 2);
	/* The other queue without a stop. */
	rig_submit(&rig, 1, 1);
	rig_start_queue(&rig, 1);
	rig_wait_used(&rig, 1, 1);
	rig_close(&rig);
}

static void a_broken_ring_still_takes_its_requests_back(void **state)
{
	struct rig rig;

	(void)state;
	open_with_buffers_apart(&rig, &config);
	hold(&rig, 0, 2);
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[RINGS]));
	rig_expect_errors(&rig, "queue 0: broken", 1);
	rig_expect_errors(&rig, "queue 1: broken", 1);
	rig_complete_held(&rig, 0);
	assert_false(driver_has_used(rig.peer->queues[0]));
	rig_send_stop(&rig, 0);
	rig_assert_no_reply(&rig);
	rig_complete_held(&rig, 0);
	rig_recv_stop(&rig, 0);
	assert_false(driver_has_used(rig.peer->queues[0]));
	rig_close(&rig);
}

/* For the handler of SIGBUS, which has no argument of ours. */
static _Atomic(struct vu_device *) faulting[2];
static atomic_int faults;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	(void)context;
	for (int i = 0; i < 2; i++) {
		if (vu_device_fault(faulting[i], info->si_addr)) {
			faults++;
			return;
		}
	}
	signal(number, SIG_DFL);
}

/* *state is the region whose file is truncated. */
static void a_truncated_memory_file_ends_only_that_session(void **state)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO}, old;
	struct rig *rig = calloc(2, sizeof(*rig));
	struct peer_config again = config.peer;
	uint32_t region = *(const uint32_t *)*state;

	for (int i = 0; i < 2; i++) {
		open_with_buffers_apart(&rig[i], &config);
		rig_roundtrip(&rig[i], 0, 2);
		faulting[i] = rig[i].dev;
	}
	assert_int_equal(vu_device_fault(rig[0].dev, rig), 0);
	faults = 0;
	assert_ok(sigaction(SIGBUS, &action, &old));
	rig_submit(&rig[0], 0, 2);
	assert_ok(guest_truncate(rig[0].peer->guest, region, 0));
	rig_assert_idle(&rig[0]);
	assert_ok(sigaction(SIGBUS, &old, NULL));
	assert_true(faults > 0);
	assert_int_equal(rig[0].ended, 1);
	rig_expect_errors(&rig[0], "truncated", 1);
	assert_int_equal(rig[0].why, -EFAULT);
	if (region == RINGS) /* zeros are no ring in this state */
		rig[0].errors_expected = rig_errors(&rig[0]);
	assert_ok(frontend_wait_closed(&rig[0].peer->frontend));
	rig_roundtrip(&rig[1], 0, 2);
	assert_int_equal(rig[1].ended, 0);
	/* The device serves the next front-end. */
	peer_free(rig[0].peer);
	again.n_queues = 2;
	again.packed = on_packed_rings();
	again.pump = rig_pump;
	again.pump_opaque = &rig[0];
	assert_ok(peer_new(&again, &rig[0].peer));
	rig[0].queues[0].buffers = 0;
	rig_start(&rig[0]);
	rig_roundtrip(&rig[0], 0, 2);
	rig_close(&rig[1]);
	rig_close(&rig[0]);
	free(rig);
}

static void a_start_without_any_memory_says_so(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	assert_int_equal(peer_start_queue(rig.peer, 0), -EREMOTEIO);
	rig_expect_errors(&rig, "queue 0: cannot start: the front-end sent no guest memory", 1);
	rig_close(&rig);
}

int main(void)
{
	static uint32_t regions[] = {RINGS, BUFFERS};
	static bool by_table = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_sees_guest_memory_and_its_changes),
		cmocka_unit_test(a_range_of_guest_memory_may_span_regions),
		cmocka_unit_test(adding_memory_never_stops_a_queue),
		cmocka_unit_test(memory_is_removed_while_requests_in_it_are_outstanding),
		cmocka_unit_test(a_whole_new_table_is_taken_while_requests_are_outstanding),
		cmocka_unit_test(removal_is_acked_once_every_queue_has_switched),
		cmocka_unit_test(a_table_is_acked_once_every_queue_has_switched),
		cmocka_unit_test(a_reference_keeps_the_memory_beyond_the_device),
		cmocka_unit_test(a_running_ring_in_removed_memory_breaks_and_can_start_anew),
		{"a_running_ring_outside_of_a_new_table_breaks_and_can_start_anew",
		 a_running_ring_in_removed_memory_breaks_and_can_start_anew, NULL, NULL, &by_table},
		cmocka_unit_test(a_broken_ring_still_takes_its_requests_back),
		cmocka_unit_test(a_start_without_any_memory_says_so),
		{"a_truncated_file_with_buffers_ends_only_that_session",
		 a_truncated_memory_file_ends_only_that_session, NULL, NULL, &regions[BUFFERS]},
		{"a_truncated_file_with_rings_ends_only_that_session",
		 a_truncated_memory_file_ends_only_that_session, NULL, NULL, &regions[RINGS]},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
