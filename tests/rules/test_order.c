/* SPDX-License-Identifier: MIT */
/*
 * IN_ORDER through the public API: the device completes as it likes, the driver gets everything in
 * its order, and whatever ends a queue copes with what is held.
 */
#include <string.h>

#include "rules/rig.h"

static const struct rig_config in_order = {.device = {.features = RIG_BIT(VU_F_IN_ORDER)}};

/* n requests of queue 0, held by the device. */
static void open_with_held(struct rig *rig, const struct rig_config *config, uint32_t n)
{
	rig_open(rig, config);
	rig_hold(rig, 0, n);
	driver_take_calls(rig->peer->queues[0]);
}

/* Complete the i-th of those that are held. */
static void complete(struct rig *rig, uint32_t i)
{
	struct rig_queue *q = &rig->queues[0];
	struct vu_req *req = q->held[i];

	memmove(&q->held[i], &q->held[i + 1], (--q->n_held - i) * sizeof(q->held[0]));
	assert_ok(vu_req_complete(req, rig_invert(req)));
}

/* All that was used, which are n, in the order in which it was submitted. */
static void expect_used_in_order(struct rig *rig, uint32_t n)
{
	const unsigned char *last = NULL;
	struct driver_used used[16];

	assert_int_equal(driver_collect(rig->peer->queues[0], used, 16), n);
	for (uint32_t i = 0; i < n; i++) {
		const unsigned char *bytes = used[i].cookie;

		assert_true(!last || bytes > last);
		assert_int_equal(used[i].len, RIG_BYTES);
		assert_int_equal(bytes[0] + bytes[RIG_BYTES], 0xff);
		last = bytes;
	}
}

static void the_driver_gets_them_in_its_order(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 5);
	for (uint32_t i = 4; i > 1; i--) {
		complete(&rig, i);
		rig_assert_idle(&rig);
		assert_int_equal(driver_take_calls(rig.peer->queues[0]), 0);
		expect_used_in_order(&rig, 0);
		assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 5);
	}
	complete(&rig, 0);
	rig_pump(&rig);
	expect_used_in_order(&rig, 1);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 4);
	driver_take_calls(rig.peer->queues[0]);
	complete(&rig, 0);
	rig_pump(&rig);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 1);
	expect_used_in_order(&rig, 4);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	rig_close(&rig);
}

static void a_driver_that_did_not_ask_for_it_gets_them_as_they_come(void **state)
{
	const struct rig_config config = {
		.device = in_order.device,
		.peer = {.features = ~(RIG_BIT(VU_F_IN_ORDER) | RIG_BIT(VU_F_LOG_ALL) |
				       RIG_BIT(VU_F_ACCESS_PLATFORM))},
	};
	struct rig rig;

	(void)state;
	open_with_held(&rig, &config, 2);
	complete(&rig, 1);
	expect_used_in_order(&rig, 1);
	complete(&rig, 0);
	expect_used_in_order(&rig, 1);
	rig_close(&rig);
}

static void a_batch_in_reverse_is_used_in_order(void **state)
{
	struct vu_req *reqs[4];
	uint64_t written[4];
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 5);
	for (int i = 0; i < 4; i++) {
		reqs[i] = rig.queues[0].held[4 - i];
		written[i] = rig_invert(reqs[i]);
	}
	rig.queues[0].n_held = 1;
	assert_int_equal(vu_queue_complete_batch(rig.queues[0].queue, reqs, written, 4), 4);
	expect_used_in_order(&rig, 0);
	complete(&rig, 0);
	expect_used_in_order(&rig, 5);
	rig_close(&rig);
}

static void completions_from_elsewhere_keep_the_order(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 4);
	for (int i = 3; i >= 0; i--) {
		struct vu_req *req = rig.queues[0].held[i];

		expect_used_in_order(&rig, 0);
		assert_ok(vu_req_complete_remote(req, rig_invert(req)));
		rig_pump(&rig);
	}
	rig.queues[0].n_held = 0;
	expect_used_in_order(&rig, 4);
	rig_close(&rig);
}

static void what_was_completed_is_not_the_devices_any_more(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 2);
	req = rig.queues[0].held[1];
	complete(&rig, 1);
	assert_int_equal(vu_req_complete(req, 0), -EINVAL);
	assert_int_equal(vu_req_put_back(req), -EINVAL);
	rig_expect_errors(&rig, "not outstanding", 2);
	complete(&rig, 0);
	expect_used_in_order(&rig, 2);
	rig_close(&rig);
}

