/* SPDX-License-Identifier: MIT */
/* A ring's life by messages: stopping with requests outstanding, disabling, memory that leaves. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/dut.h"

struct fixture {
	struct rig dut;
	struct peer *peer;
	struct frontend *f;
	struct driver_ring *ring;
};

/* The second region holds buffers that can be taken away without the rings. */
static int setup(void **state)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = 1 << 20, .uva = UINT64_C(1) << 40},
		{.gpa = 1 << 30, .size = 1 << 20, .uva = UINT64_C(1) << 41},
	};
	const struct dut_config config = {0};
	const struct peer_config peer_config = {.n_regions = 2, .regions = regions};
	static struct fixture x;

	dut_new(&x.dut, &config);
	x.peer = dut_peer(&x.dut, &peer_config);
	x.f = &x.peer->frontend;
	x.ring = x.peer->queues[0];
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	peer_free(x->peer);
	dut_free(&x->dut);
	return 0;
}

static void hold_one(struct fixture *x)
{
	x->dut.mode = RIG_HOLD;
	dut_ok(x->peer, peer_start(x->peer));
	dut_add_request(x->peer, 0);
	assert_int_equal(driver_kick(x->ring), 1);
	dut_expect_alive(&x->dut, x->peer);
	assert_int_equal(rig_held(&x->dut), 1);
}

static void a_stop_is_answered_when_the_last_request_is_done(void **state)
{
	const struct wire_vring_state vring = {.index = 0};
	struct wire_vring_state reply;
	struct fixture *x = *state;
	struct frontend_msg msg;
	struct driver_used used;

	hold_one(x);
	dut_ok(x->peer,
	       frontend_send(x->f, WIRE_GET_VRING_BASE, 0, &vring, sizeof(vring), NULL, 0));
	x->f->timeout_ms = 50;
	assert_int_equal(frontend_recv(x->f, &msg), -ETIMEDOUT);
	assert_int_equal(rig_stops(&x->dut), 1);
	/* What comes after a stop began is not taken. */
	dut_add_request(x->peer, 0);
	driver_publish(x->ring);
	assert_int_equal(driver_kick_always(x->ring), 0);
	rig_pump(&x->dut);
	assert_int_equal(rig_held(&x->dut), 1);
	dut_finish(&x->dut);
	x->f->timeout_ms = FRONTEND_TIMEOUT_MS;
	dut_ok(x->peer, frontend_recv(x->f, &msg));
	memcpy(&reply, msg.payload, sizeof(reply));
	assert_int_equal(reply.num, driver_base_after(x->ring, 1, 2));
	assert_int_equal(driver_collect(x->ring, &used, 1), 1);
	assert_false(driver_has_used(x->ring));
}

static void a_device_that_finishes_at_the_stop_is_stopped_at_once(void **state)
{
	struct fixture *x = *state;

	x->dut.on_stop = dut_finish_on_stop;
	hold_one(x);
	dut_ok(x->peer, peer_stop(x->peer));
	assert_int_equal(x->ring->base, driver_base_after(x->ring, 1, 2));
	assert_int_equal(x->dut.stopped, 1);
	dut_expect_alive(&x->dut, x->peer);
}

static void a_stopped_ring_goes_on_where_it_was(void **state)
{
	struct fixture *x = *state;
	uint32_t i, n;

	dut_ok(x->peer, peer_start(x->peer));
	for (i = 0; i < 5; i++) {
		for (n = 0; n < 7; n++)
			dut_expect_echo(x->peer, 0);
		dut_ok(x->peer, peer_stop(x->peer));
		assert_int_equal(x->ring->base, driver_base_after(x->ring, 7 * (i + 1), 2));
		dut_ok(x->peer, peer_start_queue(x->peer, 0));
		dut_ok(x->peer, frontend_set_vring_enable(x->f, 0, true));
	}
}

static void a_ring_is_scanned_when_it_starts_without_any_kick(void **state)
{
	struct fixture *x = *state;
	struct driver_used used;

	dut_add_request(x->peer, 0);
	driver_publish(x->ring);
	dut_ok(x->peer, peer_start(x->peer));
	rig_pump(&x->dut);
	assert_int_equal(driver_collect(x->ring, &used, 1), 1);
}

