/* SPDX-License-Identifier: MIT */
/* Ending a session from the device's side, and what a group polls. */
#include "rules/rig.h"

static void a_closed_session_ends_when_its_requests_are_finished(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 3);
	rig_submit(&rig, 1, 1);
	rig_assert_idle(&rig);
	vu_device_drain(rig.dev);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].stops, 1);
	assert_true(vu_device_is_attached(rig.dev));
	/* Nothing more is handed out. */
	rig_submit(&rig, 0, 1);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].n_held, 3);

	for (int i = 0; i < 3; i++)
		rig_complete_held(&rig, 0);
	rig_assert_idle(&rig);
	assert_true(vu_device_is_attached(rig.dev));
	rig_complete_held(&rig, 1);
	rig_pump(&rig);
	assert_false(vu_device_is_attached(rig.dev));
	assert_int_equal(rig.reported, 1);
	/* The driver has them all, and the one that came too late is still available. */
	assert_int_equal(rig_collect(&rig, 0), 3);
	assert_int_equal(rig_collect(&rig, 1), 1);
	peer_disconnect(rig.peer);
	rig_close(&rig);
}

static void the_next_session_goes_on_where_a_closed_one_ended(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 5);
	vu_device_drain(rig.dev);
	rig_pump(&rig);
	assert_false(vu_device_is_attached(rig.dev));
	rig_connect(&rig);
	for (uint32_t i = 0; i < 2; i++)
		driver_recover_base(rig.peer->queues[i]);
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 0, 5);
	rig_close(&rig);
}

static void a_close_that_takes_too_long_can_be_cut_short(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_hold(&rig, 0, 1);
	rig_assert_idle(&rig);
	vu_device_drain(rig.dev);
	rig_assert_idle(&rig);
	vu_device_detach(rig.dev);
	rig_pump(&rig);
	assert_false(vu_device_is_attached(rig.dev));
	rig_complete_held(&rig, 0);
	assert_int_equal(rig_collect(&rig, 0), 0);
	peer_disconnect(rig.peer);
	rig_close(&rig);
}

static void closing_an_idle_or_a_free_device_is_safe(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	vu_device_drain(rig.dev);
	rig_connect(&rig);
	vu_device_drain(rig.dev);
	rig_pump(&rig);
	assert_false(vu_device_is_attached(rig.dev));
	peer_disconnect(rig.peer);
	rig_close(&rig);
}

struct polled {
	int calls, found;
	struct vu_source *remove;
};

static int on_poll(void *opaque)
{
	struct polled *p = opaque;

	p->calls++;
	vu_source_remove(p->remove);
	p->remove = NULL;
	return p->found;
}

static void what_a_group_polls_is_called_in_every_pass(void **state)
{
	struct polled a = {0}, b = {.found = 1};
	struct vu_source *source_a, *source_b;
	struct vu_group *group;
	uint64_t activity;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	group = vu_device_group(rig.dev);
	assert_int_equal(vu_group_add_poll(group, NULL, &a, &source_a), -EINVAL);
	assert_ok(vu_group_add_poll(group, on_poll, &a, &source_a));
	assert_int_equal(vu_source_set_events(source_a, 1), -EINVAL);
	for (int i = 1; i <= 100; i++) {
		activity = vu_group_activity(group);
		vu_device_process(rig.dev);
		assert_int_equal(a.calls, i);
		assert_true(vu_group_activity(group) == activity);
	}
	assert_ok(vu_group_add_poll(group, on_poll, &b, &source_b));
	activity = vu_group_activity(group);
	vu_device_process(rig.dev);
	assert_int_equal(b.calls, 1);
	assert_true(vu_group_activity(group) != activity);
	/* One removes the other, then itself. */
	b.remove = source_a;
	vu_device_process(rig.dev);
	a.calls = 0;
	b.remove = source_b;
	vu_device_process(rig.dev);
	b.calls = 0;
	vu_device_process(rig.dev);
	assert_int_equal(a.calls + b.calls, 0);
	rig_close(&rig);
}

/* Bases that stand for a new ring: User-mode Linux's, which acks packed rings, and DPDK's. */
static void new_packed_ring_is_served(uint32_t base)
{
	const struct rig_config config = {.peer = {.packed = true}};
	struct rig rig;

	rig_make(&rig, &config);
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	for (uint32_t i = 0; i < 2; i++)
		rig.peer->queues[i]->base = base;
	assert_ok(peer_start_rings(rig.peer));
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void a_new_packed_ring_with_a_base_of_0_is_served(void **state)
{
	(void)state;
	new_packed_ring_is_served(0);
}

static void a_new_packed_ring_without_a_used_half_is_served(void **state)
{
	(void)state;
	new_packed_ring_is_served(0x8000);
}

/* The same base after a whole lap means what it says. */
static void a_packed_ring_that_stopped_at_the_start_of_an_even_lap_goes_on(void **state)
{
	const struct rig_config config = {.peer = {.packed = true, .queue_size = 8}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	for (int i = 0; i < 4; i++)
		rig_roundtrip(&rig, 0, 1); /* 2 descriptors each */
	assert_ok(frontend_get_vring_base(&rig.peer->frontend, 0, &rig.peer->queues[0]->base));
	assert_int_equal(rig.peer->queues[0]->base, 0);
	assert_ok(peer_start_queue(rig.peer, 0));
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_closed_session_ends_when_its_requests_are_finished),
		cmocka_unit_test(the_next_session_goes_on_where_a_closed_one_ended),
		cmocka_unit_test(a_close_that_takes_too_long_can_be_cut_short),
		cmocka_unit_test(closing_an_idle_or_a_free_device_is_safe),
		cmocka_unit_test(what_a_group_polls_is_called_in_every_pass),
		cmocka_unit_test(a_new_packed_ring_with_a_base_of_0_is_served),
		cmocka_unit_test(a_new_packed_ring_without_a_used_half_is_served),
		cmocka_unit_test(a_packed_ring_that_stopped_at_the_start_of_an_even_lap_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
