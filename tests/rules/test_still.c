/* SPDX-License-Identifier: MIT */
/* Rules: kicks of rings that never move, as when guest memory is not shared. */
#include "rules/rig.h"

enum { BEGINNING = 2 << 20 }; /* of guest memory: where any guest leaves something */

static void kick(struct rig *rig, uint32_t q)
{
	assert_ok(driver_kick_always(rig->peer->queues[q]));
	rig_assert_idle(rig);
}

static void leave_a_trace(struct rig *rig)
{
	*(unsigned char *)guest_ptr(rig->peer->guest, BEGINNING - 1, 1) = 1;
}

/* Memory that is not shared looks like that: what the driver writes does not get here. */
static void kicks_of_a_ring_that_never_moves_are_told_once(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	leave_a_trace(&rig);
	kick(&rig, 0); /* front-ends do that when they start a queue */
	assert_int_equal(rig_logged(&rig, "share=on"), 0);
	for (int i = 0; i < 3; i++)
		kick(&rig, 0);
	assert_int_equal(rig_logged(&rig, "queue 0: kicked 2 times, but its ring never moved"), 1);
	assert_int_equal(rig_logged(&rig, "share=on"), 1);
	/* It was slow, no more. */
	rig_roundtrip(&rig, 0, 1);
	rig_stop_queue(&rig, 0);
	rig_start_queue(&rig, 0);
	rig_pump(&rig); /* the descriptor still has the kicks of before: one */
	/* Not enabled: these are the front-end's. */
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, 0));
	rig_pump(&rig);
	for (int i = 0; i < 3; i++)
		kick(&rig, 0);
	assert_int_equal(rig_logged(&rig, "share=on"), 1);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, 1));
	rig_pump(&rig);
	kick(&rig, 0);
	assert_int_equal(rig_logged(&rig, "share=on"), 2);
	rig_close(&rig);
}

/* No guest leaves the beginning of its memory as it was: one kick is enough to know. */
static void one_kick_is_enough_where_guest_memory_is_empty(void **state)
{
	/* What the device itself writes into rings is elsewhere. */
	static const struct guest_region regions[] = {
		{.gpa = UINT64_C(1) << 32, .size = PEER_MEMORY, .uva = UINT64_C(0x7f0000000000)},
		{.gpa = 0, .size = 4 << 20, .uva = UINT64_C(0x7f1000000000)},
	};
	const struct rig_config config = {.peer = {.n_regions = 2, .regions = regions}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	rig_pump(&rig);
	assert_int_equal(rig_logged(&rig, "share=on"), 0);
	kick(&rig, 0);
	assert_int_equal(rig_logged(&rig, "queue 0: kicked, but its ring and the beginning of "
					  "guest memory are empty: guest memory is not shared"),
			 1);
	for (int i = 0; i < 3; i++)
		kick(&rig, 0);
	assert_int_equal(rig_logged(&rig, "share=on"), 1);
	/* Whatever is there, it is somebody's. */
	leave_a_trace(&rig);
	kick(&rig, 1);
	assert_int_equal(rig_logged(&rig, "share=on"), 1);
	rig_close(&rig);
}

static void kicks_without_news_of_a_ring_that_moved_are_nothing_to_tell(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	leave_a_trace(&rig);
	kick(&rig, 0);
	rig_roundtrip(&rig, 0, 1);
	for (int i = 0; i < 3; i++)
		kick(&rig, 0);
	/* Nor one whose requests the device leaves where they are. */
	rig.mode = RIG_LEAVE;
	rig_submit(&rig, 1, 1);
	for (int i = 0; i < 3; i++)
		kick(&rig, 1);
	assert_int_equal(rig_logged(&rig, "share=on"), 0);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kicks_of_a_ring_that_never_moves_are_told_once),
		cmocka_unit_test(one_kick_is_enough_where_guest_memory_is_empty),
		cmocka_unit_test(kicks_without_news_of_a_ring_that_moved_are_nothing_to_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
