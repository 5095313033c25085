/* SPDX-License-Identifier: MIT */
/* Rules: a ring error breaks its queue only; start without stop; scans, disabled rings; in-band. */
#include <string.h>

#include "rules/rig.h"

/* The driver offers a buffer that does not exist. */
static void offer_nowhere(struct driver_ring *ring)
{
	static const struct driver_seg nowhere = {UINT64_C(1) << 60, 1, false};

	assert_true(driver_add(ring, &nowhere, 1, NULL) >= 0);
	driver_publish(ring);
}

static void break_ring(struct rig *rig, uint32_t q)
{
	offer_nowhere(rig->peer->queues[q]);
	assert_ok(driver_kick_always(rig->peer->queues[q]));
	rig_assert_idle(rig);
	rig_expect_errors(rig, q ? "queue 1: broken" : "queue 0: broken", 1);
}

static void a_ring_error_breaks_only_that_queue(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 2);
	break_ring(&rig, 0);
	assert_int_equal(driver_take_errs(rig.peer->queues[0]), 1);
	assert_int_equal(driver_take_errs(rig.peer->queues[1]), 0);
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), -EIO);
	rig_roundtrip(&rig, 1, 5);
	assert_int_equal(rig.ended, 0);
	assert_int_equal(vu_device_is_attached(rig.dev), 1);
	/* The driver resets the queue. */
	rig_stop_queue(&rig, 0);
	driver_reset(rig.peer->queues[0]);
	rig_start_queue(&rig, 0);
	rig_roundtrip(&rig, 0, 5);
	rig_close(&rig);
}

static void kicks_of_a_broken_queue_keep_nobody_busy(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	break_ring(&rig, 0);
	driver_take_errs(rig.peer->queues[0]);
	for (int i = 0; i < 10; i++) {
		assert_ok(driver_kick_always(rig.peer->queues[0]));
		rig_assert_idle(&rig);
	}
	assert_int_equal(rig_logged(&rig, "broken"), 1);
	assert_int_equal(driver_take_errs(rig.peer->queues[0]), 0);
	rig_close(&rig);
}

static void a_ring_error_found_by_the_device_is_told_too(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_leave(&rig, 0, 1);
	rig_assert_idle(&rig);
	offer_nowhere(rig.peer->queues[0]);
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 1);
	assert_ok(vu_req_complete(req, rig_invert(req)));
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), -EIO);
	rig_assert_idle(&rig);
	rig_expect_errors(&rig, "queue 0: broken", 1);
	assert_int_equal(driver_take_errs(rig.peer->queues[0]), 1);
	rig_close(&rig);
}

static void a_kick_descriptor_for_a_started_ring_restarts_it(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 3);
	/* Disabled, it is not looked at: the driver may do with it what it wants. */
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, false));
	driver_reset(rig.peer->queues[0]);
	rig_submit(&rig, 0, 2);
	rig_start_queue(&rig, 0);
	assert_int_equal(rig.queues[0].stops, 1);
	assert_int_equal(rig.queues[1].stops, 0);
	assert_int_equal(rig.stopped, 0);
	rig_wait_used(&rig, 0, 2);
	rig_roundtrip(&rig, 0, 2);
	rig_close(&rig);
}

static void a_restart_without_a_base_goes_on_where_the_ring_was(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 3);
	assert_ok(frontend_set_vring_kick(rig_front(&rig), 0, rig.peer->queues[0]->kick.device));
	rig_roundtrip(&rig, 0, 3);
	assert_int_equal(rig.queues[0].served, 6);
	rig_close(&rig);
}

static void a_restart_waits_for_outstanding_requests(void **state)
{
	const struct wire_vring_state num = {0, PEER_QUEUE_SIZE};
	struct wire_vring_state base = {0, 0};
	const uint64_t index = 0;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_hold(&rig, 0, 2);
	rig.mode = RIG_SERVE;
	rig_add(&rig, 0);
	driver_publish(rig.peer->queues[0]);
	base.num = rig_base(&rig, 0, 2);
	rig_send(&rig, WIRE_SET_VRING_NUM, &num, sizeof(num), NULL, 0);
	assert_int_equal(rig_recv_ack(&rig, WIRE_SET_VRING_NUM), 0);
	rig_send(&rig, WIRE_SET_VRING_BASE, &base, sizeof(base), NULL, 0);
	assert_int_equal(rig_recv_ack(&rig, WIRE_SET_VRING_BASE), 0);
	/* It may be served or not until here; from the next message on it is not. */
	rig.mode = RIG_LEAVE;
	rig_send(&rig, WIRE_SET_VRING_KICK, &index, sizeof(index),
		 &rig.peer->queues[0]->kick.device, 1);
	rig_assert_no_reply(&rig);
	assert_int_equal(rig.queues[0].stops, 1);
	rig_complete_held(&rig, 0);
	rig_assert_no_reply(&rig);
	rig.mode = RIG_SERVE;
	rig_complete_held(&rig, 0);
	assert_int_equal(rig_recv_ack(&rig, WIRE_SET_VRING_KICK), 0);
	rig_wait_used(&rig, 0, 3);
	rig_close(&rig);
}

