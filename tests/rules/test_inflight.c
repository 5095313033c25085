/* SPDX-License-Identifier: MIT */
/*
 * Rule: what a back-end had taken and not finished is run again, by it or by its successor, and
 * every request is finished once.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/iommu_rig.h"

/* The front-end keeps it from session to session. */
struct log {
	struct wire_inflight info;
	int fd;
};

#define NO_LOG                                                                                     \
	(struct log)                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

static const struct rig_config may_suspend = {
	.peer = {.protocol_features = RIG_BIT(WIRE_PF_MQ) | RIG_BIT(WIRE_PF_REPLY_ACK) |
				      RIG_BIT(WIRE_PF_INFLIGHT_SHMFD) |
				      RIG_BIT(WIRE_PF_GET_VRING_BASE_INFLIGHT)},
};

static void get_log(struct rig *rig, struct log *log)
{
	log->info = (struct wire_inflight){.n_queues = 2, .queue_size = PEER_QUEUE_SIZE};
	assert_ok(frontend_get_inflight_fd(&rig->peer->frontend, &log->info, &log->fd));
}

/* As QEMU does it: the log before memory and rings. */
static void start_with_log(struct rig *rig, struct log *log)
{
	struct frontend *f = &rig->peer->frontend;

	rig_connect(rig);
	assert_ok(peer_negotiate(rig->peer));
	assert_ok(peer_set_driver(rig->peer));
	if (log->fd < 0)
		get_log(rig, log);
	assert_ok(frontend_set_inflight_fd(f, &log->info, log->fd));
	if (peer_start_rings(rig->peer))
		fail_msg("%s\n%s", f->error, rig->log.text);
	rig_pump(rig);
}

/* The session ends with n requests of queue 0 held. */
static void hold_and_lose(struct rig *rig, const struct rig_config *config, struct log *log,
			  uint32_t n)
{
	rig_make(rig, config);
	start_with_log(rig, log);
	rig_roundtrip(rig, 0, 3);
	rig_hold(rig, 0, n);
	peer_disconnect(rig->peer);
	rig_pump(rig);
}

static void close_with_log(struct rig *rig, struct log *log)
{
	close(log->fd);
	rig_close(rig);
}

static void the_log_has_a_part_for_each_queue(void **state)
{
	struct log log = NO_LOG;
	struct stat st;
	struct rig rig;
	uint64_t each;

	(void)state;
	rig_make(&rig, NULL);
	start_with_log(&rig, &log);
	/* Whatever the layout is now: enough for packed ones. */
	each = 32 + 256 * 32 + 32;
	assert_true(log.info.mmap_size == 2 * each);
	assert_true(log.info.mmap_offset == 0);
	assert_ok(fstat(log.fd, &st));
	assert_true((uint64_t)st.st_size == log.info.mmap_size);
	rig_roundtrip(&rig, 0, 5);
	rig_roundtrip(&rig, 1, 5);
	close_with_log(&rig, &log);
}

/* Whoever sends only the fields gets only the fields. */
static void the_message_may_be_20_or_24_bytes_long(void **state)
{
	unsigned char payload[20] = {0};
	struct frontend_msg reply;
	struct rig rig;
	int fd;

	(void)state;
	rig_open(&rig, NULL);
	payload[16] = 2;
	payload[18] = 64;
	assert_ok(frontend_ask_msg(&rig.peer->frontend, WIRE_GET_INFLIGHT_FD, payload, 20, NULL, 0,
				   &reply));
	assert_int_equal(reply.hdr.size, 20);
	assert_int_equal(reply.n_fds, 1);
	fd = frontend_msg_take_fd(&reply);
	assert_ok(frontend_tell(&rig.peer->frontend, WIRE_SET_INFLIGHT_FD, reply.payload, 20, &fd,
				1));
	close(fd);
	rig_close(&rig);
}

static void a_log_that_cannot_be_ends_the_session(void **state)
{
	const struct wire_inflight bad[] = {
		{.mmap_size = 1 << 20, .n_queues = 0, .queue_size = 64},
		{.mmap_size = 1 << 20, .n_queues = 3, .queue_size = 64},
		{.mmap_size = 1 << 20, .n_queues = 2, .queue_size = 0},
		{.mmap_size = 1 << 20, .n_queues = 2, .queue_size = 32769},
		{.mmap_size = 64, .n_queues = 2, .queue_size = 256},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rig rig;
		int fd;

		rig_open(&rig, NULL);
		fd = memfd_create("log", MFD_CLOEXEC);
		assert_ok(ftruncate(fd, 1 << 20));
		assert_true(frontend_set_inflight_fd(&rig.peer->frontend, &bad[i], fd));
		assert_ok(frontend_wait_closed(&rig.peer->frontend));
		rig_expect_errors(&rig, "in-flight log", 1);
		close(fd);
		rig_close(&rig);
	}
}

