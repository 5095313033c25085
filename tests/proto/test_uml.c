/* SPDX-License-Identifier: MIT */
/* User-mode Linux's order of messages, its sockets as call fds, its in-band mode. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/dut.h"

/* UML's one region: far into its file, user addresses equal to guest addresses. */
static const struct guest_region uml_memory = {
	.gpa = 0x60000000,
	.size = 16 << 20,
	.uva = 0x60000000,
	.mmap_offset = 0x4c5000,
};

static const struct peer_config uml = {
	.notifier = DRIVER_SOCKET,
	.queue_size = 256,
	.n_regions = 1,
	.regions = &uml_memory,
};

static void umls_order_starts_the_rings(void **state)
{
	const struct dut_config config = {0};
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, &uml);
	dut_ok(peer, peer_start_uml(peer));
	dut_expect_echo(peer, 0);
	dut_expect_echo(peer, 1);
	dut_ok(peer, peer_wait_call(peer, 0));
	dut_ok(peer, peer_wait_call(peer, 1));
	dut_expect_alive(&dut, peer);
	assert_int_equal(dut.log.lines[VU_LOG_WARNING], 0);
	dut_hang_up(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

static void a_driver_is_unbound_and_bound_without_ever_stopping_a_ring(void **state)
{
	const struct dut_config config = {0};
	struct peer *peer;
	struct rig dut;
	uint32_t i, fds = 0;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, &uml);
	for (i = 0; i < 5; i++) {
		dut_ok(peer, peer_start_uml(peer));
		dut_expect_echo(peer, 0);
		dut_expect_echo(peer, 0);
		dut_expect_echo(peer, 1);
		dut_ok(peer, peer_stop_uml(peer));
		if (i == 0)
			fds = count_fds();
		assert_int_equal(count_fds(), fds);
	}
	dut_expect_alive(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

/* Their ring was reset by the driver meanwhile: what is completed now belongs to nothing. */
static void requests_of_an_unbound_driver_touch_nothing_of_the_next(void **state)
{
	const struct dut_config config = {.n_queues = 1};
	struct driver_used used;
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	dut.mode = RIG_HOLD;
	dut.on_stop = dut_finish_on_stop;
	peer = dut_peer(&dut, &uml);
	dut_ok(peer, peer_start_uml(peer));
	dut_add_request(peer, 0);
	assert_int_equal(driver_kick(peer->queues[0]), 1);
	dut_expect_alive(&dut, peer);
	assert_int_equal(rig_held(&dut), 1);
	dut_ok(peer, peer_stop_uml(peer));
	/* SET_VRING_KICK on the started ring stops it first: the request is finished then. */
	dut_ok(peer, peer_start_uml(peer));
	assert_int_equal(rig_stops(&dut), 1);
	assert_int_equal(rig_held(&dut), 0);
	dut_add_request(peer, 0);
	assert_int_equal(driver_kick(peer->queues[0]), 1);
	dut_expect_alive(&dut, peer);
	assert_int_equal(rig_held(&dut), 1);
	dut_finish(&dut);
	dut_ok(peer, peer_wait_used(peer, 0, &used));
	peer_free(peer);
	dut_free(&dut);
}

static void in_band_rings_start_on_enable_and_notify_by_message(void **state)
{
	const struct dut_config config = {.flags = VU_DEVICE_INBAND};
	struct peer_config peer_config = uml;
	struct frontend_msg msg;
	struct driver_used used;
	struct wire_vring_state vring;
	struct peer *peer;
	struct rig dut;
	uint32_t i;

	peer_config.notifier = DRIVER_NO_KICKS;
	dut_new(&dut, &config);
	peer = dut_peer(&dut, &peer_config);
	dut_ok(peer, peer_start_uml(peer));
	for (i = 0; i < 3; i++) {
		dut_add_request(peer, 1);
		driver_publish(peer->queues[1]);
		dut_ok(peer, frontend_vring_kick(&peer->frontend, 1));
		dut_ok(peer, peer_wait_used(peer, 1, &used));
		dut_ok(peer,
		       frontend_expect_backend(&peer->frontend, WIRE_BACKEND_VRING_CALL, &msg));
		memcpy(&vring, msg.payload, sizeof(vring));
		assert_int_equal(vring.index, 1);
	}
	dut_expect_alive(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

/* With SIGPIPE at its default the process would die. */
static void a_guest_that_closed_its_call_socket_raises_no_signal(void **state)
{
	const struct dut_config config = {0};
	struct driver_ring *ring;
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, &uml);
	dut_ok(peer, peer_start_uml(peer));
	ring = peer->queues[0];
	close(ring->call.driver);
	ring->call.driver = -1;
	dut_expect_echo(peer, 0);
	dut_expect_echo(peer, 0);
	dut_expect_alive(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

static void a_full_call_socket_does_not_hang_the_device(void **state)
{
	const struct dut_config config = {0};
	static const char junk[4096];
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, &uml);
	dut_ok(peer, peer_start_uml(peer));
	while (send(peer->queues[0]->call.device, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	/* As blocking as the front-end may have made it. */
	fcntl(peer->queues[0]->call.device, F_SETFL, 0);
	dut_expect_echo(peer, 0);
	dut_expect_echo(peer, 0);
	dut_expect_alive(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

static void a_full_call_eventfd_does_not_hang_the_device(void **state)
{
	const uint64_t most = UINT64_MAX - 1;
	const struct dut_config config = {0};
	struct driver_ring *ring;
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, NULL);
	ring = peer->queues[0];
	fcntl(ring->call.device, F_SETFL, 0);
	dut_ok(peer, peer_start(peer));
	driver_take_calls(ring);
	assert_int_equal(write(ring->call.device, &most, sizeof(most)), sizeof(most));
	dut_expect_echo(peer, 0);
	dut_expect_echo(peer, 0);
	dut_expect_alive(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(umls_order_starts_the_rings),
		cmocka_unit_test(a_driver_is_unbound_and_bound_without_ever_stopping_a_ring),
		cmocka_unit_test(requests_of_an_unbound_driver_touch_nothing_of_the_next),
		cmocka_unit_test(in_band_rings_start_on_enable_and_notify_by_message),
		cmocka_unit_test(a_guest_that_closed_its_call_socket_raises_no_signal),
		cmocka_unit_test(a_full_call_socket_does_not_hang_the_device),
		cmocka_unit_test(a_full_call_eventfd_does_not_hang_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