/* Another driver ring in the same guest, in which 5 chains have come and gone. */
static struct driver_ring *another_ring(struct rig *rig)
{
	const struct driver_config config = {
		.guest = rig->peer->guest, .size = 16, .packed = rig->peer->config.packed};
	struct driver_ring *r;

	assert_ok(driver_new(&config, &r));
	r->event_idx = rig->peer->queues[0]->event_idx;
	driver_set_base(r, driver_base_after(r, 5, 2));
	driver_set_interrupts(r, true);
	return r;
}

static void size_base_and_addresses_take_effect_at_the_next_start(void **state)
{
	struct driver_ring *first, *second;
	struct driver_fds own;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 2);
	first = rig.peer->queues[0];
	second = another_ring(&rig);
	assert_ok(frontend_setup_ring(rig_front(&rig), second, 0));
	/* Kick and call are the first one's, for both. */
	rig_roundtrip(&rig, 0, 3);
	assert_int_equal(rig.queues[0].stops, 0);
	assert_ok(frontend_set_vring_kick(rig_front(&rig), 0, first->kick.device));
	assert_int_equal(rig.queues[0].stops, 1);
	rig.peer->queues[0] = second;
	own = second->kick;
	second->kick = first->kick;
	rig_roundtrip(&rig, 0, 8);
	rig_roundtrip(&rig, 0, 8);
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	rig_stop_queue(&rig, 0);
	assert_int_equal(second->base, driver_base_after(second, 5 + 8 + 8 + 1, 2));
	rig.peer->queues[0] = first;
	second->kick = own;
	driver_free(second);
	rig_close(&rig);
}

static void a_ring_is_scanned_on_start_without_a_kick(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig_connect(&rig);
	rig_add(&rig, 0);
	rig_add(&rig, 0);
	driver_publish(rig.peer->queues[0]);
	assert_ok(peer_start(rig.peer));
	rig_wait_used(&rig, 0, 2);
	rig_stop_queue(&rig, 0);
	rig_add(&rig, 0);
	driver_publish(rig.peer->queues[0]);
	rig_start_queue(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	rig_close(&rig);
}

static void a_disabled_ring_hands_out_nothing_and_is_scanned_when_enabled(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, false));
	/* Published without a kick first, and then with one. */
	for (int kick = 0; kick < 2; kick++) {
		rig.queues[0].ready = 0;
		rig_add(&rig, 0);
		driver_publish(rig.peer->queues[0]);
		if (kick)
			assert_ok(driver_kick_always(rig.peer->queues[0]));
		rig_assert_idle(&rig);
		assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), -ESHUTDOWN);
		assert_int_equal(vu_queue_available(rig.queues[0].queue), 0);
		assert_int_equal(rig.queues[0].ready, 0);
		assert_int_equal(rig_collect(&rig, 0), 0);
		rig_roundtrip(&rig, 1, 2);
		assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, true));
		rig_wait_used(&rig, 0, 1);
		assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, false));
	}
	/* Neither is a stop. */
	assert_int_equal(rig.queues[0].stops, 0);
	rig_close(&rig);
}

static void a_request_taken_before_the_ring_was_disabled_is_completed_as_usual(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_hold(&rig, 0, 1);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, false));
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	assert_ok(peer_wait_call(rig.peer, 0));
	rig_close(&rig);
}