static void a_kick_while_disabled_is_remembered(void **state)
{
	struct fixture *x = *state;
	struct driver_used used;

	dut_ok(x->peer, peer_start(x->peer));
	dut_ok(x->peer, frontend_set_vring_enable(x->f, 0, false));
	dut_add_request(x->peer, 0);
	driver_publish(x->ring);
	assert_int_equal(driver_kick_always(x->ring), 0);
	dut_expect_alive(&x->dut, x->peer);
	assert_int_equal(driver_collect(x->ring, &used, 1), 0);
	assert_int_equal(x->dut.completed, 0);
	/* The other queue is not concerned. */
	dut_expect_echo(x->peer, 1);
	dut_ok(x->peer, frontend_set_vring_enable(x->f, 0, true));
	rig_pump(&x->dut);
	assert_int_equal(driver_collect(x->ring, &used, 1), 1);
}

static void what_another_queues_callback_completes_is_signalled(void **state)
{
	struct fixture *x = *state;
	struct driver_used used[2];

	x->dut.on_callback = dut_finish_across;
	hold_one(x);
	for (int i = 0; i < 4; i++) {
		dut_add_request(x->peer, 1);
		assert_int_equal(driver_kick(x->peer->queues[1]), 1);
		if (i % 2) /* the first queue has a turn in that pass, too */
			assert_int_equal(driver_kick_always(x->ring), 0);
		rig_pump(&x->dut);
		assert_int_equal(rig_held(&x->dut), 0);
		assert_true(driver_take_calls(x->ring) > 0);
		assert_int_equal(driver_collect(x->ring, used, 2), 1);
		assert_int_equal(driver_collect(x->peer->queues[1], used, 2), 1);
		dut_add_request(x->peer, 0);
		assert_int_equal(driver_kick(x->ring), 1);
		rig_pump(&x->dut);
		assert_int_equal(rig_held(&x->dut), 1);
	}
	dut_finish(&x->dut);
}

static void a_new_region_is_used_at_once_by_a_running_ring(void **state)
{
	struct fixture *x = *state;
	const struct guest_region extra = {
		.gpa = UINT64_C(1) << 33, .size = 1 << 16, .uva = 1 << 20};
	struct driver_used used;
	struct driver_seg seg;
	int region;

	dut_ok(x->peer, peer_start(x->peer));
	region = guest_add(x->peer->guest, &extra);
	assert_int_equal(region, 2);
	dut_ok(x->peer, frontend_add_mem_reg(x->f, &x->peer->guest->regions[region]));
	assert_int_equal(rig_stops(&x->dut), 0);
	seg = (struct driver_seg){extra.gpa + extra.size - 8, 8, true};
	driver_add(x->ring, &seg, 1, guest_ptr(x->peer->guest, seg.gpa, 8));
	dut_ok(x->peer, peer_wait_used(x->peer, 0, &used));
	assert_int_equal(*(unsigned char *)used.cookie, DUT_BYTE);
}

static void a_region_removed_under_a_request_stays_mapped_until_it_completes(void **state)
{
	struct fixture *x = *state;
	struct driver_seg seg = {.len = 4096, .write = true};
	struct driver_used used;
	uint32_t maps;

	x->dut.mode = RIG_HOLD;
	dut_ok(x->peer, peer_start(x->peer));
	seg.gpa = guest_alloc_in(x->peer->guest, 1, 4096, 4096);
	driver_add(x->ring, &seg, 1, guest_ptr(x->peer->guest, seg.gpa, 4096));
	assert_int_equal(driver_kick(x->ring), 1);
	dut_expect_alive(&x->dut, x->peer);
	assert_int_equal(rig_held(&x->dut), 1);
	maps = count_guest_mappings();
	dut_ok(x->peer, frontend_rem_mem_reg(x->f, &x->peer->guest->regions[1]));
	assert_int_equal(count_guest_mappings(), maps);
	dut_finish(&x->dut);
	dut_ok(x->peer, peer_wait_used(x->peer, 0, &used));
	assert_int_equal(*(unsigned char *)used.cookie, DUT_BYTE);
	dut_expect_alive(&x->dut, x->peer);
	assert_int_equal(count_guest_mappings(), maps - 1);
}

