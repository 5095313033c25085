/* SPDX-License-Identifier: MIT */
/* Rules: a device whose guest moves marks every page that it wrote, from the message that says so
 * to the one that says no more; and a log that is none ends only its session. */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/peer_log.h"
#include "rules/rig.h"

#define LOG_ALL RIG_BIT(VU_F_LOG_ALL)

enum { RINGS, BUFFERS }; /* regions */

static const struct guest_region two_regions[] = {
	[RINGS] = {.gpa = 0, .size = 4 << 20, .uva = UINT64_C(0x7f0000000000)},
	[BUFFERS] = {.gpa = 1 << 30, .size = 1 << 20, .uva = UINT64_C(0x7e0000000000)},
};
static const struct rig_config config = {.peer = {.n_regions = 2, .regions = two_regions}};
static const struct rig_config grouped = {.peer = {.n_regions = 2, .regions = two_regions},
					  .groups = true};

static void open_with_log(struct rig *rig, struct peer_log *log, const struct rig_config *how)
{
	rig_open(rig, how);
	for (int i = 0; i < RIG_QUEUES; i++)
		rig->queues[i].region = BUFFERS;
	assert_ok(peer_log_new(log, rig->peer->guest));
}

static void close_with_log(struct rig *rig, struct peer_log *log)
{
	peer_log_free(log);
	rig_close(rig);
}

static void expect_same(const struct peer_log *log)
{
	uint64_t gpa = peer_log_differs(log);

	if (gpa != GUEST_NONE)
		fail_msg("what was written at %#llx was not copied", (unsigned long long)gpa);
}

/* What the driver does is copied as it is; what the device does, as the log says. */
static void serve_and_copy(struct rig *rig, struct peer_log *log, uint32_t q, uint32_t n)
{
	rig_submit(rig, q, n);
	peer_log_copy_all(log);
	rig_pump(rig);
	assert_true(peer_log_copy_marked(log) > 0);
	expect_same(log);
	assert_int_equal(rig_collect(rig, q), n);
}

static void a_copy_that_follows_the_log_is_as_the_memory(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &grouped);
	rig_roundtrip(&rig, 0, 3);
	assert_ok(peer_log_begin(rig.peer, &log));
	for (uint32_t i = 0; i < 300; i++)
		serve_and_copy(&rig, &log, i % 2, 1 + i % 7);
	assert_int_equal(rig_stops(&rig), 0);
	assert_int_equal(rig.started, 1);
	close_with_log(&rig, &log);
}

static void a_running_device_is_not_told_that_its_guest_moves(void **state)
{
	struct peer_log log;
	struct rig rig;
	uint32_t acked;

	(void)state;
	open_with_log(&rig, &log, &config);
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
	close_with_log(&rig, &log);
}

static void nothing_is_marked_before_a_migration_or_after_one_that_was_called_off(void **state)
{
	struct peer_log log;
	struct rig rig;
	int mappings;

	(void)state;
	open_with_log(&rig, &log, &config);
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
	close_with_log(&rig, &log);
}

static void requests_taken_before_a_migration_began_are_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	rig_hold(&rig, 0, 3);
	assert_ok(peer_log_begin(rig.peer, &log));
	peer_log_copy_all(&log);
	while (rig.queues[0].n_held)
		rig_complete_held(&rig, 0);
	assert_true(peer_log_copy_marked(&log) > 0);
	expect_same(&log);
	rig_wait_used(&rig, 0, 3);
	close_with_log(&rig, &log);
}

static void requests_that_another_thread_completes_are_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 1);
	peer_log_copy_all(&log);
	assert_int_equal(rig_invert(rig.queues[0].held[0]), RIG_BYTES);
	assert_ok(vu_req_complete_remote(rig.queues[0].held[0], RIG_BYTES));
	rig.queues[0].n_held = 0;
	rig_pump(&rig);
	assert_true(peer_log_copy_marked(&log) > 0);
	expect_same(&log);
	rig_wait_used(&rig, 0, 1);
	close_with_log(&rig, &log);
}

static void a_log_may_be_replaced_under_running_rings(void **state)
{
	struct peer_log log, other;
	struct rig rig;
	int mappings;

	(void)state;
	open_with_log(&rig, &log, &grouped);
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
	close_with_log(&rig, &log);
}

static void a_log_is_used_by_every_ring_when_it_is_acked(void **state)
{
	struct wire_log wire = {0};
	struct frontend_msg reply;
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &grouped);
	wire.size = log.bytes;
	rig.group_stands = true;
	assert_ok(frontend_send(&rig.peer->frontend, WIRE_SET_LOG_BASE, 0, &wire, sizeof(wire),
				&log.fd, 1));
	rig_pump(&rig);
	rig_assert_no_reply(&rig);
	rig.group_stands = false;
	assert_ok(frontend_recv(&rig.peer->frontend, &reply));
	assert_int_equal(reply.hdr.size, 8);
	close_with_log(&rig, &log);
}

