/* SPDX-License-Identifier: MIT */
/* Rules: what a device can answer with an error, or what is clear all the same, breaks no queue. */
#include <string.h>

#include "rules/rig.h"

enum { MAX_SEGS = 4, LONG = 515 };

/* A chain of that many segments, half of them writable, in a table; its memory. */
static volatile unsigned char *offer(struct rig *rig, uint32_t n)
{
	struct driver_seg segs[LONG];
	uint64_t at = guest_alloc(rig->peer->guest, n, 1);

	assert_true(at != GUEST_NONE && n <= LONG);
	for (uint32_t i = 0; i < n; i++)
		segs[i] = (struct driver_seg){at + i, 1, i >= n / 2};
	assert_true(driver_add_indirect(rig->peer->queues[0], segs, n, NULL) >= 0);
	assert_true(driver_kick(rig->peer->queues[0]) >= 0);
	return guest_ptr(rig->peer->guest, at, n);
}

static void expect_used(struct rig *rig, uint32_t len)
{
	struct driver_used used;

	rig_assert_idle(rig);
	assert_int_equal(driver_collect(rig->peer->queues[0], &used, 1), 1);
	assert_int_equal(used.len, len);
}

static void a_request_that_is_too_long_fails_alone(void **state)
{
	const struct rig_config config = {.device = {.max_segs = MAX_SEGS},
					  .peer = {.max_indirect = LONG}};
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	rig_roundtrip(&rig, 0, 3);
	for (int i = 0; i < 3; i++) {
		volatile unsigned char *bytes;

		rig.mode = RIG_HOLD;
		bytes = offer(&rig, i ? LONG : MAX_SEGS + 1);
		rig_pump(&rig);
		req = rig.queues[0].held[0];
		assert_int_equal(req->flags, VU_REQ_TOO_LONG);
		assert_int_equal(req->readable_len, 0);
		assert_int_equal(vu_req_write(req, req->writable_len - 1, "!", 1), 1);
		assert_int_equal(bytes[(i ? LONG : MAX_SEGS + 1) - 1], '!');
		rig.queues[0].n_held = 0;
		assert_int_equal(vu_req_complete(req, req->writable_len + 1), -ERANGE);
		/* On another thread's behalf in between. */
		if (i == 1)
			assert_ok(vu_req_complete_remote(req, req->writable_len));
		else
			assert_ok(vu_req_complete(req, req->writable_len));
		expect_used(&rig, 0);
		rig.mode = RIG_SERVE;
		rig_roundtrip(&rig, 0, 5);
	}
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	assert_int_equal(rig_logged(&rig, "queue 0: the driver gives requests of more segments"),
			 1);
	rig_close(&rig);
}

/* It inverts what it can read, and there is nothing of it. */
static void a_device_that_does_not_know_the_flag_says_that_it_wrote_nothing(void **state)
{
	const struct rig_config config = {.device = {.max_segs = MAX_SEGS},
					  .peer = {.max_indirect = LONG}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	for (int i = 0; i < 3; i++) {
		offer(&rig, LONG);
		expect_used(&rig, 0);
		rig_roundtrip(&rig, 0, 5);
	}
	rig_close(&rig);
}

static void a_table_that_was_offered_and_not_accepted_is_served_with_one_warning(void **state)
{
	const struct rig_config config = {.peer = {.max_indirect = LONG,
						   .features = ~RIG_BIT(VU_F_INDIRECT_DESC) &
							       ~RIG_BIT(VU_F_RING_PACKED) &
							       ~RIG_BIT(VU_F_ACCESS_PLATFORM)}};
	struct rig rig;

	(void)state;
	needs_split_rings();
	rig_open(&rig, &config);
	assert_int_equal(vu_device_features(rig.dev) >> VU_F_INDIRECT_DESC & 1, 0);
	for (int i = 0; i < 3; i++) {
		offer(&rig, 2 * 4);
		expect_used(&rig, 4);
	}
	assert_int_equal(rig_logged(&rig, "queue 0: the driver gives indirect descriptors"), 1);
	rig_close(&rig);
}

static void a_table_that_was_not_offered_breaks_the_queue(void **state)
{
	const struct rig_config config = {.device = {.forbidden = RIG_BIT(VU_F_INDIRECT_DESC)},
					  .peer = {.max_indirect = LONG}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	offer(&rig, 8);
	rig_assert_idle(&rig);
	rig_expect_errors(&rig, "an indirect descriptor, but the feature was not offered", 1);
	rig_close(&rig);
}

enum { MANY_SEGS = 4096, HALF_AND_ONE = MANY_SEGS / 2 + 1, BLOCKS = 16 };

/*
 * There are 16 blocks for the segments of such requests: see ring/arena.c.  Who has none waits for
 * another's end, which needs no kick.
 */
static void a_request_without_room_for_its_segments_waits_for_another_to_end(void **state)
{
	static struct driver_seg segs[HALF_AND_ONE];
	const struct rig_config config = {.device = {.max_segs = MANY_SEGS},
					  .peer = {.max_indirect = HALF_AND_ONE, .queue_size = 64}};
	struct rig rig;
	uint64_t at;

	(void)state;
	rig_open(&rig, &config);
	at = guest_alloc(rig.peer->guest, HALF_AND_ONE, 1);
	assert_true(at != GUEST_NONE);
	for (uint32_t i = 0; i < HALF_AND_ONE; i++)
		segs[i] = (struct driver_seg){at + i, 1, i >= HALF_AND_ONE / 2};
	rig.mode = RIG_HOLD;
	for (int i = 0; i < BLOCKS + 2; i++)
		assert_true(driver_add_indirect(rig.peer->queues[0], segs, HALF_AND_ONE, NULL) >=
			    0);
	assert_true(driver_kick(rig.peer->queues[0]) >= 0);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].n_held, BLOCKS);
	for (int i = 0; i < 2; i++) {
		rig_complete_held(&rig, 0);
		assert_int_equal(rig.queues[0].n_held, BLOCKS - 1);
		rig_assert_idle(&rig);
		assert_int_equal(rig.queues[0].n_held, BLOCKS);
	}
	rig_complete_all_held(&rig, 0);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_without_room_for_its_segments_waits_for_another_to_end),
		cmocka_unit_test(a_request_that_is_too_long_fails_alone),
		cmocka_unit_test(a_device_that_does_not_know_the_flag_says_that_it_wrote_nothing),
		cmocka_unit_test(
			a_table_that_was_offered_and_not_accepted_is_served_with_one_warning),
		cmocka_unit_test(a_table_that_was_not_offered_breaks_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
