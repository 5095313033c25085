/* SPDX-License-Identifier: MIT */
/* Rules: a device whose guest moves marks every page that it wrote, from the message that says so
 * to the one that says no more; and a log that is none ends only its session. */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rules/moving.h"

#define LOG_ALL RIG_BIT(VU_F_LOG_ALL)

/* What the driver does is copied as it is; what the device does, as the log says. */
static void serve_and_copy(struct rig *rig, struct peer_log *log, uint32_t q, uint32_t n)
{
	rig_submit(rig, q, n);
	peer_log_copy_all(log);
	rig_pump(rig);
	assert_true(peer_log_copy_marked(log) > 0);
	moving_expect_same(log);
	assert_int_equal(rig_collect(rig, q), n);
}

static void a_copy_that_follows_the_log_is_as_the_memory(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_grouped);
	rig_roundtrip(&rig, 0, 3);
	assert_ok(peer_log_begin(rig.peer, &log));
	for (uint32_t i = 0; i < 300; i++)
		serve_and_copy(&rig, &log, i % 2, 1 + i % 7);
	assert_int_equal(rig_stops(&rig), 0);
	assert_int_equal(rig.started, 1);
	moving_close(&rig, &log);
}

static void a_running_device_is_not_told_that_its_guest_moves(void **state)
{
	struct peer_log log;
	struct rig rig;
	uint32_t acked;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	acked = rig.acked;
	for (int i = 0; i < 3; i++) {
		assert_ok(peer_log_begin(rig.peer, &log));
		assert_false(vu_device_has_feature(rig.dev, VU_F_LOG_ALL));
		rig_roundtrip(&rig, 0, 2);
		assert_ok(peer_log_end(rig.peer));
		rig_roundtrip(&rig, 1, 2);
	}
	assert_int_equal(rig.acked, acked);
	assert_int_equal(rig_stops(&rig), 0);
	moving_close(&rig, &log);
}

static void nothing_is_marked_before_a_migration_or_after_one_that_was_called_off(void **state)
{
	struct peer_log log;
	struct rig rig;
	int mappings;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	mappings = count_mappings_of("dirty log");
	assert_ok(frontend_set_log_base(&rig.peer->frontend, log.bytes, 0, log.fd));
	assert_int_equal(count_mappings_of("dirty log"), mappings + 1);
	rig_roundtrip(&rig, 0, 3);
	assert_int_equal(peer_log_count(&log), 0);
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_roundtrip(&rig, 0, 3);
	assert_true(peer_log_count(&log) > 0);
	assert_ok(peer_log_end(rig.peer));
	/* No message says that the log is not needed any more, but this does. */
	assert_int_equal(count_mappings_of("dirty log"), mappings);
	peer_log_copy_all(&log);
	rig_roundtrip(&rig, 0, 3);
	rig_roundtrip(&rig, 1, 3);
	assert_int_equal(peer_log_count(&log), 0);
	/* And once more. */
	assert_ok(peer_log_begin(rig.peer, &log));
	serve_and_copy(&rig, &log, 0, 3);
	moving_close(&rig, &log);
}

static void requests_taken_before_a_migration_began_are_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	rig_hold(&rig, 0, 3);
	assert_ok(peer_log_begin(rig.peer, &log));
	peer_log_copy_all(&log);
	rig_complete_all_held(&rig, 0);
	assert_true(peer_log_copy_marked(&log) > 0);
	moving_expect_same(&log);
	rig_wait_used(&rig, 0, 3);
	moving_close(&rig, &log);
}

static void requests_that_another_thread_completes_are_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 1);
	peer_log_copy_all(&log);
	assert_int_equal(rig_invert(rig.queues[0].held[0]), RIG_BYTES);
	assert_ok(vu_req_complete_remote(rig.queues[0].held[0], RIG_BYTES));
	rig.queues[0].n_held = 0;
	rig_pump(&rig);
	assert_true(peer_log_copy_marked(&log) > 0);
	moving_expect_same(&log);
	rig_wait_used(&rig, 0, 1);
	moving_close(&rig, &log);
}