static void a_log_with_garbage_is_refused_when_the_ring_starts(void **state)
{
	struct log log = {.info = {.mmap_size = 1 << 16, .n_queues = 2, .queue_size = 256}};
	unsigned char bytes[64];
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	log.fd = memfd_create("log", MFD_CLOEXEC);
	assert_ok(ftruncate(log.fd, 1 << 16));
	memset(bytes, 0x55, sizeof(bytes));
	assert_int_equal(pwrite(log.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	assert_ok(frontend_set_inflight_fd(&rig.peer->frontend, &log.info, log.fd));
	assert_true(peer_start_rings(rig.peer));
	rig_pump(&rig);
	rig_expect_errors(&rig, "another version or size", 1);
	close_with_log(&rig, &log);
}

static void requests_of_a_lost_session_are_run_again(void **state)
{
	struct log log = NO_LOG;
	struct rig_queue *q;
	struct rig rig;

	(void)state;
	hold_and_lose(&rig, NULL, &log, 4);
	q = &rig.queues[0];
	/* One ends by itself, too late for the driver. */
	while (q->n_held)
		rig_complete_held(&rig, 0);
	start_with_log(&rig, &log);
	assert_int_equal(rig_logged(&rig, "4 requests of a crashed back-end are run again"), 1);
	assert_int_equal(q->n_held, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(q->held[i]->flags, VU_REQ_RESUBMITTED);
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_int_equal(q->held[4]->flags, 0);
	assert_int_equal(rig_collect(&rig, 0), 0);
	while (q->n_held)
		rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 5);
	rig.mode = RIG_SERVE;
	for (int i = 0; i < 6; i++)
		rig_roundtrip(&rig, 0, 100);
	close_with_log(&rig, &log);
}

/* A disk of one sector, which a write reaches only when it is finished. */
static unsigned char write_disk(struct rig *rig)
{
	unsigned char disk;

	assert_int_equal(vu_req_read(rig->queues[0].held[0], 0, &disk, 1), 1);
	rig_complete_held(rig, 0);
	return disk;
}

static void a_late_write_of_the_old_session_does_not_land_on_a_new_one(void **state)
{
	struct log log = NO_LOG;
	struct rig_queue *q;
	unsigned char old, disk;
	struct rig rig;

	(void)state;
	hold_and_lose(&rig, NULL, &log, 1);
	q = &rig.queues[0];
	start_with_log(&rig, &log);
	/* The driver overwrites the sector: this has to wait for the one that nobody waits for. */
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_int_equal(q->n_held, 1);
	old = write_disk(&rig);
	rig_pump(&rig);
	assert_int_equal(q->n_held, 2);
	assert_int_equal(q->held[0]->flags, VU_REQ_RESUBMITTED);
	assert_int_equal(q->held[1]->flags, 0);
	disk = write_disk(&rig);
	assert_int_equal(disk, old);
	disk = write_disk(&rig);
	assert_int_not_equal(disk, old);
	rig_wait_used(&rig, 0, 2);
	close_with_log(&rig, &log);
}

/* Whatever the driver asked for meanwhile. */
static void the_driver_is_called_for_what_was_finished_before_the_crash(void **state)
{
	struct log log = NO_LOG;
	struct rig rig;

	(void)state;
	hold_and_lose(&rig, NULL, &log, 2);
	rig_complete_all_held(&rig, 0);
	driver_take_calls(rig.peer->queues[0]);
	driver_set_interrupts(rig.peer->queues[0], false);
	start_with_log(&rig, &log);
	/* At the start, and again by the descriptor that came after it. */
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 2);
	rig_complete_all_held(&rig, 0);
	rig_wait_used(&rig, 0, 2);
	close_with_log(&rig, &log);
}

static void a_stop_hands_out_what_is_to_be_run_again_and_waits_for_it(void **state)
{
	struct log log = NO_LOG;
	struct rig rig;

	(void)state;
	hold_and_lose(&rig, NULL, &log, 2);
	rig_complete_all_held(&rig, 0);
	rig.mode = RIG_LEAVE;
	start_with_log(&rig, &log);
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	rig.mode = RIG_HOLD;
	rig_send_stop(&rig, 0);
	rig_assert_no_reply(&rig);
	assert_int_equal(rig.queues[0].n_held, 2);
	rig_complete_all_held(&rig, 0);
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, 5));
	rig.mode = RIG_SERVE;
	rig.peer->queues[0]->base = rig_base(&rig, 0, 5);
	rig_start_queue(&rig, 0);
	rig_wait_used(&rig, 0, 3);
	close_with_log(&rig, &log);
}

