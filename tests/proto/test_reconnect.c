/* SPDX-License-Identifier: MIT */
/* One front-end after another: nothing of an earlier session reaches a later one. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/dut.h"

static void open_held(struct rig *dut, struct peer **peer)
{
	const struct dut_config config = {.n_queues = 1};

	dut_new(dut, &config);
	dut->mode = RIG_HOLD;
	*peer = dut_peer(dut, NULL);
	dut_ok(*peer, peer_start(*peer));
	dut_add_request(*peer, 0);
	assert_int_equal(driver_kick((*peer)->queues[0]), 1);
	dut_expect_alive(dut, *peer);
	assert_int_equal(rig_held(dut), 1);
}

static void a_hundred_front_ends_are_served_one_after_another(void **state)
{
	const struct dut_config config = {0};
	int fds = 0, maps = 0;
	uint32_t i;
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, NULL);
	for (i = 0; i < 100; i++) {
		dut_ok(peer, peer_start(peer));
		dut_expect_echo(peer, 0);
		dut_expect_echo(peer, 1);
		dut_expect_alive(&dut, peer);
		dut_hang_up(&dut, peer);
		if (i == 0) {
			fds = count_fds();
			maps = count_guest_mappings();
		}
		assert_int_equal(count_fds(), fds);
		assert_int_equal(count_guest_mappings(), maps);
		dut_reattach(&dut, peer);
	}
	dut_hang_up(&dut, peer);
	assert_int_equal(dut.begun, 101);
	assert_int_equal(dut.ended, 101);
	peer_free(peer);
	dut_free(&dut);
}

static void a_second_front_end_is_refused_while_one_is_attached(void **state)
{
	const struct dut_config config = {0};
	struct peer *peer;
	struct rig dut;
	int pair[2];

	dut_new(&dut, &config);
	peer = dut_peer(&dut, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(vu_device_attach(dut.dev, pair[0]), -EBUSY);
	/* The fd stayed the caller's. */
	assert_int_equal(close(pair[0]), 0);
	close(pair[1]);
	dut_expect_alive(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

static void a_request_of_a_dead_session_touches_no_ring_and_no_call_fd(void **state)
{
	struct driver_ring *ring;
	struct peer *peer;
	struct rig dut;

	open_held(&dut, &peer);
	ring = peer->queues[0];
	dut_hang_up(&dut, peer);
	assert_int_equal(vu_queue_outstanding(vu_device_queue(dut.dev, 0)), 1);
	dut_finish(&dut);
	rig_pump(&dut);
	assert_int_equal(vu_queue_outstanding(vu_device_queue(dut.dev, 0)), 0);
	assert_false(driver_has_used(ring));
	assert_int_equal(driver_take_calls(ring), 0);
	assert_int_equal(rig_errors(&dut), 0);
	peer_free(peer);
	dut_free(&dut);
}

/* The driver kept its ring: the same request is there again, but the old one still writes to it. */
static void a_new_sessions_ring_waits_for_the_requests_of_the_old(void **state)
{
	struct driver_used used;
	struct driver_ring *ring;
	struct peer *peer;
	struct rig dut;
	uint32_t i;

	open_held(&dut, &peer);
	ring = peer->queues[0];
	dut_hang_up(&dut, peer);
	dut_reattach(&dut, peer);
	dut_ok(peer, peer_start(peer));
	for (i = 0; i < 10; i++) {
		assert_int_equal(driver_kick_always(ring), 0);
		dut_expect_alive(&dut, peer);
		assert_int_equal(rig_held(&dut), 1);
	}
	driver_take_calls(ring);
	dut_finish(&dut);
	assert_false(driver_has_used(ring));
	assert_int_equal(driver_take_calls(ring), 0);
	/* No kick: the device itself has to look again. */
	dut_expect_alive(&dut, peer);
	assert_int_equal(rig_held(&dut), 1);
	dut_finish(&dut);
	dut_ok(peer, peer_wait_used(peer, 0, &used));
	assert_int_equal(used.len, 64);
	/* That was all. */
	assert_false(driver_has_used(ring));
	peer_free(peer);
	dut_free(&dut);
}

static void requests_outlive_two_sessions(void **state)
{
	struct driver_used used;
	struct driver_ring *ring;
	struct peer *peer;
	struct rig dut;

	open_held(&dut, &peer);
	ring = peer->queues[0];
	dut_hang_up(&dut, peer);
	dut_reattach(&dut, peer);
	dut_ok(peer, peer_start(peer));
	dut_hang_up(&dut, peer);
	dut_reattach(&dut, peer);
	dut_ok(peer, peer_start(peer));
	dut_expect_alive(&dut, peer);
	assert_int_equal(rig_held(&dut), 1);
	dut_finish(&dut);
	dut_expect_alive(&dut, peer);
	assert_int_equal(rig_held(&dut), 1);
	dut_finish(&dut);
	dut_ok(peer, peer_wait_used(peer, 0, &used));
	/* That was all. */
	assert_false(driver_has_used(ring));
	peer_free(peer);
	dut_free(&dut);
}

/* Its buffers stay mapped until it is completed. */
static void the_memory_of_an_unfinished_request_outlives_the_guest(void **state)
{
	int maps = count_guest_mappings();
	struct peer *peer;
	struct rig dut;

	open_held(&dut, &peer);
	dut_hang_up(&dut, peer);
	peer_free(peer);
	assert_true(count_guest_mappings() > maps);
	dut_finish(&dut);
	rig_pump(&dut);
	assert_int_equal(count_guest_mappings(), maps);
	dut_free(&dut);
}

static void answers_on_the_main_socket_need_no_reader_of_the_back_end_channel(void **state)
{
	const struct dut_config config = {0};
	struct frontend_msg msg;
	struct peer *peer;
	struct rig dut;
	uint32_t i;
	int fds;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, NULL);
	dut_ok(peer, peer_start(peer));
	fds = count_fds();
	for (i = 0; i < 20000; i++) {
		assert_int_equal(vu_config_set(dut.dev, 0, &i, sizeof(i)), 0);
		rig_pump(&dut);
	}
	dut_expect_alive(&dut, peer);
	dut_expect_echo(peer, 0);
	assert_int_equal(frontend_get_config(&peer->frontend, 0, &i, sizeof(i)), 0);
	assert_int_equal(i, 19999);
	assert_int_equal(count_fds(), fds);
	/* Once it is read again, all those changes were few messages, and the next one comes. */
	while (frontend_recv_backend(&peer->frontend, &msg, 0) == 0)
		assert_int_equal(msg.hdr.request, WIRE_BACKEND_CONFIG_CHANGE_MSG);
	assert_int_equal(vu_config_set(dut.dev, 0, &fds, sizeof(fds)), 0);
	dut_ok(peer,
	       frontend_expect_backend(&peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG, &msg));
	dut_ok(peer, peer_stop(peer));
	dut_hang_up(&dut, peer);
	peer_free(peer);
	dut_free(&dut);
}