static void a_log_may_be_replaced_under_running_rings(void **state)
{
	struct peer_log log, other;
	struct rig rig;
	int mappings;

	(void)state;
	moving_open(&rig, &log, &moving_grouped);
	assert_ok(peer_log_new(&other, rig.peer->guest));
	assert_ok(peer_log_begin(rig.peer, &log));
	mappings = count_mappings_of("dirty log");
	for (int i = 0; i < 6; i++) {
		struct peer_log *now = i % 2 ? &log : &other, *old = i % 2 ? &other : &log;

		assert_ok(frontend_set_log_base(&rig.peer->frontend, now->bytes, 0, now->fd));
		assert_int_equal(count_mappings_of("dirty log"), mappings);
		peer_log_copy_all(old);
		serve_and_copy(&rig, now, 0, 3);
		serve_and_copy(&rig, now, 1, 3);
		assert_int_equal(peer_log_count(old), 0);
	}
	peer_log_free(&other);
	moving_close(&rig, &log);
}

static void a_log_is_used_by_every_ring_when_it_is_acked(void **state)
{
	struct wire_log wire = {0};
	struct frontend_msg reply;
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_grouped);
	wire.size = log.bytes;
	rig.group_stands = true;
	assert_ok(frontend_send(&rig.peer->frontend, WIRE_SET_LOG_BASE, 0, &wire, sizeof(wire),
				&log.fd, 1));
	rig_pump(&rig);
	rig_assert_no_reply(&rig);
	rig.group_stands = false;
	assert_ok(frontend_recv(&rig.peer->frontend, &reply));
	assert_int_equal(reply.hdr.size, 8);
	moving_close(&rig, &log);
}

/* QEMU's order where a guest boots while it moves: LOG_ALL, the rings, KICK, SET_LOG_BASE, ENABLE.
 */
static void a_device_that_starts_during_a_migration_misses_nothing(void **state)
{
	struct frontend *f;
	struct peer_log log;
	struct rig rig;

	(void)state;
	rig_make(&rig, &moving_config);
	rig_connect(&rig);
	f = &rig.peer->frontend;
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(frontend_set_features(f, f->features | LOG_ALL));
	assert_ok(frontend_set_memory(f, rig.peer->guest));
	assert_ok(peer_log_new(&log, rig.peer->guest));
	for (uint32_t q = 0; q < 2; q++) {
		rig.queues[q].region = MOVING_BUFFERS;
		rig_add(&rig, q);
		driver_publish(rig.peer->queues[q]);
	}
	peer_log_copy_all(&log);
	for (uint32_t q = 0; q < 2; q++) {
		struct driver_ring *ring = rig.peer->queues[q];

		assert_ok(frontend_setup_ring(f, ring, WIRE_VRING_F_LOG));
		assert_ok(frontend_set_vring_kick(f, q, ring->kick.device));
	}
	rig_pump(&rig);
	assert_ok(frontend_set_log_base(f, log.bytes, 0, log.fd));
	for (uint32_t q = 0; q < 2; q++)
		assert_ok(frontend_set_vring_enable(f, q, true));
	rig_pump(&rig);
	peer_log_copy_marked(&log);
	moving_expect_same(&log);
	rig_wait_used(&rig, 0, 1);
	rig_wait_used(&rig, 1, 1);
	serve_and_copy(&rig, &log, 0, 3);
	moving_close(&rig, &log);
}