static void a_disabled_transmit_queue_discards_what_is_sent(void **state)
{
	const struct vu_queue_info discard = {.size = sizeof(discard), .discard_when_disabled = 1};
	struct driver_used used;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_ok(vu_queue_configure(rig.queues[0].queue, &discard));
	rig_start(&rig);
	assert_int_equal(vu_queue_configure(rig.queues[0].queue, &discard), -EBUSY);
	rig_roundtrip(&rig, 0, 1);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, false));
	rig.queues[0].ready = 0;
	driver_take_calls(rig.peer->queues[0]);
	for (int i = 0; i < 3; i++) {
		rig_submit(&rig, 0, 1);
		rig_assert_idle(&rig);
		assert_int_equal(driver_collect(rig.peer->queues[0], &used, 1), 1);
		assert_int_equal(used.len, 0);
		assert_true(driver_take_calls(rig.peer->queues[0]) > 0);
	}
	assert_int_equal(rig.queues[0].ready, 0);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, true));
	rig_roundtrip(&rig, 0, 2);
	rig_close(&rig);
}

/* More than one turn's worth: nobody has to kick for the rest. */
static void what_is_discarded_is_discarded_to_the_end(void **state)
{
	enum { MANY = 3000 };
	const struct vu_queue_info discard = {.size = sizeof(discard), .discard_when_disabled = 1};
	const struct rig_config config = {.peer = {.queue_size = 8192}};
	struct driver_used used;
	struct rig rig;
	int n = 0;

	(void)state;
	rig_make(&rig, &config);
	assert_ok(vu_queue_configure(rig.queues[0].queue, &discard));
	rig_start(&rig);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, false));
	rig_submit(&rig, 0, MANY);
	rig_pump(&rig);
	while (driver_collect(rig.peer->queues[0], &used, 1) == 1)
		n += used.len == 0;
	assert_int_equal(n, MANY);
	assert_int_equal(rig.completed, 0);
	rig_close(&rig);
}

static void user_mode_linux_binds_anew_without_a_stop(void **state)
{
	const struct rig_config uml = {.peer = {.notifier = DRIVER_SOCKET}};
	struct rig rig;

	(void)state;
	needs_split_rings();
	rig_make(&rig, &uml);
	rig_connect(&rig);
	for (int i = 0; i < 3; i++) {
		rig.queues[0].buffers = rig.queues[1].buffers = 0;
		assert_ok(peer_start_uml(rig.peer));
		rig_roundtrip(&rig, 0, 3);
		rig_roundtrip(&rig, 1, 2);
		assert_ok(peer_wait_call(rig.peer, 0));
		assert_ok(peer_stop_uml(rig.peer));
		rig_assert_idle(&rig);
	}
	assert_int_equal(rig.queues[0].stops, 2);
	assert_int_equal(rig.stopped, 0);
	rig_close(&rig);
}

static const struct rig_config inband = {.device = {.flags = VU_DEVICE_INBAND},
					 .peer = {.notifier = DRIVER_NO_KICKS}};

/* Submit n, kick by message; the call comes by message too. */
static void inband_roundtrip(struct rig *rig, uint32_t q, uint32_t n)
{
	struct wire_vring_state state;
	struct frontend_msg msg;

	rig_submit(rig, q, n);
	rig_assert_idle(rig);
	assert_int_equal(rig_collect(rig, q), 0);
	/* Asks for a reply by itself: REPLY_ACK is negotiated. */
	assert_ok(frontend_vring_kick(rig_front(rig), q));
	rig_wait_used(rig, q, n);
	assert_ok(frontend_expect_backend(rig_front(rig), WIRE_BACKEND_VRING_CALL, &msg));
	assert_true(msg.hdr.flags & WIRE_NEED_REPLY);
	memcpy(&state, msg.payload, sizeof(state));
	assert_int_equal(state.index, q);
	assert_int_equal(state.num, 0);
	rig_assert_idle(rig);
}

static void notifications_go_in_band_from_bind_to_bind(void **state)
{
	struct rig rig;

	(void)state;
	needs_split_rings();
	rig_make(&rig, &inband);
	rig_connect(&rig);
	for (int i = 0; i < 3; i++) {
		rig.queues[0].buffers = rig.queues[1].buffers = 0;
		assert_ok(peer_start_uml(rig.peer));
		assert_int_equal(rig.started, 1);
		for (int j = 0; j < 3; j++) {
			inband_roundtrip(&rig, 0, 2);
			inband_roundtrip(&rig, 1, 1);
		}
		assert_ok(peer_stop_uml(rig.peer));
		rig_assert_idle(&rig);
	}
	rig_close(&rig);
}

