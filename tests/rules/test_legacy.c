/* SPDX-License-Identifier: MIT */
/* Rules: drivers without VERSION_1, as firmware and old guests have them. */
#include <string.h>

#include "rules/rig.h"

enum { OWN_BIT = 3 };

/* All that a legacy driver can accept: it sees 32 bits. */
static const uint64_t low_bits = UINT32_MAX & ~RIG_BIT(VU_F_LOG_ALL);

static struct rig_config legacy_config(void)
{
	return (struct rig_config){
		.device = {.features = RIG_BIT(OWN_BIT), .flags = VU_DEVICE_LEGACY},
		.peer = {.features = low_bits},
	};
}

/* The byte order of a legacy guest is not known on a big-endian host. */
static void need_little_endian(void)
{
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		skip();
}

static void a_legacy_driver_is_served_where_the_device_can(void **state)
{
	const struct rig_config config = legacy_config();
	struct rig rig;

	(void)state;
	need_little_endian();
	rig_open(&rig, &config);
	assert_true(vu_device_features(rig.dev) & RIG_BIT(OWN_BIT));
	assert_true(vu_device_features(rig.dev) & RIG_BIT(VU_F_ANY_LAYOUT));
	assert_false(vu_device_features(rig.dev) & RIG_BIT(VU_F_VERSION_1));
	rig_roundtrip(&rig, 0, 3);
	rig_roundtrip(&rig, 1, 3);
	assert_ok(peer_stop(rig.peer));
	assert_int_equal(rig_logged(&rig, "offered"), 0);
	assert_int_equal(rig_logged(&rig, "legacy"), 0);
	rig_close(&rig);
}

static void a_legacy_driver_needs_no_status_and_no_feature(void **state)
{
	struct rig_config config = legacy_config();
	struct rig rig;

	(void)state;
	need_little_endian();
	config.peer.features = config.peer.protocol_features = PEER_NONE;
	rig_open(&rig, &config);
	assert_true(vu_device_features(rig.dev) == 0);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void a_legacy_driver_is_told_apart_in_one_line_where_the_device_cannot(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_false(rig_front(&rig)->offered_features & RIG_BIT(VU_F_ANY_LAYOUT));
	rig.peer->config.features = low_bits;
	/* QEMU sets FEATURES_OK in the driver's name. */
	assert_int_equal(peer_set_driver(rig.peer), -EREMOTEIO);
	assert_ok(frontend_set_memory(rig_front(&rig), rig.peer->guest));
	assert_int_equal(peer_start_queue(rig.peer, 0), -ECONNRESET);
	rig_expect_errors(&rig, "VERSION_1", 1);
	assert_int_equal(rig_logged(&rig, "legacy driver"), 1);
	assert_int_equal(rig_logged(&rig, "disable-legacy=on"), 1);
	assert_int_equal(rig_logged(&rig, "virtio-mmio.force-legacy=off"), 1);
	assert_int_equal(rig.started, 0);
	rig_close(&rig);
}

/* Refused at its start, with this in the log. */
static void expect_refusal(const struct rig_config *config, uint64_t acked, const char *line)
{
	struct rig rig;

	rig_make(&rig, config);
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(frontend_set_features(rig_front(&rig), acked));
	assert_ok(frontend_set_memory(rig_front(&rig), rig.peer->guest));
	assert_int_equal(peer_start_queue(rig.peer, 0), -ECONNRESET);
	rig_expect_errors(&rig, line, 1);
	rig_close(&rig);
}

static void a_bit_that_legacy_drivers_cannot_see_needs_version_1(void **state)
{
	const struct rig_config config = legacy_config();

	(void)state;
	expect_refusal(&config, RIG_BIT(VU_F_RING_PACKED), "VERSION_1");
	expect_refusal(&config, RIG_BIT(VU_F_IN_ORDER), "VERSION_1");
}

static void what_the_device_requires_a_legacy_driver_has_to_accept_too(void **state)
{
	struct rig_config config = legacy_config();

	(void)state;
	need_little_endian();
	config.device.required = RIG_BIT(OWN_BIT);
	expect_refusal(&config, RIG_BIT(VU_F_EVENT_IDX), "the device also needs 0x8");
	config.device.required = RIG_BIT(VU_F_VERSION_1);
	expect_refusal(&config, RIG_BIT(VU_F_EVENT_IDX), "VERSION_1");
}

/* Firmware, then the kernel, then firmware again: by a reset, or (*state) by stops alone. */
static void legacy_and_modern_drivers_take_turns_in_one_session(void **state)
{
	struct rig_config config = legacy_config();
	struct rig rig;

	need_little_endian();
	rig_open(&rig, &config);
	for (int i = 0; i < 4; i++) {
		bool modern = i % 2;

		assert_int_equal(vu_device_features(rig.dev) >> VU_F_VERSION_1 & 1, modern);
		rig_roundtrip(&rig, 0, 3);
		rig_roundtrip(&rig, 1, 3);
		assert_ok(peer_stop(rig.peer));
		if (!*state)
			assert_ok(frontend_reset_device(rig_front(&rig)));
		rig.peer->config.features = modern ? low_bits : ~RIG_BIT(VU_F_LOG_ALL);
		assert_ok(peer_set_driver(rig.peer));
		for (uint32_t q = 0; q < 2; q++) {
			driver_reset(rig.peer->queues[q]);
			rig_start_queue(&rig, q);
		}
	}
	assert_int_equal(rig.started, 5);
	rig_close(&rig);
}

int main(void)
{
	static bool without_reset = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_legacy_driver_is_served_where_the_device_can),
		cmocka_unit_test(a_legacy_driver_needs_no_status_and_no_feature),
		cmocka_unit_test(a_legacy_driver_is_told_apart_in_one_line_where_the_device_cannot),
		cmocka_unit_test(a_bit_that_legacy_drivers_cannot_see_needs_version_1),
		cmocka_unit_test(what_the_device_requires_a_legacy_driver_has_to_accept_too),
		cmocka_unit_test(legacy_and_modern_drivers_take_turns_in_one_session),
		{"legacy_and_modern_drivers_take_turns_without_a_reset",
		 legacy_and_modern_drivers_take_turns_in_one_session, NULL, NULL, &without_reset},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