static void what_was_served_before_the_log_came_is_marked_when_it_comes(void **state)
{
	struct frontend *f;
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	f = &rig.peer->frontend;
	peer_log_copy_all(&log);
	assert_ok(frontend_set_features(f, f->features | LOG_ALL));
	for (uint32_t q = 0; q < 2; q++)
		assert_ok(peer_log_ring(rig.peer, q, WIRE_VRING_F_LOG));
	rig_roundtrip(&rig, 0, 3);
	assert_ok(frontend_set_log_base(f, log.bytes, 0, log.fd));
	peer_log_copy_marked(&log);
	moving_expect_same(&log);
	moving_close(&rig, &log);
}

/* New addresses are the next start's, and where they are logged goes with them. */
static void addresses_of_the_next_start_do_not_move_the_marks_of_this_ring(void **state)
{
	struct driver_ring *ring;
	uint64_t used;
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	assert_ok(peer_log_begin(rig.peer, &log));
	ring = rig.peer->queues[0];
	used = ring->used_gpa;
	ring->used_gpa = guest_alloc_in(rig.peer->guest, MOVING_RINGS, 1 << 16, 4096);
	assert_ok(peer_log_ring(rig.peer, 0, WIRE_VRING_F_LOG));
	ring->used_gpa = used;
	serve_and_copy(&rig, &log, 0, 3);
	assert_ok(peer_log_ring(rig.peer, 0, WIRE_VRING_F_LOG));
	serve_and_copy(&rig, &log, 0, 3);
	moving_close(&rig, &log);
}

static void without_f_log_the_ring_itself_is_not_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	assert_ok(peer_log_begin(rig.peer, &log));
	assert_ok(peer_log_ring(rig.peer, 0, 0));
	rig_submit(&rig, 0, 1);
	peer_log_copy_all(&log);
	rig_wait_used(&rig, 0, 1);
	assert_int_equal(peer_log_count(&log), 1);
	assert_true(peer_log_has(&log, rig.queues[0].buffers));
	moving_close(&rig, &log);
}

static void a_stop_is_answered_when_all_is_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 2);
	peer_log_copy_all(&log);
	rig_send_stop(&rig, 0);
	rig_assert_no_reply(&rig);
	rig_complete_held(&rig, 0);
	rig_complete_held(&rig, 0);
	rig_recv_stop(&rig, 0);
	peer_log_copy_marked(&log);
	moving_expect_same(&log);
	/* It starts again while it moves, as after a failure at the other side. */
	rig.mode = RIG_SERVE;
	rig_collect(&rig, 0);
	driver_recover_base(rig.peer->queues[0]);
	rig_start_queue(&rig, 0);
	assert_ok(peer_log_ring(rig.peer, 0, WIRE_VRING_F_LOG));
	serve_and_copy(&rig, &log, 0, 3);
	moving_close(&rig, &log);
}

static void an_eventfd_says_that_something_was_marked(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct peer_log log;
	struct rig rig;
	uint64_t n;

	(void)state;
	moving_open(&rig, &log, &moving_grouped);
	assert_ok(frontend_set_log_fd(&rig.peer->frontend, fd));
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	assert_ok(peer_log_begin(rig.peer, &log));
	for (uint32_t q = 0; q < 2; q++) {
		(void)!read(fd, &n, sizeof(n));
		rig_roundtrip(&rig, q, 1);
		assert_ok(frontend_wait_fd(&rig.peer->frontend, fd, POLLIN));
		assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	}
	assert_ok(peer_log_end(rig.peer));
	(void)!read(fd, &n, sizeof(n));
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	moving_close(&rig, &log);
	close(fd);
}

static void the_next_session_knows_nothing_of_the_last_ones_log(void **state)
{
	struct peer_log log;
	struct rig rig;
	int mappings;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	mappings = count_mappings_of("dirty log");
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 1);
	frontend_close(&rig.peer->frontend);
	rig_pump(&rig);
	assert_int_equal(count_mappings_of("dirty log"), mappings);
	peer_log_copy_all(&log);
	rig_complete_held(&rig, 0);
	rig.mode = RIG_SERVE;
	assert_int_equal(peer_log_count(&log), 0);
	driver_reset(rig.peer->queues[0]);
	driver_reset(rig.peer->queues[1]);
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 0, 3);
	assert_int_equal(peer_log_count(&log), 0);
	moving_close(&rig, &log);
}