static void a_stop_waits_for_the_oldest(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 3);
	rig_send_stop(&rig, 0);
	complete(&rig, 2);
	complete(&rig, 1);
	rig_assert_idle(&rig);
	rig_assert_no_reply(&rig);
	expect_used_in_order(&rig, 0);
	complete(&rig, 0);
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 3));
	expect_used_in_order(&rig, 3);
	rig_close(&rig);
}

/* In queue_stop: what can be put back goes back, the newest first. */
static void put_back_or_complete(struct rig *rig, struct rig_queue *q)
{
	while (q->n_held > 1)
		assert_ok(vu_req_put_back(q->held[--q->n_held]));
	assert_int_equal(vu_queue_outstanding(q->queue), 2);
	complete(rig, 0);
}

static void what_is_put_back_at_a_stop_comes_again(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 4);
	complete(&rig, 1);
	rig.on_stop = put_back_or_complete;
	rig_stop_queue(&rig, 0);
	rig.on_stop = NULL;
	assert_int_equal(rig.peer->queues[0]->base, rig_base(&rig, 0, 2));
	expect_used_in_order(&rig, 2);
	rig_start_queue(&rig, 0);
	rig_pump(&rig);
	assert_int_equal(rig.queues[0].n_held, 2);
	complete(&rig, 1);
	complete(&rig, 0);
	expect_used_in_order(&rig, 2);
	rig_close(&rig);
}

static void a_lost_session_lets_go_of_what_is_held(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 4);
	complete(&rig, 3);
	complete(&rig, 1);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 4);
	peer_disconnect(rig.peer);
	rig_assert_idle(&rig);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 2);
	expect_used_in_order(&rig, 0);
	rig_start(&rig);
	complete(&rig, 1);
	complete(&rig, 0);
	rig_pump(&rig);
	/* For the driver none of them was ever done. */
	assert_int_equal(rig.queues[0].n_held, 4);
	for (uint32_t i = 4; i; i--)
		complete(&rig, i - 1);
	expect_used_in_order(&rig, 4);
	rig_close(&rig);
}

static void a_broken_queue_lets_go_of_what_is_held(void **state)
{
	static const struct driver_seg nowhere = {UINT64_C(1) << 60, 1, false};
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 3);
	complete(&rig, 2);
	assert_true(driver_add(rig.peer->queues[0], &nowhere, 1, NULL) >= 0);
	driver_publish(rig.peer->queues[0]);
	assert_ok(driver_kick_always(rig.peer->queues[0]));
	rig_assert_idle(&rig);
	rig_expect_errors(&rig, "queue 0: broken", 1);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 2);
	complete(&rig, 0);
	complete(&rig, 0);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	expect_used_in_order(&rig, 0);
	/* The driver resets it. */
	rig_stop_queue(&rig, 0);
	driver_reset(rig.peer->queues[0]);
	rig_start_queue(&rig, 0);
	rig_submit(&rig, 0, 2);
	rig_pump(&rig);
	complete(&rig, 1);
	complete(&rig, 0);
	expect_used_in_order(&rig, 2);
	rig_close(&rig);
}

static void memory_may_change_under_what_is_held(void **state)
{
	struct rig rig;

	(void)state;
	open_with_held(&rig, &in_order, 3);
	complete(&rig, 2);
	complete(&rig, 1);
	assert_ok(frontend_set_mem_table(&rig.peer->frontend, rig.peer->guest));
	rig_pump(&rig);
	expect_used_in_order(&rig, 0);
	complete(&rig, 0);
	expect_used_in_order(&rig, 3);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_driver_gets_them_in_its_order),
		cmocka_unit_test(a_driver_that_did_not_ask_for_it_gets_them_as_they_come),
		cmocka_unit_test(a_batch_in_reverse_is_used_in_order),
		cmocka_unit_test(completions_from_elsewhere_keep_the_order),
		cmocka_unit_test(what_was_completed_is_not_the_devices_any_more),
		cmocka_unit_test(a_stop_waits_for_the_oldest),
		cmocka_unit_test(what_is_put_back_at_a_stop_comes_again),
		cmocka_unit_test(a_lost_session_lets_go_of_what_is_held),
		cmocka_unit_test(a_broken_queue_lets_go_of_what_is_held),
		cmocka_unit_test(memory_may_change_under_what_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