/* QEMU's order where a guest boots while it moves: LOG_ALL, the rings, KICK, SET_LOG_BASE, ENABLE.
 */
static void a_device_that_starts_during_a_migration_misses_nothing(void **state)
{
	struct frontend *f;
	struct peer_log log;
	struct rig rig;

	(void)state;
	rig_make(&rig, &config);
	rig_connect(&rig);
	f = &rig.peer->frontend;
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(frontend_set_features(f, f->features | LOG_ALL));
	assert_ok(frontend_set_memory(f, rig.peer->guest));
	assert_ok(peer_log_new(&log, rig.peer->guest));
	for (uint32_t q = 0; q < 2; q++) {
		rig.queues[q].region = BUFFERS;
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
	expect_same(&log);
	rig_wait_used(&rig, 0, 1);
	rig_wait_used(&rig, 1, 1);
	serve_and_copy(&rig, &log, 0, 3);
	close_with_log(&rig, &log);
}

static void what_was_served_before_the_log_came_is_marked_when_it_comes(void **state)
{
	struct frontend *f;
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	f = &rig.peer->frontend;
	peer_log_copy_all(&log);
	assert_ok(frontend_set_features(f, f->features | LOG_ALL));
	for (uint32_t q = 0; q < 2; q++)
		assert_ok(peer_log_ring(rig.peer, q, WIRE_VRING_F_LOG));
	rig_roundtrip(&rig, 0, 3);
	assert_ok(frontend_set_log_base(f, log.bytes, 0, log.fd));
	peer_log_copy_marked(&log);
	expect_same(&log);
	close_with_log(&rig, &log);
}

/* New addresses are the next start's, and where they are logged goes with them. */
static void addresses_of_the_next_start_do_not_move_the_marks_of_this_ring(void **state)
{
	struct driver_ring *ring;
	uint64_t used;
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	assert_ok(peer_log_begin(rig.peer, &log));
	ring = rig.peer->queues[0];
	used = ring->used_gpa;
	ring->used_gpa = guest_alloc_in(rig.peer->guest, RINGS, 1 << 16, 4096);
	assert_ok(peer_log_ring(rig.peer, 0, WIRE_VRING_F_LOG));
	ring->used_gpa = used;
	serve_and_copy(&rig, &log, 0, 3);
	assert_ok(peer_log_ring(rig.peer, 0, WIRE_VRING_F_LOG));
	serve_and_copy(&rig, &log, 0, 3);
	close_with_log(&rig, &log);
}

static void without_f_log_the_ring_itself_is_not_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	assert_ok(peer_log_begin(rig.peer, &log));
	assert_ok(peer_log_ring(rig.peer, 0, 0));
	rig_submit(&rig, 0, 1);
	peer_log_copy_all(&log);
	rig_wait_used(&rig, 0, 1);
	assert_int_equal(peer_log_count(&log), 1);
	assert_true(peer_log_has(&log, rig.queues[0].buffers));
	close_with_log(&rig, &log);
}

static void a_stop_is_answered_when_all_is_marked(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 2);
	peer_log_copy_all(&log);
	rig_send_stop(&rig, 0);
	rig_assert_no_reply(&rig);
	rig_complete_held(&rig, 0);
	rig_complete_held(&rig, 0);
	rig_recv_stop(&rig, 0);
	peer_log_copy_marked(&log);
	expect_same(&log);
	/* It starts again while it moves, as after a failure at the other side. */
	rig.mode = RIG_SERVE;
	rig_collect(&rig, 0);
	driver_recover_base(rig.peer->queues[0]);
	rig_start_queue(&rig, 0);
	assert_ok(peer_log_ring(rig.peer, 0, WIRE_VRING_F_LOG));
	serve_and_copy(&rig, &log, 0, 3);
	close_with_log(&rig, &log);
}

static void an_eventfd_says_that_something_was_marked(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct peer_log log;
	struct rig rig;
	uint64_t n;

	(void)state;
	open_with_log(&rig, &log, &grouped);
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
	close_with_log(&rig, &log);
	close(fd);
}

static void a_descriptor_for_the_log_that_is_no_eventfd_ends_the_session(void **state)
{
	int fds[2];
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	rig.peer->frontend.need_reply = false;
	assert_int_equal(pipe(fds), 0);
	(void)frontend_set_log_fd(&rig.peer->frontend, fds[1]);
	assert_ok(frontend_wait_closed(&rig.peer->frontend));
	rig_expect_errors(&rig, "descriptor is no eventfd", 1);
	close(fds[0]);
	close(fds[1]);
	rig_close(&rig);
}

/* Nobody looks at the reply, so a log that cannot be ends the session. */
static void refuse_log(uint64_t size, uint64_t offset, int fd, const char *why)
{
	struct rig rig;

	rig_open(&rig, &config);
	assert_int_equal(frontend_set_log_base(&rig.peer->frontend, size, offset, fd), -ECONNRESET);
	rig_expect_errors(&rig, why, 1);
	rig_close(&rig);
	close(fd);
}