/* It was told, and is not asked again. */
static void what_a_device_does_not_run_again_stays_in_the_log(void **state)
{
	struct log log = NO_LOG;
	struct rig rig;

	(void)state;
	hold_and_lose(&rig, NULL, &log, 2);
	rig_complete_all_held(&rig, 0);
	rig.mode = RIG_LEAVE;
	start_with_log(&rig, &log);
	rig_send_stop(&rig, 0);
	(void)rig_recv_stop(&rig, 0);
	assert_int_equal(rig_logged(&rig, "stopped with 2 requests of a crashed back-end left"), 1);
	/* The next one has them. */
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	rig.mode = RIG_SERVE;
	start_with_log(&rig, &log);
	rig_wait_used(&rig, 0, 2);
	close_with_log(&rig, &log);
}

static uint32_t fill(const struct vu_req *req)
{
	return (uint32_t)req->writable_len;
}

/* No budget cuts that short: what it would leave for another turn, nobody would come back for. */
static void a_stop_hands_out_all_that_is_to_be_run_again_however_large(void **state)
{
	enum { SIZE = 64 << 10, N = 100 };
	struct log log = NO_LOG;
	struct driver_seg segs[] = {{.len = RIG_BYTES}, {.len = SIZE, .write = true}};
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.serve = fill;
	start_with_log(&rig, &log);
	segs[0].gpa = segs[1].gpa = guest_alloc(rig.peer->guest, SIZE, 64);
	assert_true(segs[0].gpa != GUEST_NONE);
	rig.mode = RIG_HOLD;
	for (int i = 0; i < N; i++)
		assert_true(driver_add(rig.peer->queues[0], segs, 2, &rig) >= 0);
	assert_true(driver_kick(rig.peer->queues[0]) >= 0);
	rig_pump(&rig);
	assert_int_equal(rig.queues[0].n_held, N);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	rig_complete_all_held(&rig, 0);
	rig.mode = RIG_LEAVE;
	start_with_log(&rig, &log);
	rig.mode = RIG_SERVE;
	rig_send_stop(&rig, 0);
	assert_int_equal(rig_recv_stop(&rig, 0), rig_base(&rig, 0, N));
	assert_int_equal(rig.queues[0].served, N);
	assert_int_equal(rig_logged(&rig, "left in the in-flight log"), 0);
	close_with_log(&rig, &log);
}

static void suspend_all(struct rig *rig, struct rig_queue *q)
{
	(void)rig;
	while (q->n_held)
		assert_ok(vu_req_leave(q->held[--q->n_held]));
}

static void a_stopping_queue_may_leave_requests_in_the_log(void **state)
{
	struct log log = NO_LOG;
	struct rig_queue *q;
	struct rig rig;

	(void)state;
	rig_make(&rig, &may_suspend);
	start_with_log(&rig, &log);
	rig_roundtrip(&rig, 0, 3);
	rig_hold(&rig, 0, 4);
	q = &rig.queues[0];
	assert_int_equal(vu_req_leave(q->held[0]), -EBUSY);
	rig_complete_held(&rig, 0);
	rig.on_stop = suspend_all;
	rig_stop_queue(&rig, 0);
	assert_int_equal(rig.peer->queues[0]->base & 0x7fff, rig_base(&rig, 0, 7) & 0x7fff);
	assert_int_equal(q->n_held, 0);
	assert_int_equal(rig_collect(&rig, 0), 1);
	rig_start_queue(&rig, 0);
	rig_pump(&rig);
	assert_int_equal(q->n_held, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(q->held[i]->flags, VU_REQ_RESUBMITTED);
	/* Nothing else would be said to the next one if it stopped again at once. */
	rig_stop_queue(&rig, 0);
	rig_start_queue(&rig, 0);
	rig_pump(&rig);
	while (q->n_held)
		rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 3);
	close_with_log(&rig, &log);
}

