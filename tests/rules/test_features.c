/* SPDX-License-Identifier: MIT */
/* Rules: what a driver acks, device status, reset, the suspended state. */
#include <poll.h>
#include <string.h>

#include "rules/rig.h"

enum { STATUS_FEATURES_OK = 8, STATUS_DRIVER_OK = 4 };
enum { OWN_BIT = 3, STRANGE_BIT = 5 };

/* Up to where the driver would choose its features. */
static void negotiate(struct rig *rig, const struct rig_config *config)
{
	rig_make(rig, config);
	rig_connect(rig);
	assert_ok(peer_negotiate(rig->peer));
}

static void without_protocol_features_every_ring_is_enabled(void **state)
{
	const struct rig_config plain = {
		.peer = {.features = RIG_BIT(VU_F_VERSION_1) | RIG_BIT(VU_F_EVENT_IDX),
			 .protocol_features = PEER_NONE},
	};
	struct rig rig;

	(void)state;
	/* The peer sends no SET_VRING_ENABLE then. */
	rig_open(&rig, &plain);
	assert_true(rig_front(&rig)->features == plain.peer.features);
	rig_roundtrip(&rig, 0, 2);
	rig_roundtrip(&rig, 1, 2);
	rig_close(&rig);
}

static void with_protocol_features_no_ring_is_enabled_by_itself(void **state)
{
	struct rig rig;

	(void)state;
	negotiate(&rig, NULL);
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(frontend_set_memory(rig_front(&rig), rig.peer->guest));
	assert_ok(peer_start_queue(rig.peer, 0));
	rig_submit(&rig, 0, 2);
	rig_assert_idle(&rig);
	assert_int_equal(rig_collect(&rig, 0), 0);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, true));
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void device_bits_that_were_not_offered_are_logged_once_and_not_reported(void **state)
{
	const struct rig_config config = {.device = {.features = RIG_BIT(OWN_BIT)}};
	const uint64_t acked = RIG_BIT(VU_F_VERSION_1) | RIG_BIT(VU_F_PROTOCOL_FEATURES) |
			       RIG_BIT(OWN_BIT) | RIG_BIT(STRANGE_BIT);
	struct rig rig;

	(void)state;
	negotiate(&rig, &config);
	for (int i = 0; i < 3; i++)
		assert_ok(frontend_set_features(rig_front(&rig), acked));
	assert_int_equal(rig_logged(&rig, "not offered: 0x20"), 1);
	assert_true(vu_device_features(rig.dev) == (RIG_BIT(VU_F_VERSION_1) | RIG_BIT(OWN_BIT)));
	assert_int_equal(vu_device_has_feature(rig.dev, OWN_BIT), 1);
	assert_int_equal(vu_device_has_feature(rig.dev, STRANGE_BIT), 0);
	assert_int_equal(vu_device_has_feature(rig.dev, 64 + OWN_BIT), 0);
	assert_int_equal(vu_device_has_feature(rig.dev, UINT32_MAX), 0);
	assert_ok(peer_start_rings(rig.peer));
	rig_roundtrip(&rig, 0, 2);
	rig_close(&rig);
}

/* What QEMU's generic vhost-user device does: the driver has it from QEMU, whatever we offer. */
static void ring_bits_that_were_not_offered_are_obeyed(void **state)
{
	const struct rig_config config = {
		.device = {.forbidden = RIG_BIT(VU_F_EVENT_IDX) | RIG_BIT(VU_F_INDIRECT_DESC)},
		.peer = {.max_indirect = 4},
	};
	struct driver_ring *ring;
	struct driver_used used;
	struct rig rig;
	uint64_t gpa;

	(void)state;
	negotiate(&rig, &config);
	assert_false(rig_front(&rig)->offered_features & config.device.forbidden);
	assert_ok(frontend_set_features(
		rig_front(&rig), (rig_front(&rig)->offered_features & ~RIG_BIT(VU_F_RING_PACKED)) |
					 config.device.forbidden));
	ring = rig.peer->queues[0];
	ring->event_idx = rig.peer->queues[1]->event_idx = true;
	assert_ok(peer_start_rings(rig.peer));
	rig_roundtrip(&rig, 0, 1);
	driver_take_calls(ring);
	/* EVENT_IDX: the driver wants to hear of the third from here on. */
	driver_call_after(ring, 2, 2);
	for (int i = 0; i < 3; i++) {
		rig_submit(&rig, 0, 1);
		rig_pump(&rig);
		assert_int_equal(driver_take_calls(ring), i == 2);
	}
	assert_int_equal(rig_collect(&rig, 0), 3);
	gpa = guest_alloc(rig.peer->guest, 4096, 64);
	assert_true(driver_add_indirect(ring,
					(struct driver_seg[]){{gpa, 8, false}, {gpa + 8, 8, true}},
					2, NULL) >= 0);
	assert_ok(peer_wait_used(rig.peer, 0, &used));
	assert_int_equal(used.len, 8);
	rig_close(&rig);
}