static int file_of(off_t bytes)
{
	int fd = memfd_create("dirty log", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static void a_log_that_cannot_be_ends_the_session_with_a_line(void **state)
{
	(void)state;
	refuse_log(0, 0, file_of(4096), "its size is 0");
	refuse_log(8192, 0, file_of(4096), "beyond the end of its file");
	refuse_log(4096, 4096, file_of(4096), "beyond the end of its file");
	refuse_log(1, UINT64_MAX, file_of(4096), "offset");
	refuse_log(UINT64_MAX, 0, file_of(4096), "SET_LOG_BASE");
	refuse_log(4096, 0, eventfd(0, EFD_CLOEXEC), "no memory");
}

static void a_log_without_its_size_ends_the_session(void **state)
{
	const uint64_t address = 0x1000;
	int fd = file_of(4096);
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	assert_ok(frontend_send(&rig.peer->frontend, WIRE_SET_LOG_BASE, 0, &address,
				sizeof(address), &fd, 1));
	assert_ok(frontend_wait_closed(&rig.peer->frontend));
	rig_expect_errors(&rig, "without size and offset", 1);
	rig_close(&rig);
	close(fd);
}

static void pages_past_the_logs_end_are_told_once_and_never_written(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	/* Enough for the rings alone; what follows in the file is not ours. */
	log.bytes = 4096;
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_roundtrip(&rig, 0, 20);
	rig_expect_errors(&rig, "past the end of the dirty log", 1);
	log.bytes = (two_regions[BUFFERS].gpa >> 15) + 4096;
	assert_false(peer_log_has(&log, rig.queues[0].buffers));
	assert_true(peer_log_has(&log, rig.peer->queues[0]->used_gpa));
	/* A log that is long enough is told nothing of. */
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_roundtrip(&rig, 0, 20);
	assert_true(peer_log_has(&log, rig.queues[0].buffers));
	close_with_log(&rig, &log);
}

static void a_log_that_is_truncated_ends_only_its_session(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	assert_ok(vu_device_guard(rig.dev));
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_roundtrip(&rig, 0, 2);
	assert_int_equal(ftruncate(log.fd, 0), 0);
	rig_submit(&rig, 0, 1);
	assert_ok(frontend_wait_closed(&rig.peer->frontend));
	rig_expect_errors(&rig, "truncated", 1);
	peer_log_free(&log);
	/* The next front-end is served. */
	rig_connect(&rig);
	driver_reset(rig.peer->queues[0]);
	driver_reset(rig.peer->queues[1]);
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

static void the_next_session_knows_nothing_of_the_last_ones_log(void **state)
{
	struct peer_log log;
	struct rig rig;
	int mappings;

	(void)state;
	open_with_log(&rig, &log, &config);
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
	close_with_log(&rig, &log);
}

static void a_device_may_refuse_to_be_moved(void **state)
{
	struct rig_config never = config;
	int fd = file_of(4096);
	struct rig rig;

	(void)state;
	never.device.forbidden = LOG_ALL;
	rig_open(&rig, &never);
	assert_false(rig.peer->frontend.offered_features & LOG_ALL);
	assert_false(rig.peer->frontend.offered_protocol_features & RIG_BIT(WIRE_PF_LOG_SHMFD));
	assert_int_equal(frontend_set_log_base(&rig.peer->frontend, 4096, 0, fd), -ECONNRESET);
	rig_expect_errors(&rig, "needs LOG_SHMFD", 1);
	rig_close(&rig);
	close(fd);
}

static void a_request_that_is_put_back_is_marked_whole(void **state)
{
	struct vu_req *req;
	struct peer_log log;
	struct rig rig;

	(void)state;
	open_with_log(&rig, &log, &config);
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_hold(&rig, 0, 1);
	req = rig.queues[0].held[0];
	peer_log_copy_all(&log);
	assert_int_equal(vu_req_write(req, 0, "half", 4), 4);
	assert_ok(vu_req_put_back(req));
	rig.queues[0].n_held = 0;
	peer_log_copy_marked(&log);
	expect_same(&log);
	close_with_log(&rig, &log);
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
		cmocka_unit_test(a_descriptor_for_the_log_that_is_no_eventfd_ends_the_session),
		cmocka_unit_test(a_log_that_cannot_be_ends_the_session_with_a_line),
		cmocka_unit_test(a_log_without_its_size_ends_the_session),
		cmocka_unit_test(pages_past_the_logs_end_are_told_once_and_never_written),
		cmocka_unit_test(a_log_that_is_truncated_ends_only_its_session),
		cmocka_unit_test(the_next_session_knows_nothing_of_the_last_ones_log),
		cmocka_unit_test(a_device_may_refuse_to_be_moved),
		cmocka_unit_test(a_request_that_is_put_back_is_marked_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