static void a_front_end_that_answers_no_call_is_called_all_the_same(void **state)
{
	enum { CALLS = 1030, REMEMBERED = 1024 };
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	needs_split_rings();
	rig_make(&rig, &inband);
	rig_connect(&rig);
	assert_ok(peer_start_uml(rig.peer));
	for (int i = 0; i < CALLS; i++) {
		rig_submit(&rig, 0, 1);
		assert_ok(frontend_vring_kick(rig_front(&rig), 0));
		rig_wait_used(&rig, 0, 1);
		assert_ok(frontend_recv_backend(rig_front(&rig), &msg, 1000));
		assert_int_equal(msg.hdr.request, WIRE_BACKEND_VRING_CALL);
		/* No more are remembered to be answered. */
		assert_int_equal(!!(msg.hdr.flags & WIRE_NEED_REPLY), i < REMEMBERED);
	}
	rig_close(&rig);
}

static void an_in_band_ring_error_is_a_message(void **state)
{
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	needs_split_rings();
	rig_make(&rig, &inband);
	rig_connect(&rig);
	assert_ok(peer_start_uml(rig.peer));
	offer_nowhere(rig.peer->queues[0]);
	assert_ok(frontend_vring_kick(rig_front(&rig), 0));
	assert_ok(frontend_expect_backend(rig_front(&rig), WIRE_BACKEND_VRING_ERR, &msg));
	rig_expect_errors(&rig, "queue 0: broken", 1);
	inband_roundtrip(&rig, 1, 2);
	rig_close(&rig);
}

static void an_in_band_call_is_not_lost_when_the_device_stops(void **state)
{
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	needs_split_rings();
	rig_make(&rig, &inband);
	rig_connect(&rig);
	assert_ok(peer_start_uml(rig.peer));
	rig_stop_queue(&rig, 1);
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 1);
	assert_ok(frontend_vring_kick(rig_front(&rig), 0));
	rig_send_stop(&rig, 0);
	rig_complete_held(&rig, 0);
	rig_recv_stop(&rig, 0);
	assert_int_equal(rig.stopped, 1);
	assert_int_equal(rig_collect(&rig, 0), 1);
	assert_ok(frontend_expect_backend(rig_front(&rig), WIRE_BACKEND_VRING_CALL, &msg));
	rig_close(&rig);
}

static void an_in_band_call_of_a_dead_session_is_not_sent_to_the_next(void **state)
{
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	needs_split_rings();
	rig_make(&rig, &inband);
	rig_connect(&rig);
	assert_ok(peer_start_uml(rig.peer));
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 1);
	assert_ok(frontend_vring_kick(rig_front(&rig), 0));
	rig.mode = RIG_SERVE;
	rig_complete_held(&rig, 0);
	vu_queue_signal(rig.queues[0].queue);
	vu_device_detach(rig.dev);
	rig_pump(&rig);
	assert_int_equal(rig_collect(&rig, 0), 1);
	rig_connect(&rig);
	/* One that would not know the message. */
	rig.peer->config.protocol_features = ~RIG_BIT(WIRE_PF_INBAND_NOTIFICATIONS);
	assert_ok(peer_start(rig.peer));
	rig_pump(&rig);
	assert_int_equal(frontend_recv_backend(rig_front(&rig), &msg, 0), -EAGAIN);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_error_breaks_only_that_queue),
		cmocka_unit_test(kicks_of_a_broken_queue_keep_nobody_busy),
		cmocka_unit_test(a_ring_error_found_by_the_device_is_told_too),
		cmocka_unit_test(a_kick_descriptor_for_a_started_ring_restarts_it),
		cmocka_unit_test(a_restart_without_a_base_goes_on_where_the_ring_was),
		cmocka_unit_test(a_restart_waits_for_outstanding_requests),
		cmocka_unit_test(size_base_and_addresses_take_effect_at_the_next_start),
		cmocka_unit_test(a_ring_is_scanned_on_start_without_a_kick),
		cmocka_unit_test(a_disabled_ring_hands_out_nothing_and_is_scanned_when_enabled),
		cmocka_unit_test(
			a_request_taken_before_the_ring_was_disabled_is_completed_as_usual),
		cmocka_unit_test(a_disabled_transmit_queue_discards_what_is_sent),
		cmocka_unit_test(what_is_discarded_is_discarded_to_the_end),
		cmocka_unit_test(user_mode_linux_binds_anew_without_a_stop),
		cmocka_unit_test(notifications_go_in_band_from_bind_to_bind),
		cmocka_unit_test(a_front_end_that_answers_no_call_is_called_all_the_same),
		cmocka_unit_test(an_in_band_ring_error_is_a_message),
		cmocka_unit_test(an_in_band_call_is_not_lost_when_the_device_stops),
		cmocka_unit_test(an_in_band_call_of_a_dead_session_is_not_sent_to_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
