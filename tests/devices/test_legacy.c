/* SPDX-License-Identifier: MIT */
/* What the devices that came after virtio 1.0 tell of a driver without VERSION_1. */
#include "devices/rig.h"

#include <stdlib.h>

const char *const rig_program = "VU_I2C"; /* others' are started by their own names */

static void start_as_legacy_driver(struct rig *rig, const char *program)
{
	const char *argv[] = {getenv(program), "--socket-path", rig->socket, NULL};
	struct frontend *front;

	spawn_start(&rig->program, argv, NULL);
	spawn_wait_listening(rig->socket);
	rig->config.features = UINT32_MAX; /* all that such a driver sees */
	assert_int_equal(peer_new(&rig->config, &rig->peer), 0);
	front = &rig->peer->frontend;
	rig_check(rig, peer_connect(rig->peer, rig->socket));
	rig_check(rig, peer_negotiate(rig->peer));
	/* QEMU does so, and starts whatever comes back. */
	assert_int_equal(peer_set_driver(rig->peer), -EREMOTEIO);
	rig_check(rig, frontend_set_memory(front, rig->peer->guest));
	assert_int_equal(peer_start_queue(rig->peer, 0), -ECONNRESET);
}

static void tells_of(struct rig *rig, const char *program)
{
	start_as_legacy_driver(rig, program);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "VERSION_1 is not among the features"), 1);
	assert_int_equal(rig_logged(rig, "it is a legacy driver"), 1);
	assert_int_equal(rig_logged(rig, "disable-legacy=on"), 1);
	assert_int_equal(rig_logged(rig, "-global virtio-mmio.force-legacy=off"), 1);
	assert_int_equal(rig_logged(rig, "error: "), 1);
}

static void vu_i2c_tells_what_a_legacy_driver_needs(void **state)
{
	tells_of(*state, "VU_I2C");
}

static void vu_gpio_tells_what_a_legacy_driver_needs(void **state)
{
	tells_of(*state, "VU_GPIO");
}

static void vu_input_tells_what_a_legacy_driver_needs(void **state)
{
	tells_of(*state, "VU_INPUT");
}

static void vu_scmi_tells_what_a_legacy_driver_needs(void **state)
{
	tells_of(*state, "VU_SCMI");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vu_i2c_tells_what_a_legacy_driver_needs),
		TEST(vu_gpio_tells_what_a_legacy_driver_needs),
		TEST(vu_input_tells_what_a_legacy_driver_needs),
		TEST(vu_scmi_tells_what_a_legacy_driver_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
