/* SPDX-License-Identifier: MIT */
/* Rules: a dirty log that is none, or is not enough, ends only its session, or not even that. */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rules/moving.h"

#define LOG_ALL RIG_BIT(VU_F_LOG_ALL)

static int file_of(off_t bytes)
{
	int fd = memfd_create("dirty log", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static void a_descriptor_for_the_log_that_is_no_eventfd_ends_the_session(void **state)
{
	int fds[2];
	struct rig rig;

	(void)state;
	rig_open(&rig, &moving_config);
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

	rig_open(&rig, &moving_config);
	assert_int_equal(frontend_set_log_base(&rig.peer->frontend, size, offset, fd), -ECONNRESET);
	rig_expect_errors(&rig, why, 1);
	rig_close(&rig);
	close(fd);
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
	rig_open(&rig, &moving_config);
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
	moving_open(&rig, &log, &moving_config);
	/* Enough for the rings alone; what follows in the file is not ours. */
	log.bytes = 4096;
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_roundtrip(&rig, 0, 20);
	rig_expect_errors(&rig, "past the end of the dirty log", 1);
	log.bytes = (MOVING_BUFFERS_GPA >> 15) + 4096;
	assert_false(peer_log_has(&log, rig.queues[0].buffers));
	assert_true(peer_log_has(&log, rig.peer->queues[0]->used_gpa));
	/* A log that is long enough is told nothing of. */
	assert_ok(peer_log_begin(rig.peer, &log));
	rig_roundtrip(&rig, 0, 20);
	assert_true(peer_log_has(&log, rig.queues[0].buffers));
	moving_close(&rig, &log);
}

static void a_log_that_is_truncated_ends_only_its_session(void **state)
{
	struct peer_log log;
	struct rig rig;

	(void)state;
	moving_open(&rig, &log, &moving_config);
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

static void a_device_may_refuse_to_be_moved(void **state)
{
	struct rig_config never = moving_config;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_for_the_log_that_is_no_eventfd_ends_the_session),
		cmocka_unit_test(a_log_that_cannot_be_ends_the_session_with_a_line),
		cmocka_unit_test(a_log_without_its_size_ends_the_session),
		cmocka_unit_test(pages_past_the_logs_end_are_told_once_and_never_written),
		cmocka_unit_test(a_log_that_is_truncated_ends_only_its_session),
		cmocka_unit_test(a_device_may_refuse_to_be_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
