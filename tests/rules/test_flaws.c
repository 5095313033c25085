/* SPDX-License-Identifier: MIT */
/*
 * Rule: what a driver may have chosen wrong (a ring's size, position, areas) breaks its queue when
 * that starts, and not the session: the front-end only passes it on.
 */
#include <stdio.h>

#include "rules/rig.h"

/* Changes what a start of queue 0 is told. */
struct flaw {
	const char *why;
	uint32_t size, base;	    /* 0: the right one */
	uint64_t desc, avail, used; /* added to the right ones */
	bool is_size_0;
};

static const uint64_t far = UINT64_C(1) << 60;

static const struct flaw flaws[] = {
	{.why = "its size is 0, and 1 to 256 can be used", .is_size_0 = true},
	{.why = "its size is 512, and 1 to 256 can be used", .size = 512},
	{.why = "its size is 4294967295, and 1 to 256", .size = UINT32_MAX},
	{.why = "its descriptors are outside guest memory", .desc = far},
	{.why = "its driver area (available ring) is outside guest memory", .avail = far},
	{.why = "its device area (used ring) is outside guest memory", .used = far},
	{.why = "its areas are not aligned", .desc = 4},
	{.why = "its areas are not aligned", .used = 2},
	{.why = "its base ", .base = 0x12345678},
};

enum { FLAWS = sizeof(flaws) / sizeof(flaws[0]) };

/* Everything but SET_VRING_KICK; each message is acked as good. */
static void prepare(struct rig *rig, uint32_t q, const struct flaw *flaw)
{
	struct frontend *f = &rig->peer->frontend;
	const struct driver_ring *ring = rig->peer->queues[q];
	const struct guest *guest = rig->peer->guest;
	const struct wire_vring_addr addr = {
		.index = q,
		.desc = guest_uva(guest, ring->desc_gpa) + flaw->desc,
		.avail = guest_uva(guest, ring->avail_gpa) + flaw->avail,
		.used = guest_uva(guest, ring->used_gpa) + flaw->used,
	};

	assert_ok(frontend_set_vring_num(f, q,
					 flaw->is_size_0 ? 0
					 : flaw->size	 ? flaw->size
							 : ring->size));
	assert_ok(frontend_set_vring_base(f, q, flaw->base ? flaw->base : ring->base));
	assert_ok(frontend_set_vring_addr(f, &addr));
}

static void start_with(struct rig *rig, uint32_t q, const struct flaw *flaw)
{
	prepare(rig, q, flaw);
	assert_ok(frontend_set_vring_kick(&rig->peer->frontend, q,
					  rig->peer->queues[q]->kick.device));
}

static void open_rig(struct rig *rig, bool groups)
{
	const struct rig_config config = {.device = {.max_queue_size = 256}, .groups = groups};

	rig_open(rig, &config);
	rig_roundtrip(rig, 0, 2);
	rig_roundtrip(rig, 1, 2);
}

/* Queue q is broken; the rest works. */
static void check_broken(struct rig *rig, uint32_t q, const char *why)
{
	struct vu_req *req;
	char line[160];

	snprintf(line, sizeof(line), "queue %u: broken: %s", q, why);
	rig_assert_idle(rig);
	if (!rig_logged(rig, line))
		fail_msg("\"%s\" is not in the log:\n%s", line, rig->log.text);
	assert_int_equal(rig_errors(rig), ++rig->errors_expected);
	assert_int_equal(driver_take_errs(rig->peer->queues[q]), 1);
	assert_int_equal(vu_queue_next(rig->queues[q].queue, &req), -EIO);
	assert_int_equal(vu_queue_available(rig->queues[q].queue), 0);
	assert_int_equal(vu_queue_outstanding(rig->queues[q].queue), 0);
	assert_ok(driver_kick_always(rig->peer->queues[q]));
	rig_assert_idle(rig);
	rig_roundtrip(rig, !q, 3);
	assert_int_equal(rig->ended, 0);
}