static void without_that_feature_nothing_can_be_suspended(void **state)
{
	struct log log = NO_LOG;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	start_with_log(&rig, &log);
	rig_hold(&rig, 0, 1);
	rig_send_stop(&rig, 0);
	assert_int_equal(vu_req_leave(rig.queues[0].held[0]), -ENOTSUP);
	rig_assert_no_reply(&rig);
	rig_complete_held(&rig, 0);
	rig_recv_stop(&rig, 0);
	close_with_log(&rig, &log);
}

static struct rig *faulting;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (!vu_device_fault(faulting->dev, info->si_addr))
		_exit(1);
}

static void a_log_cut_short_ends_the_session_only(void **state)
{
	struct sigaction now = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO}, before;
	struct log log = NO_LOG;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	start_with_log(&rig, &log);
	rig_roundtrip(&rig, 0, 1);
	faulting = &rig;
	sigaction(SIGBUS, &now, &before);
	assert_ok(ftruncate(log.fd, 0));
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_ok(frontend_wait_closed(&rig.peer->frontend));
	sigaction(SIGBUS, &before, NULL);
	rig_expect_errors(&rig, "truncated", 1);
	/* The next one is well, with a log of its own. */
	close(log.fd);
	log = NO_LOG;
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	start_with_log(&rig, &log);
	rig_collect(&rig, 0);
	rig_submit(&rig, 1, 3);
	rig_wait_used(&rig, 1, 3);
	close_with_log(&rig, &log);
}

/* Of both layouts: the version comes after 8 bytes of features, and is 0 until a ring uses it. */
static bool is_in_use(const struct log *log)
{
	uint16_t version;

	assert_int_equal(pread(log->fd, &version, sizeof(version), 8), sizeof(version));
	return version;
}

/* (*state): it gets none, and breaks, which only a reset mends: then nothing is in flight. */
static void a_ring_that_waits_for_its_areas_keeps_the_log_it_was_started_with(void **state)
{
	struct log log = NO_LOG, other = NO_LOG;
	struct iommu *iommu;
	struct rig rig;

	rig_make(&rig, &behind);
	assert_ok(iommu_new(rig.peer, IOMMU_RIG_OFFSET, &iommu));
	start_with_log(&rig, &log);
	assert_false(is_in_use(&log));
	get_log(&rig, &other);
	assert_ok(frontend_set_inflight_fd(&rig.peer->frontend, &other.info, other.fd));
	if (*state) {
		assert_int_equal(pwrite(log.fd, "\1", 1, 8), 1);
		assert_ok(iommu_map(iommu, rig.peer->queues[0]->used_gpa + IOMMU_RIG_OFFSET, 0, 0));
		serve(&rig, iommu);
		rig_expect_errors(&rig, "its areas are at 0x", 1);
		rig_stop_queue(&rig, 0);
	} else {
		pass(&rig, iommu, 0, 3);
	}
	assert_int_equal(is_in_use(&log), !*state);
	assert_false(is_in_use(&other));
	close(other.fd);
	close_with_log(&rig, &log);
	iommu_free(iommu);
}

int main(void)
{
	bool refused = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_has_a_part_for_each_queue),
		cmocka_unit_test(the_message_may_be_20_or_24_bytes_long),
		cmocka_unit_test(a_log_that_cannot_be_ends_the_session),
		cmocka_unit_test(a_log_with_garbage_is_refused_when_the_ring_starts),
		cmocka_unit_test(requests_of_a_lost_session_are_run_again),
		cmocka_unit_test(a_late_write_of_the_old_session_does_not_land_on_a_new_one),
		cmocka_unit_test(the_driver_is_called_for_what_was_finished_before_the_crash),
		cmocka_unit_test(a_stop_hands_out_all_that_is_to_be_run_again_however_large),
		cmocka_unit_test(a_stop_hands_out_what_is_to_be_run_again_and_waits_for_it),
		cmocka_unit_test(what_a_device_does_not_run_again_stays_in_the_log),
		cmocka_unit_test(a_stopping_queue_may_leave_requests_in_the_log),
		cmocka_unit_test(without_that_feature_nothing_can_be_suspended),
		cmocka_unit_test(a_log_cut_short_ends_the_session_only),
		cmocka_unit_test(a_ring_that_waits_for_its_areas_keeps_the_log_it_was_started_with),
		{"a_ring_that_waits_for_its_areas_and_breaks_leaves_that_log_empty",
		 a_ring_that_waits_for_its_areas_keeps_the_log_it_was_started_with, NULL, NULL,
		 &refused},
	};

	return cmocka_run_group_tests_name("inflight", tests, NULL, NULL);
}