static void a_chain_into_removed_memory_breaks_only_its_queue(void **state)
{
	struct fixture *x = *state;
	struct driver_seg seg = {.gpa = 1 << 30, .len = 8, .write = true};

	dut_ok(x->peer, peer_start(x->peer));
	dut_ok(x->peer, frontend_rem_mem_reg(x->f, &x->peer->guest->regions[1]));
	driver_add(x->ring, &seg, 1, NULL);
	assert_int_equal(driver_kick(x->ring), 1);
	rig_pump(&x->dut);
	assert_int_equal(rig_errors(&x->dut), 1);
	assert_true(driver_take_errs(x->ring) > 0);
	dut_expect_echo(x->peer, 1);
	assert_int_equal(x->dut.reported, 0);
	assert_int_equal(rig_errors(&x->dut), 1);
}

static void a_running_ring_in_removed_memory_is_broken(void **state)
{
	struct fixture *x = *state;

	dut_ok(x->peer, peer_start(x->peer));
	dut_ok(x->peer, frontend_rem_mem_reg(x->f, &x->peer->guest->regions[0]));
	assert_true(driver_take_errs(x->peer->queues[0]) > 0);
	assert_true(driver_take_errs(x->peer->queues[1]) > 0);
	assert_int_equal(rig_errors(&x->dut), 2);
	assert_int_equal(x->dut.reported, 0);
}

static void a_region_that_overlaps_another_or_leaves_its_file_is_refused(void **state)
{
	struct fixture *x = *state;
	struct guest_region r;

	dut_ok(x->peer, peer_start(x->peer));
	r = x->peer->guest->regions[0];
	r.uva += UINT64_C(1) << 44;
	assert_int_equal(frontend_add_mem_reg(x->f, &r), -EREMOTEIO);
	r = x->peer->guest->regions[0];
	r.gpa += UINT64_C(1) << 44;
	assert_int_equal(frontend_add_mem_reg(x->f, &r), -EREMOTEIO);
	r.uva += UINT64_C(1) << 44;
	r.mmap_offset = 4096;
	assert_int_equal(frontend_add_mem_reg(x->f, &r), -EREMOTEIO);
	r.mmap_offset = UINT64_MAX - 4095;
	assert_int_equal(frontend_add_mem_reg(x->f, &r), -EREMOTEIO);
	r.mmap_offset = 0;
	r.gpa = UINT64_MAX - 4095;
	assert_int_equal(frontend_add_mem_reg(x->f, &r), -EREMOTEIO);
	assert_int_equal(x->dut.reported, 0);
	dut_expect_echo(x->peer, 0);
}

static void a_region_that_was_never_added_cannot_be_removed(void **state)
{
	struct fixture *x = *state;
	struct guest_region r;

	dut_ok(x->peer, peer_start(x->peer));
	r = x->peer->guest->regions[1];
	r.size -= 4096;
	assert_int_equal(frontend_rem_mem_reg(x->f, &r), -EREMOTEIO);
	dut_expect_echo(x->peer, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_stop_is_answered_when_the_last_request_is_done),
		TEST(a_device_that_finishes_at_the_stop_is_stopped_at_once),
		TEST(a_stopped_ring_goes_on_where_it_was),
		TEST(a_ring_is_scanned_when_it_starts_without_any_kick),
		TEST(a_kick_while_disabled_is_remembered),
		TEST(what_another_queues_callback_completes_is_signalled),
		TEST(a_new_region_is_used_at_once_by_a_running_ring),
		TEST(a_region_removed_under_a_request_stays_mapped_until_it_completes),
		TEST(a_chain_into_removed_memory_breaks_only_its_queue),
		TEST(a_running_ring_in_removed_memory_is_broken),
		TEST(a_region_that_overlaps_another_or_leaves_its_file_is_refused),
		TEST(a_region_that_was_never_added_cannot_be_removed),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