static void whatever_the_driver_chose_wrong_breaks_its_queue_alone(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, false);
	for (uint32_t i = 0; i < FLAWS; i++) {
		const uint32_t base = flaws[i].base;
		uint32_t stops;

		rig_stop_queue(&rig, 0);
		stops = rig.queues[0].stops;
		start_with(&rig, 0, &flaws[i]);
		check_broken(&rig, 0, flaws[i].why);
		/* It has started, so it stops: with the position that it was given. */
		rig_send_stop(&rig, 0);
		assert_int_equal((uint16_t)rig_recv_stop(&rig, 0),
				 (uint16_t)(base ? base : rig.peer->queues[0]->base));
		assert_int_equal(rig.queues[0].stops, stops + 1);
		rig_start_queue(&rig, 0);
		rig_roundtrip(&rig, 0, 3);
	}
	rig_close(&rig);
}

static void a_proper_start_mends_it_without_a_stop(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, false);
	start_with(&rig, 0, &flaws[1]);
	check_broken(&rig, 0, flaws[1].why);
	driver_reset(rig.peer->queues[0]);
	rig_start_queue(&rig, 0);
	rig_roundtrip(&rig, 0, 5);
	/* One for the ring before it, one for the broken one. */
	assert_int_equal(rig.queues[0].stops, 2);
	rig_close(&rig);
}

static void a_reset_mends_it(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, false);
	start_with(&rig, 0, &flaws[3]);
	check_broken(&rig, 0, flaws[3].why);
	assert_ok(frontend_reset_device(&rig.peer->frontend));
	assert_int_equal(rig.resets, 1);
	assert_int_equal(rig.queues[0].stops, 2);
	for (uint32_t q = 0; q < 2; q++) {
		driver_reset(rig.peer->queues[q]);
		rig_start_queue(&rig, q);
		rig_roundtrip(&rig, q, 5);
	}
	rig_close(&rig);
}

static void it_is_told_on_the_thread_of_its_group(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, true);
	start_with(&rig, 1, &flaws[4]);
	check_broken(&rig, 1, flaws[4].why);
	rig_stop_queue(&rig, 1);
	driver_reset(rig.peer->queues[1]);
	rig_start_queue(&rig, 1);
	rig_roundtrip(&rig, 1, 3);
	rig_close(&rig);
}

static void the_end_of_the_session_is_its_end(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, false);
	start_with(&rig, 0, &flaws[0]);
	check_broken(&rig, 0, flaws[0].why);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(rig.queues[0].stops, 2);
	assert_int_equal(rig.queues[1].stops, 1);
	for (uint32_t q = 0; q < 2; q++)
		driver_reset(rig.peer->queues[q]);
	rig_start(&rig);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void a_disabled_queue_is_told_of_as_well(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, false);
	assert_ok(frontend_set_vring_enable(&rig.peer->frontend, 0, false));
	start_with(&rig, 0, &flaws[1]);
	check_broken(&rig, 0, flaws[1].why);
	rig_close(&rig);
}

/* That a size or addresses never came at all is nothing that a driver can do. */
static void a_start_without_a_size_ends_the_session(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(frontend_set_memory(&rig.peer->frontend, rig.peer->guest));
	assert_true(frontend_set_vring_kick(&rig.peer->frontend, 0,
					    rig.peer->queues[0]->kick.device) < 0);
	rig_pump(&rig);
	assert_int_equal(rig.ended, 1);
	rig_expect_errors(&rig, "queue 0: started before its size and addresses were set", 1);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_driver_chose_wrong_breaks_its_queue_alone),
		cmocka_unit_test(a_proper_start_mends_it_without_a_stop),
		cmocka_unit_test(a_reset_mends_it),
		cmocka_unit_test(it_is_told_on_the_thread_of_its_group),
		cmocka_unit_test(the_end_of_the_session_is_its_end),
		cmocka_unit_test(a_disabled_queue_is_told_of_as_well),
		cmocka_unit_test(a_start_without_a_size_ends_the_session),
	};

	return cmocka_run_group_tests_name("flaws", tests, NULL, NULL);
}
