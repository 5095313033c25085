/* SPDX-License-Identifier: MIT */
/*
 * Rules: with GPA_ADDRESSES rings are where the guest says, and memory has no other address; 0 is
 * one like all others.
 */
#include "rules/rig.h"

static const struct guest_region regions[] = {
	{.gpa = 0, .size = 4 << 20, .uva = UINT64_C(0x7f0000000000)},
	{.gpa = 1 << 30, .size = 1 << 20, .uva = UINT64_C(0x7e0000000000)},
};

enum { ODD = 1 << WIRE_PF_INBAND_NOTIFICATIONS | 1 << WIRE_PF_CROSS_ENDIAN };

static struct rig_config with_gpa(uint64_t without)
{
	return (struct rig_config){.peer = {.n_regions = 2,
					    .regions = regions,
					    .protocol_features = ~(without | ODD)}};
}

static void rings_are_at_guest_addresses_from_0_on(void **state)
{
	const struct rig_config config = with_gpa(0);
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	assert_true(frontend_has(&rig.peer->frontend, WIRE_PF_GPA_ADDRESSES));
	assert_int_equal(rig.peer->queues[0]->desc_gpa, 0);
	rig_roundtrip(&rig, 0, 5);
	rig.queues[1].region = 1;
	rig_roundtrip(&rig, 1, 5);
	rig_close(&rig);
}

static void a_whole_table_at_guest_addresses_serves_as_well(void **state)
{
	const struct rig_config config = with_gpa(RIG_BIT(WIRE_PF_CONFIGURE_MEM_SLOTS));
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	rig_roundtrip(&rig, 0, 5);
	/* Replaced while it runs. */
	assert_ok(frontend_set_memory(&rig.peer->frontend, rig.peer->guest));
	rig_roundtrip(&rig, 0, 5);
	rig_close(&rig);
}

static void memory_at_0_is_removed_as_any_other(void **state)
{
	const struct rig_config config = with_gpa(0);
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	rig_stop_queue(&rig, 0);
	rig_stop_queue(&rig, 1);
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[0]));
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[0]));
	rig_start_queue(&rig, 0);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

/* Start queue 0 anew with areas that are `from` the other address space. */
static void start_elsewhere(struct rig *rig, bool user)
{
	const struct driver_ring *ring = rig->peer->queues[0];
	const struct guest *guest = rig->peer->guest;
	const struct wire_vring_addr addr = {
		.desc = user ? guest_uva(guest, ring->desc_gpa) : ring->desc_gpa,
		.avail = user ? guest_uva(guest, ring->avail_gpa) : ring->avail_gpa,
		.used = user ? guest_uva(guest, ring->used_gpa) : ring->used_gpa,
	};
	struct frontend *f = &rig->peer->frontend;

	rig_stop_queue(rig, 0);
	assert_ok(frontend_set_vring_base(f, 0, rig_base(rig, 0, 0)));
	assert_ok(frontend_set_vring_addr(f, &addr));
	assert_ok(frontend_set_vring_kick(f, 0, ring->kick.device));
}

static void user_addresses_then_break_only_the_queue(void **state)
{
	const struct rig_config config = with_gpa(0);
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	start_elsewhere(&rig, true);
	rig_expect_errors(&rig, "queue 0", 1);
	rig_roundtrip(&rig, 1, 3);
	rig_close(&rig);
}

static void without_the_bit_guest_addresses_break_only_the_queue(void **state)
{
	const struct rig_config config = with_gpa(RIG_BIT(WIRE_PF_GPA_ADDRESSES));
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	start_elsewhere(&rig, false);
	rig_expect_errors(&rig, "queue 0", 1);
	rig_roundtrip(&rig, 1, 3);
	rig_close(&rig);
}

static void the_next_front_end_has_addresses_of_its_own_choice(void **state)
{
	const struct rig_config config = with_gpa(0);
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	rig_roundtrip(&rig, 0, 3);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	rig.peer->config.protocol_features &= ~RIG_BIT(WIRE_PF_GPA_ADDRESSES);
	rig_start(&rig);
	assert_false(frontend_has(&rig.peer->frontend, WIRE_PF_GPA_ADDRESSES));
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_are_at_guest_addresses_from_0_on),
		cmocka_unit_test(a_whole_table_at_guest_addresses_serves_as_well),
		cmocka_unit_test(memory_at_0_is_removed_as_any_other),
		cmocka_unit_test(user_addresses_then_break_only_the_queue),
		cmocka_unit_test(without_the_bit_guest_addresses_break_only_the_queue),
		cmocka_unit_test(the_next_front_end_has_addresses_of_its_own_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
