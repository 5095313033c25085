/* SPDX-License-Identifier: MIT */
/* Configuration space, status and reset, as the front-end and the device see them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/dut.h"

struct fixture {
	struct rig dut;
	struct peer *peer;
	struct frontend *f;
};

static int setup(void **state)
{
	static struct fixture x;
	const struct dut_config config = {0};

	dut_new(&x.dut, &config);
	x.peer = dut_peer(&x.dut, NULL);
	x.f = &x.peer->frontend;
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	peer_free(x->peer);
	dut_free(&x->dut);
	return 0;
}

static void reads_past_the_end_of_the_space_are_filled_with_zeros(void **state)
{
	struct fixture *x = *state;
	unsigned char data[256], zeros[256] = {0};

	dut_ok(x->peer, peer_negotiate(x->peer));
	memset(data, 0xff, sizeof(data));
	dut_ok(x->peer, frontend_get_config(x->f, 0, data, sizeof(data)));
	assert_memory_equal(data, "configuration of a test", DUT_CONFIG);
	assert_memory_equal(data + DUT_CONFIG, zeros, sizeof(data) - DUT_CONFIG);
	dut_ok(x->peer, frontend_get_config(x->f, DUT_CONFIG - 2, data, 8));
	assert_memory_equal(data, "t\0\0\0\0\0\0\0", 8);
	memset(data, 0xff, sizeof(data));
	dut_ok(x->peer, frontend_get_config(x->f, 200, data, 8));
	assert_memory_equal(data, zeros, 8);
	memset(data, 0xff, sizeof(data));
	dut_ok(x->peer, frontend_get_config(x->f, UINT32_MAX - 3, data, 4));
	assert_memory_equal(data, zeros, 4);
	dut_expect_alive(&x->dut, x->peer);
}

static void the_driver_writes_what_is_writable(void **state)
{
	struct fixture *x = *state;
	char data[8] = {0};

	dut_ok(x->peer, peer_negotiate(x->peer));
	dut_ok(x->peer, frontend_set_config(x->f, 1, "xyz", 3, 0));
	assert_int_equal(x->dut.written, 1);
	dut_ok(x->peer, frontend_get_config(x->f, 0, data, 6));
	assert_memory_equal(data, "cxyzig", 6);
	assert_int_equal(vu_config_get(x->dut.dev, 0, data, 6), 0);
	assert_memory_equal(data, "cxyzig", 6);
}

/* QEMU's input device writes its whole space to set two selectors. */
static void a_write_changes_only_the_writable_bytes_it_covers(void **state)
{
	struct fixture *x = *state;
	char data[8] = {0};

	dut_ok(x->peer, peer_negotiate(x->peer));
	dut_ok(x->peer, frontend_set_config(x->f, 2, "####", 4, 0));
	dut_ok(x->peer, frontend_get_config(x->f, 0, data, 6));
	assert_memory_equal(data, "co##ig", 6);
	assert_int_equal(x->dut.written, 1);
}

static void a_write_that_covers_nothing_writable_is_refused(void **state)
{
	struct fixture *x = *state;
	char data[8] = {0};

	dut_ok(x->peer, peer_negotiate(x->peer));
	assert_int_equal(frontend_set_config(x->f, 4, "####", 4, 0), -EREMOTEIO);
	assert_int_equal(frontend_set_config(x->f, DUT_CONFIG, "#", 1, 0), -EREMOTEIO);
	assert_int_equal(frontend_set_config(x->f, UINT32_MAX, "#", 1, 0), -EREMOTEIO);
	dut_ok(x->peer, frontend_get_config(x->f, 0, data, 6));
	assert_memory_equal(data, "config", 6);
	assert_int_equal(x->dut.written, 0);
	assert_int_equal(x->dut.reported, 0);
}

static void a_migration_writes_read_only_bytes_too(void **state)
{
	struct fixture *x = *state;
	char data[8] = {0};

	dut_ok(x->peer, peer_negotiate(x->peer));
	dut_ok(x->peer, frontend_set_config(x->f, 2, "####", 4, WIRE_CONFIG_F_MIGRATION));
	dut_ok(x->peer, frontend_get_config(x->f, 0, data, 7));
	assert_memory_equal(data, "co####u", 7);
	assert_int_equal(
		frontend_set_config(x->f, DUT_CONFIG - 1, "##", 2, WIRE_CONFIG_F_MIGRATION),
		-EREMOTEIO);
}

static void a_config_payload_that_lies_about_its_size_ends_the_session(void **state)
{
	struct fixture *x = *state;
	struct {
		struct wire_config config;
		char data[8];
	} message = {.config = {.size = 4096}};

	dut_ok(x->peer, peer_negotiate(x->peer));
	dut_ok(x->peer,
	       frontend_send(x->f, WIRE_GET_CONFIG, 0, &message, sizeof(message), NULL, 0));
	dut_expect_refusal(&x->dut, x->peer);
}

static void a_change_is_announced_once_and_only_if_it_is_one(void **state)
{
	struct fixture *x = *state;
	struct frontend_msg msg;

	dut_ok(x->peer, peer_start(x->peer));
	assert_int_equal(vu_config_set(x->dut.dev, 0, "config", 6), 0);
	assert_int_equal(frontend_recv_backend(x->f, &msg, 0), -EAGAIN);
	assert_int_equal(vu_config_set(x->dut.dev, 0, "C", 1), 0);
	assert_int_equal(vu_config_set(x->dut.dev, 0, "D", 1), 0);
	dut_ok(x->peer, frontend_expect_backend(x->f, WIRE_BACKEND_CONFIG_CHANGE_MSG, &msg));
	assert_int_equal(msg.hdr.size, 0);
	assert_int_equal(frontend_recv_backend(x->f, &msg, 0), -EAGAIN);
	assert_int_equal(vu_config_set(x->dut.dev, DUT_CONFIG - 1, "ab", 2), -ERANGE);
	assert_int_equal(vu_config_set(x->dut.dev, UINT32_MAX, "ab", 2), -ERANGE);
	assert_int_equal(frontend_recv_backend(x->f, &msg, 0), -EAGAIN);
}