static void a_driver_without_version_1_ends_the_session_at_the_start(void **state)
{
	struct rig rig;

	(void)state;
	negotiate(&rig, NULL);
	rig.peer->config.features = ~(RIG_BIT(VU_F_VERSION_1) | RIG_BIT(VU_F_RING_PACKED));
	/* Not before: QEMU sends features before a driver has chosen. */
	assert_ok(frontend_set_features(rig_front(&rig), RIG_BIT(VU_F_PROTOCOL_FEATURES)));
	assert_ok(frontend_set_memory(rig_front(&rig), rig.peer->guest));
	assert_ok(frontend_setup_ring(rig_front(&rig), rig.peer->queues[0], 0));
	rig_assert_idle(&rig);
	assert_int_equal(
		frontend_set_vring_kick(rig_front(&rig), 0, rig.peer->queues[0]->kick.device),
		-ECONNRESET);
	rig_expect_errors(&rig, "cannot start", 1);
	assert_int_equal(rig.ended, 1);
	assert_int_equal(rig.started, 0);
	rig_close(&rig);
}

static void a_driver_that_chooses_again_can_start(void **state)
{
	struct rig rig;

	(void)state;
	negotiate(&rig, NULL);
	assert_ok(frontend_set_features(rig_front(&rig), RIG_BIT(VU_F_PROTOCOL_FEATURES)));
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(peer_start_rings(rig.peer));
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void a_veto_leaves_features_ok_clear_and_ends_the_session_at_a_start(void **state)
{
	uint64_t status;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.features_acked_result = -ENOTSUP;
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_int_equal(peer_set_driver(rig.peer), -EREMOTEIO);
	rig_expect_errors(&rig, "FEATURES_OK stays clear", 1);
	assert_ok(frontend_get_status(rig_front(&rig), &status));
	assert_int_equal(status, 1 | 2);
	assert_int_equal(vu_device_is_attached(rig.dev), 1);
	assert_ok(frontend_set_memory(rig_front(&rig), rig.peer->guest));
	assert_int_equal(peer_start_queue(rig.peer, 0), -ECONNRESET);
	rig_expect_errors(&rig, "cannot start", 1);
	rig_close(&rig);
}

static void a_required_bit_is_a_condition_of_the_start(void **state)
{
	const struct rig_config config = {
		.device = {.features = RIG_BIT(OWN_BIT), .required = RIG_BIT(OWN_BIT)},
		.peer = {.features = RIG_BIT(VU_F_VERSION_1)},
	};
	struct rig rig;

	(void)state;
	negotiate(&rig, &config);
	assert_int_equal(peer_set_driver(rig.peer), -EREMOTEIO);
	rig_expect_errors(&rig, "FEATURES_OK stays clear", 1);
	rig.peer->config.features |= RIG_BIT(OWN_BIT);
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(peer_start_rings(rig.peer));
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

static void a_device_that_refuses_to_start_ends_the_session(void **state)
{
	struct rig rig;

	(void)state;
	negotiate(&rig, NULL);
	rig.started_result = -EIO;
	assert_ok(peer_set_driver(rig.peer));
	assert_int_equal(peer_start_rings(rig.peer), -ECONNRESET);
	rig_expect_errors(&rig, "refused to start", 1);
	assert_int_equal(rig.started, 1);
	assert_int_equal(rig.queues[0].ready, 0);
	rig_close(&rig);
}

/* By RESET_DEVICE, or (*state) by a status of 0. */
static void a_reset_stops_and_disables_all_and_the_session_stays(void **state)
{
	struct vu_req *req;
	struct rig rig;
	uint64_t status;

	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 3);
	if (*state)
		assert_ok(frontend_set_status(rig_front(&rig), 0));
	else
		assert_ok(frontend_reset_device(rig_front(&rig)));
	assert_int_equal(rig.resets, 1);
	assert_int_equal(rig.stopped, 1);
	assert_int_equal(rig.queues[0].stops, 1);
	assert_int_equal(rig.queues[1].stops, 1);
	assert_ok(frontend_get_status(rig_front(&rig), &status));
	assert_int_equal(status, 0);
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), -ESHUTDOWN);
	rig_submit(&rig, 0, 1);
	rig_assert_idle(&rig);
	assert_int_equal(vu_device_is_attached(rig.dev), 1);
	/* The next driver. */
	driver_reset(rig.peer->queues[0]);
	driver_reset(rig.peer->queues[1]);
	assert_ok(peer_set_driver(rig.peer));
	/* Started but not enabled: the reset disabled it. */
	assert_ok(peer_start_queue(rig.peer, 0));
	rig_submit(&rig, 0, 2);
	rig_assert_idle(&rig);
	assert_int_equal(rig_collect(&rig, 0), 0);
	assert_ok(frontend_set_vring_enable(rig_front(&rig), 0, true));
	rig_wait_used(&rig, 0, 2);
	assert_int_equal(rig.started, 2);
	rig_close(&rig);
}

