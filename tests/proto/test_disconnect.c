/* SPDX-License-Identifier: MIT */
/*
 * The front-end goes away at any point: the device notices once, keeps no fd and no mapping, and
 * serves the next one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/dut.h"

struct fixture {
	struct rig dut;
	struct peer *peer;
	int fds, maps;
};

/* The whole life of a session, or as much as the cut leaves of it. */
static int live(struct peer *peer)
{
	struct driver_used used;
	int ret = peer_start(peer);

	if (ret < 0)
		return ret;
	dut_add_request(peer, 0);
	ret = peer_wait_used(peer, 0, &used);
	return ret < 0 ? ret : peer_stop(peer);
}

static int live_uml(struct peer *peer)
{
	struct driver_used used;
	int ret = peer_start_uml(peer);

	if (ret < 0)
		return ret;
	dut_add_request(peer, 0);
	ret = peer_wait_used(peer, 0, &used);
	return ret < 0 ? ret : peer_stop_uml(peer);
}

static void next_connection(struct fixture *f, uint64_t cut)
{
	uint32_t i;

	guest_free_all(f->peer->guest);
	for (i = 0; i < f->peer->n_queues; i++)
		driver_reset(f->peer->queues[i]);
	/* The rings stay where they were. */
	f->peer->guest->regions[0].used = PEER_MEMORY / 2;
	dut_reattach(&f->dut, f->peer);
	frontend_cut_after(&f->peer->frontend, cut);
}

static void expect_nothing_left(struct fixture *f, uint64_t cut)
{
	int fds, maps;

	dut_hang_up(&f->dut, f->peer);
	fds = count_fds();
	maps = count_guest_mappings();
	if (fds != f->fds || maps != f->maps)
		fail_msg("cut after %llu bytes: %d fds were %d, %d mappings were %d",
			 (unsigned long long)cut, fds, f->fds, maps, f->maps);
	if (rig_errors(&f->dut) > f->dut.errors_expected + 1)
		fail_msg("cut after %llu bytes: %u error lines, the last: %s",
			 (unsigned long long)cut, rig_errors(&f->dut), f->dut.log.last_error);
	f->dut.errors_expected = rig_errors(&f->dut);
	assert_int_equal(f->dut.begun, f->dut.ended);
}

/* Cut after each of the bytes that the script sends, one connection each. */
static void cut_everywhere(const struct peer_config *config, const struct dut_config *dut_config,
			   int (*script)(struct peer *peer))
{
	struct fixture f;
	uint64_t total, cut;

	dut_new(&f.dut, dut_config);
	f.peer = dut_peer(&f.dut, config);
	dut_ok(f.peer, script(f.peer));
	total = f.peer->frontend.sent;
	assert_true(total > 200);
	dut_hang_up(&f.dut, f.peer);
	f.fds = count_fds();
	f.maps = count_guest_mappings();
	for (cut = 0; cut < total; cut++) {
		next_connection(&f, cut);
		assert_int_equal(script(f.peer), -ECONNABORTED);
		expect_nothing_left(&f, cut);
	}
	next_connection(&f, total);
	dut_ok(f.peer, script(f.peer));
	expect_nothing_left(&f, total);
	peer_free(f.peer);
	dut_free(&f.dut);
}

static void a_disconnect_at_any_byte_of_qemus_order_leaves_nothing_behind(void **state)
{
	const struct peer_config config = {.n_queues = 1};
	const struct dut_config dut = {0};

	cut_everywhere(&config, &dut, live);
}

static void a_disconnect_at_any_byte_without_acks_leaves_nothing_behind(void **state)
{
	const struct peer_config config = {.n_queues = 2, .no_acks = true};
	const struct dut_config dut = {0};

	cut_everywhere(&config, &dut, live);
}

static void a_disconnect_at_any_byte_of_umls_order_leaves_nothing_behind(void **state)
{
	const struct peer_config config = {.n_queues = 1, .notifier = DRIVER_SOCKET};
	const struct dut_config dut = {0};

	/* That driver begins each ring at base 0, which a packed one does not have. */
	needs_split_rings();
	cut_everywhere(&config, &dut, live_uml);
}

static void a_disconnect_before_any_message_is_no_error(void **state)
{
	const struct dut_config config = {0};
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	peer = dut_peer(&dut, NULL);
	rig_pump(&dut);
	dut_hang_up(&dut, peer);
	assert_int_equal(rig_errors(&dut), 0);
	assert_int_equal(dut.begun, 1);
	assert_int_equal(dut.ended, 1);
	peer_free(peer);
	dut_free(&dut);
}

static void a_device_is_freed_in_the_middle_of_a_session(void **state)
{
	const struct dut_config config = {0};
	int fds = count_fds(), maps = count_guest_mappings();
	struct peer *peer;
	struct rig dut;

	dut_new(&dut, &config);
	dut.mode = RIG_HOLD;
	peer = dut_peer(&dut, NULL);
	dut_ok(peer, peer_start(peer));
	dut_add_request(peer, 1);
	assert_int_equal(driver_kick(peer->queues[1]), 1);
	rig_pump(&dut);
	assert_int_equal(rig_held(&dut), 1);
	vu_device_detach(dut.dev);
	vu_device_detach(dut.dev);
	assert_int_equal(vu_device_is_attached(dut.dev), 0);
	dut_free(&dut);
	peer->frontend.pump = NULL;
	dut_ok(peer, frontend_wait_closed(&peer->frontend));
	peer_free(peer);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(count_guest_mappings(), maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disconnect_before_any_message_is_no_error),
		cmocka_unit_test(a_disconnect_at_any_byte_of_qemus_order_leaves_nothing_behind),
		cmocka_unit_test(a_disconnect_at_any_byte_without_acks_leaves_nothing_behind),
		cmocka_unit_test(a_disconnect_at_any_byte_of_umls_order_leaves_nothing_behind),
		cmocka_unit_test(a_device_is_freed_in_the_middle_of_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