static void a_front_end_that_closes_only_the_back_end_channel_is_served_on(void **state)
{
	const struct dut_config config = {0};
	struct peer *peer;
	struct rig dut;
	uint32_t i;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, NULL);
	dut_ok(peer, peer_start(peer));
	close(peer->frontend.channel_fd);
	peer->frontend.channel_fd = -1;
	for (i = 1; i < 5; i++) {
		assert_int_equal(vu_config_set(dut.dev, 0, &i, sizeof(i)), 0);
		dut_expect_echo(peer, 0);
	}
	assert_int_equal(dut.reported, 0);
	peer_free(peer);
	dut_free(&dut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_front_ends_are_served_one_after_another),
		cmocka_unit_test(a_second_front_end_is_refused_while_one_is_attached),
		cmocka_unit_test(a_request_of_a_dead_session_touches_no_ring_and_no_call_fd),
		cmocka_unit_test(a_new_sessions_ring_waits_for_the_requests_of_the_old),
		cmocka_unit_test(requests_outlive_two_sessions),
		cmocka_unit_test(the_memory_of_an_unfinished_request_outlives_the_guest),
		cmocka_unit_test(answers_on_the_main_socket_need_no_reader_of_the_back_end_channel),
		cmocka_unit_test(a_front_end_that_closes_only_the_back_end_channel_is_served_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