static void a_reset_of_a_device_that_never_started_is_a_reset(void **state)
{
	struct rig rig;

	(void)state;
	negotiate(&rig, NULL);
	assert_ok(frontend_reset_device(rig_front(&rig)));
	assert_ok(frontend_set_status(rig_front(&rig), 0));
	assert_int_equal(rig.resets, 2);
	assert_int_equal(rig.stopped, 0);
	assert_int_equal(rig.queues[0].stops, 0);
	rig_close(&rig);
}

static void a_suspended_device_tells_of_changes_when_it_starts(void **state)
{
	const struct rig_config config = {.device = {.config_size = 4}};
	struct frontend_msg msg;
	struct rig rig;

	(void)state;
	negotiate(&rig, &config);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 1; i < 4; i++) {
			uint32_t value = i + round * 16;

			assert_ok(vu_config_set(rig.dev, 0, &value, sizeof(value)));
			rig_assert_idle(&rig);
			assert_int_equal(frontend_recv_backend(rig_front(&rig), &msg, 0), -EAGAIN);
		}
		if (!round) {
			assert_ok(peer_set_driver(rig.peer));
			assert_ok(peer_start_rings(rig.peer));
		} else {
			rig_start_queue(&rig, 1);
		}
		assert_ok(frontend_expect_backend(rig_front(&rig), WIRE_BACKEND_CONFIG_CHANGE_MSG,
						  &msg));
		rig_pump(&rig);
		/* One for all of them; none where nothing changes. */
		assert_ok(vu_config_get(rig.dev, 0, msg.payload, 4));
		assert_ok(vu_config_set(rig.dev, 0, msg.payload, 4));
		rig_assert_idle(&rig);
		assert_int_equal(frontend_recv_backend(rig_front(&rig), &msg, 0), -EAGAIN);
		assert_ok(peer_stop(rig.peer));
	}
	rig_close(&rig);
}

static void a_device_starts_with_its_first_ring_and_stops_with_its_last(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_int_equal(rig.started, 1);
	rig_stop_queue(&rig, 0);
	assert_int_equal(rig.stopped, 0);
	rig_start_queue(&rig, 0);
	rig_stop_queue(&rig, 0);
	rig_stop_queue(&rig, 1);
	rig_stop_queue(&rig, 1);
	assert_int_equal(rig.started, 1);
	assert_int_equal(rig.stopped, 1);
	rig_start_queue(&rig, 1);
	assert_int_equal(rig.started, 2);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(rig.stopped, 2);
	rig_close(&rig);
}

/* The messages have room for 64: such a device could not start. */
static void bits_beyond_63_may_be_offered_but_not_required(void **state)
{
	struct vu_device_info info = {
		.size = sizeof(info), .n_queues = 1, .features_high = 3, .forbidden_high = 1};
	struct vu_device *dev;

	(void)state;
	assert_ok(vu_device_new(&info, NULL, NULL, &dev));
	vu_device_free(dev);
	info.required_high = 2;
	assert_int_equal(vu_device_new(&info, NULL, NULL, &dev), -EINVAL);
}

int main(void)
{
	static bool by_status = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_beyond_63_may_be_offered_but_not_required),
		cmocka_unit_test(without_protocol_features_every_ring_is_enabled),
		cmocka_unit_test(with_protocol_features_no_ring_is_enabled_by_itself),
		cmocka_unit_test(
			device_bits_that_were_not_offered_are_logged_once_and_not_reported),
		cmocka_unit_test(ring_bits_that_were_not_offered_are_obeyed),
		cmocka_unit_test(a_driver_without_version_1_ends_the_session_at_the_start),
		cmocka_unit_test(a_driver_that_chooses_again_can_start),
		cmocka_unit_test(a_veto_leaves_features_ok_clear_and_ends_the_session_at_a_start),
		cmocka_unit_test(a_required_bit_is_a_condition_of_the_start),
		cmocka_unit_test(a_device_that_refuses_to_start_ends_the_session),
		cmocka_unit_test(a_reset_stops_and_disables_all_and_the_session_stays),
		{"a_status_of_0_stops_and_disables_all_and_the_session_stays",
		 a_reset_stops_and_disables_all_and_the_session_stays, NULL, NULL, &by_status},
		cmocka_unit_test(a_reset_of_a_device_that_never_started_is_a_reset),
		cmocka_unit_test(a_suspended_device_tells_of_changes_when_it_starts),
		cmocka_unit_test(a_device_starts_with_its_first_ring_and_stops_with_its_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