static void a_change_while_suspended_is_announced_at_the_start(void **state)
{
	struct fixture *x = *state;
	struct frontend_msg msg;

	dut_ok(x->peer, peer_negotiate(x->peer));
	assert_int_equal(vu_config_set(x->dut.dev, 0, "C", 1), 0);
	assert_int_equal(frontend_recv_backend(x->f, &msg, 0), -EAGAIN);
	dut_ok(x->peer, peer_set_driver(x->peer));
	dut_ok(x->peer, peer_start_rings(x->peer));
	dut_ok(x->peer, frontend_expect_backend(x->f, WIRE_BACKEND_CONFIG_CHANGE_MSG, &msg));
	assert_int_equal(frontend_recv_backend(x->f, &msg, 0), -EAGAIN);
}

static void a_status_is_kept_and_zero_resets_the_device(void **state)
{
	struct fixture *x = *state;
	uint64_t status;

	dut_ok(x->peer, peer_start(x->peer));
	dut_ok(x->peer, frontend_get_status(x->f, &status));
	assert_int_equal(status, 1 | 2 | 4 | 8);
	dut_expect_echo(x->peer, 0);
	x->dut.resets = 0;
	dut_ok(x->peer, frontend_set_status(x->f, 0));
	assert_int_equal(x->dut.resets, 1);
	assert_int_equal(x->dut.stopped, 1);
	dut_ok(x->peer, frontend_get_status(x->f, &status));
	assert_int_equal(status, 0);
	dut_add_request(x->peer, 0);
	driver_publish(x->peer->queues[0]);
	assert_int_equal(driver_kick_always(x->peer->queues[0]), 0);
	dut_expect_alive(&x->dut, x->peer);
	assert_int_equal(x->dut.completed, 1);
}

static void restart(struct fixture *x)
{
	uint32_t i;

	for (i = 0; i < x->peer->n_queues; i++)
		driver_reset(x->peer->queues[i]);
	dut_ok(x->peer, peer_set_driver(x->peer));
	for (i = 0; i < x->peer->n_queues; i++)
		dut_ok(x->peer, peer_start_queue(x->peer, i));
	for (i = 0; i < x->peer->n_queues; i++)
		dut_ok(x->peer, frontend_set_vring_enable(x->f, i, true));
}

static void a_reset_device_starts_again_in_the_same_session(void **state)
{
	struct fixture *x = *state;
	uint32_t i;

	/* Firmware and kernel each reset it before they use it. */
	dut_ok(x->peer, peer_negotiate(x->peer));
	dut_ok(x->peer, frontend_reset_device(x->f));
	dut_ok(x->peer, frontend_reset_device(x->f));
	dut_ok(x->peer, frontend_set_memory(x->f, x->peer->guest));
	for (i = 1; i < 4; i++) {
		restart(x);
		assert_int_equal(x->dut.started, i);
		dut_expect_echo(x->peer, 0);
		dut_expect_echo(x->peer, 1);
		dut_ok(x->peer, frontend_reset_device(x->f));
		assert_int_equal(x->dut.stopped, i);
	}
	dut_expect_alive(&x->dut, x->peer);
}

static void a_reset_waits_for_outstanding_requests(void **state)
{
	struct fixture *x = *state;
	struct frontend_msg msg;

	x->dut.mode = RIG_HOLD;
	dut_ok(x->peer, peer_start(x->peer));
	dut_add_request(x->peer, 0);
	assert_int_equal(driver_kick(x->peer->queues[0]), 1);
	dut_expect_alive(&x->dut, x->peer);
	assert_int_equal(rig_held(&x->dut), 1);
	dut_ok(x->peer, frontend_send(x->f, WIRE_RESET_DEVICE, WIRE_NEED_REPLY, NULL, 0, NULL, 0));
	x->f->timeout_ms = 50;
	assert_int_equal(frontend_recv(x->f, &msg), -ETIMEDOUT);
	assert_int_equal(x->dut.resets, 0);
	assert_int_equal(rig_stops(&x->dut), 2);
	dut_finish(&x->dut);
	dut_ok(x->peer, frontend_recv(x->f, &msg));
	assert_int_equal(msg.hdr.request, WIRE_RESET_DEVICE);
	assert_int_equal(x->dut.resets, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(reads_past_the_end_of_the_space_are_filled_with_zeros),
		TEST(the_driver_writes_what_is_writable),
		TEST(a_write_changes_only_the_writable_bytes_it_covers),
		TEST(a_write_that_covers_nothing_writable_is_refused),
		TEST(a_migration_writes_read_only_bytes_too),
		TEST(a_config_payload_that_lies_about_its_size_ends_the_session),
		TEST(a_change_is_announced_once_and_only_if_it_is_one),
		TEST(a_change_while_suspended_is_announced_at_the_start),
		TEST(a_status_is_kept_and_zero_resets_the_device),
		TEST(a_reset_device_starts_again_in_the_same_session),
		TEST(a_reset_waits_for_outstanding_requests),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