static void a_request_that_is_put_back_is_marked_whole(void **state)
{
	struct vu_req *req;
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 1);
	req = rig.queues[0].held[0];
	peer_log_copy_all(&log);
	assert_int_equal(vu_req_write(req, 0, "half", 4), 4);
	assert_ok(vu_req_put_back(req));
	rig.queues[0].n_held = 0;
	peer_log_copy_marked(&log);
	moving_expect_same(&log);
	moving_close(&rig, &log);
}

static void write_a_part_and_leave(struct rig *rig, struct rig_queue *q)
{
	(void)rig;
	assert_int_equal(vu_req_write(q->held[0], 0, "half", 4), 4);
	assert_ok(vu_req_leave(q->held[0]));
	q->n_held = 0;
}

static void a_request_that_is_left_in_the_in_flight_log_is_marked_whole(void **state)
{
	struct wire_inflight info = {.n_queues = 2, .queue_size = PEER_QUEUE_SIZE};
	struct rig_config config = moving_config;
	struct frontend *f;
	struct peer_log log;
	struct rig rig;
	int fd;

	(void)state;
	config.peer.protocol_features =
		RIG_BIT(WIRE_PF_MQ) | RIG_BIT(WIRE_PF_REPLY_ACK) | RIG_BIT(WIRE_PF_LOG_SHMFD) |
		RIG_BIT(WIRE_PF_INFLIGHT_SHMFD) | RIG_BIT(WIRE_PF_GET_VRING_BASE_INFLIGHT);
	rig_make(&rig, &config);
	rig_connect(&rig);
	f = &rig.peer->frontend;
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(frontend_get_inflight_fd(f, &info, &fd));
	assert_ok(frontend_set_inflight_fd(f, &info, fd));
	assert_ok(peer_start_rings(rig.peer));
	rig.queues[0].region = MOVING_BUFFERS;
	rig.on_stop = write_a_part_and_leave;
	assert_ok(peer_log_new(&log, rig.peer->guest));
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 1);
	peer_log_copy_all(&log);
	rig_stop_queue(&rig, 0);
	assert_int_equal(rig.queues[0].n_held, 0);
	rig.on_stop = NULL;
	assert_true(peer_log_copy_marked(&log) > 0);
	moving_expect_same(&log);
	close(fd);
	moving_close(&rig, &log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_that_follows_the_log_is_as_the_memory),
		cmocka_unit_test(a_running_device_is_not_told_that_its_guest_moves),
		cmocka_unit_test(
			nothing_is_marked_before_a_migration_or_after_one_that_was_called_off),
		cmocka_unit_test(requests_taken_before_a_migration_began_are_marked),
		cmocka_unit_test(requests_that_another_thread_completes_are_marked),
		cmocka_unit_test(a_log_may_be_replaced_under_running_rings),
		cmocka_unit_test(a_log_is_used_by_every_ring_when_it_is_acked),
		cmocka_unit_test(a_device_that_starts_during_a_migration_misses_nothing),
		cmocka_unit_test(what_was_served_before_the_log_came_is_marked_when_it_comes),
		cmocka_unit_test(addresses_of_the_next_start_do_not_move_the_marks_of_this_ring),
		cmocka_unit_test(without_f_log_the_ring_itself_is_not_marked),
		cmocka_unit_test(a_stop_is_answered_when_all_is_marked),
		cmocka_unit_test(an_eventfd_says_that_something_was_marked),
		cmocka_unit_test(the_next_session_knows_nothing_of_the_last_ones_log),
		cmocka_unit_test(a_request_that_is_put_back_is_marked_whole),
		cmocka_unit_test(a_request_that_is_left_in_the_in_flight_log_is_marked_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
