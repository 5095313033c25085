/* SPDX-License-Identifier: MIT */
/* Rules of one pass: budgets, requests left, signals, fds and timers, misuse that is detected. */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rules/rig.h"

static struct frontend *front(struct rig *rig)
{
	return &rig->peer->frontend;
}

/* Both queues in one group, which only the test processes. */
static void open_grouped(struct rig *rig)
{
	const struct rig_config grouped = {.groups = true};

	rig_make(rig, &grouped);
	assert_ok(vu_device_set_group(rig->dev, 0, rig->group));
	rig_connect(rig);
	assert_ok(peer_start(rig->peer));
	rig_assert_idle(rig);
}

static void a_busy_queue_leaves_the_others_their_share(void **state)
{
	struct rig rig;

	(void)state;
	open_grouped(&rig);
	rig.group_stands = true;
	rig_submit(&rig, 0, 9);
	rig_submit(&rig, 1, 3);
	for (uint32_t pass = 1; pass <= 5; pass++) {
		assert_int_equal(vu_group_process(rig.group, 2), pass < 5);
		assert_int_equal(rig.queues[0].served, pass < 5 ? 2 * pass : 9);
		assert_int_equal(rig.queues[1].served, pass < 2 ? 2 : 3);
	}
	assert_int_equal(vu_group_arm(rig.group), 0);
	assert_int_equal(poll(&(struct pollfd){vu_group_fd(rig.group), POLLIN, 0}, 1, 0), 0);
	assert_int_equal(rig_collect(&rig, 0), 9);
	assert_int_equal(rig_collect(&rig, 1), 3);
	rig_close(&rig);
}

static void a_busy_device_returns_after_its_budget(void **state)
{
	enum { MANY = 1500 };
	const struct rig_config big = {.peer = {.queue_size = 4096}};
	struct rig rig;

	(void)state;
	rig_open(&rig, &big);
	rig_assert_idle(&rig);
	rig_submit(&rig, 0, MANY);
	assert_int_equal(vu_device_process(rig.dev), 1);
	assert_in_range(rig.queues[0].served, 1, MANY - 1);
	rig_wait_used(&rig, 0, MANY);
	rig_close(&rig);
}

static void requests_left_in_the_ring_keep_nobody_busy(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig.mode = RIG_LEAVE;
	for (uint32_t i = 1; i <= 3; i++) {
		rig.queues[0].ready = 0;
		rig_submit(&rig, 0, 2);
		/* Each kick arrives, and no more than it. */
		assert_int_equal(poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, 0), 1);
		rig_assert_idle(&rig);
		assert_true(rig.queues[0].ready > 0);
		rig.queues[0].ready = 0;
		rig_assert_idle(&rig);
		assert_int_equal(rig.queues[0].ready, 0);
	}
	assert_int_equal(vu_queue_available(rig.queues[0].queue), 1);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 1);
		assert_ok(vu_req_complete(req, rig_invert(req)));
	}
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 0);
	rig_wait_used(&rig, 0, 6);
	assert_ok(peer_wait_call(rig.peer, 0));
	rig_close(&rig);
}

static void a_request_put_back_is_there_again_and_keeps_nobody_busy(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig.mode = RIG_LEAVE;
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 1);
		assert_ok(vu_req_put_back(req));
		rig_assert_idle(&rig);
	}
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	assert_int_equal(vu_queue_next(rig.queues[0].queue, &req), 1);
	assert_ok(vu_req_complete(req, rig_invert(req)));
	rig_wait_used(&rig, 0, 1);
	rig_close(&rig);
}

static void a_signal_that_the_device_forgets_is_sent_by_the_library(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	/* In queue_ready, where the rig never signals; and between two passes. */
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 1);
	assert_int_equal(rig_collect(&rig, 0), 1);
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 1);
	rig_assert_idle(&rig);
	rig_complete_held(&rig, 0);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 0);
	assert_int_equal(poll(&(struct pollfd){vu_device_fd(rig.dev), POLLIN, 0}, 1, 0), 1);
	rig_pump(&rig);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 1);
	assert_int_equal(rig_collect(&rig, 0), 1);
	rig_close(&rig);
}

static struct vu_queue_counters counters(struct rig *rig)
{
	struct vu_queue_counters c = {.size = sizeof(c)};

	assert_ok(vu_queue_counters(rig->queues[0].queue, &c));
	return c;
}

/* With EVENT_IDX, or (*state) without. */
static void signals_the_driver_does_not_want_are_counted_but_not_sent(void **state)
{
	const struct rig_config flags = {
		.peer = {.features = RIG_BIT(VU_F_VERSION_1)},
	};
	struct vu_queue_counters before, after;
	struct driver_ring *ring;
	struct rig rig;

	rig_open(&rig, *state ? &flags : NULL);
	ring = rig.peer->queues[0];
	rig_roundtrip(&rig, 0, 1);
	driver_take_calls(ring);
	driver_set_interrupts(ring, false);
	before = counters(&rig);
	for (int i = 0; i < 5; i++)
		rig_roundtrip(&rig, 0, 2);
	assert_int_equal(driver_take_calls(ring), 0);
	after = counters(&rig);
	assert_int_equal(after.signals, before.signals);
	assert_int_equal(after.signals_suppressed, before.signals_suppressed + 5);
	assert_int_equal(after.requests, before.requests + 10);
	driver_set_interrupts(ring, true);
	rig_roundtrip(&rig, 0, 2);
	assert_int_equal(driver_take_calls(ring), 1);
	assert_int_equal(counters(&rig).signals, after.signals + 1);
	rig_close(&rig);
}

static void a_batch_is_one_signal_at_the_entry_the_driver_waits_for(void **state)
{
	struct driver_ring *ring;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	ring = rig.peer->queues[0];
	rig_roundtrip(&rig, 0, 1);
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 6);
	rig_pump(&rig);
	driver_take_calls(ring);
	*driver_split_used_event(ring) = (uint16_t)(ring->split.last_used + 2);
	for (int i = 0; i < 6; i++) {
		rig_complete_held(&rig, 0);
		vu_queue_signal(rig.queues[0].queue);
		vu_queue_signal(rig.queues[0].queue);
		assert_int_equal(driver_take_calls(ring), i == 2);
	}
	assert_int_equal(rig_collect(&rig, 0), 6);
	/* Passed by without being asked about, it still counts. */
	rig_submit(&rig, 0, 6);
	rig_pump(&rig);
	*driver_split_used_event(ring) = (uint16_t)(ring->split.last_used + 2);
	for (int i = 0; i < 6; i++)
		rig_complete_held(&rig, 0);
	rig_pump(&rig);
	assert_int_equal(driver_take_calls(ring), 1);
	assert_int_equal(rig_collect(&rig, 0), 6);
	rig_close(&rig);
}

/* A device that takes buffers at the moment of an event: input, vsock, console. */
struct event {
	struct rig *rig;
	int calls;
	uint32_t count;
	struct vu_source *remove; /* in the callback */
};

static void on_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct event *e = opaque;
	struct vu_req *req;
	uint64_t value;

	(void)source;
	e->calls++;
	e->count = events;
	if (fd >= 0)
		assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	if (vu_queue_next(e->rig->queues[0].queue, &req) == 1)
		assert_ok(vu_req_complete(req, rig_invert(req)));
	vu_source_remove(e->remove);
	e->remove = NULL;
}

static void a_request_is_taken_when_a_descriptor_is_ready(void **state)
{
	struct vu_source *source;
	uint64_t one = 1;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct rig rig;
	struct event e = {.rig = &rig};

	(void)state;
	rig_open(&rig, NULL);
	rig.mode = RIG_LEAVE;
	rig_submit(&rig, 0, 3);
	rig_assert_idle(&rig);
	assert_int_equal(vu_group_add_fd(vu_device_group(rig.dev), fd, EPOLLIN, NULL, &e, &source),
			 -EINVAL);
	assert_ok(vu_group_add_fd(vu_device_group(rig.dev), fd, EPOLLIN, on_event, &e, &source));
	assert_int_equal(vu_source_set_timer(source, 1, 0), -EINVAL);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		rig_assert_idle(&rig);
		assert_int_equal(e.calls, i);
		assert_int_equal(e.count, EPOLLIN);
		assert_int_equal(rig_collect(&rig, 0), 1);
		assert_ok(peer_wait_call(rig.peer, 0));
	}
	/* Paused, and on again. */
	assert_ok(vu_source_set_events(source, 0));
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 3);
	assert_ok(vu_source_set_events(source, EPOLLIN));
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 4);
	vu_source_remove(source);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 4);
	rig_close(&rig);
	close(fd);
}

static void a_request_is_taken_when_a_timer_expires(void **state)
{
	struct vu_source *timer;
	struct rig rig;
	struct event e = {.rig = &rig};

	(void)state;
	rig_open(&rig, NULL);
	rig.mode = RIG_LEAVE;
	rig_submit(&rig, 0, 1);
	rig_assert_idle(&rig);
	assert_ok(vu_group_add_timer(vu_device_group(rig.dev), on_event, &e, &timer));
	assert_int_equal(vu_source_set_events(timer, EPOLLIN), -EINVAL);
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 0);
	assert_ok(vu_source_set_timer(timer, 1000000, 0));
	rig_wait_used(&rig, 0, 1);
	assert_int_equal(e.calls, 1);
	assert_int_equal(e.count, 1);
	/* Expirations that nobody looked at are added up. */
	assert_ok(vu_source_set_timer(timer, 1000000, 1000000));
	usleep(10000);
	rig_pump(&rig);
	assert_true(e.count > 1);
	assert_ok(vu_source_set_timer(timer, 0, 0));
	rig_pump(&rig);
	e.calls = 0;
	usleep(3000);
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 0);
	/* The rest goes with the device. */
	rig_close(&rig);
}

static void an_event_finds_requests_though_queue_ready_used_up_its_budget(void **state)
{
	struct vu_source *source;
	uint64_t one = 1;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct rig rig;
	struct event e = {.rig = &rig};

	(void)state;
	open_grouped(&rig);
	rig.group_stands = true;
	assert_ok(vu_group_add_fd(rig.group, fd, EPOLLIN, on_event, &e, &source));
	rig_submit(&rig, 0, 4);
	assert_int_equal(vu_group_process(rig.group, 2), 1);
	assert_int_equal(rig.queues[0].served, 2);
	rig.mode = RIG_LEAVE;
	assert_int_equal(vu_group_arm(rig.group), 1);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	vu_group_process(rig.group, 2);
	assert_int_equal(rig_collect(&rig, 0), 3);
	rig.group_stands = false;
	rig.mode = RIG_SERVE;
	rig_add(&rig, 0);
	rig_roundtrip(&rig, 0, 0);
	rig_wait_used(&rig, 0, 2);
	vu_source_remove(source);
	rig_close(&rig);
	close(fd);
}

static void a_source_is_removed_in_its_own_callback_and_in_anothers(void **state)
{
	struct vu_source *sources[3];
	uint64_t one = 1;
	int fds[3];
	struct rig rig;
	struct event e[3] = {{.rig = &rig}, {.rig = &rig}, {.rig = &rig}};

	(void)state;
	rig_open(&rig, NULL);
	rig_assert_idle(&rig);
	for (int i = 0; i < 3; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		assert_ok(vu_group_add_fd(vu_device_group(rig.dev), fds[i], EPOLLIN, on_event,
					  &e[i], &sources[i]));
	}
	/* All three are ready in one pass; whichever of the first two comes first removes the
	 * other one, and the third itself. */
	e[0].remove = sources[1];
	e[1].remove = sources[0];
	e[2].remove = sources[2];
	assert_int_equal(vu_device_process(rig.dev), 0);
	assert_int_equal(e[0].calls + e[1].calls, 1);
	assert_int_equal(e[2].calls, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(write(fds[i], &one, sizeof(one)), sizeof(one));
	rig_assert_idle(&rig);
	assert_int_equal(e[0].calls + e[1].calls, 2);
	assert_int_equal(e[2].calls, 1);
	vu_source_remove(e[0].calls ? sources[0] : sources[1]);
	vu_source_remove(NULL);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	rig_close(&rig);
}

static void a_request_cannot_be_completed_twice(void **state)
{
	const struct rig_config debug = {.device = {.flags = VU_DEVICE_DEBUG}};
	struct vu_req *req;
	uint64_t written = 0;
	struct rig rig;

	(void)state;
	rig_open(&rig, &debug);
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 2);
	rig_pump(&rig);
	req = rig.queues[0].held[0];
	assert_int_equal(vu_req_complete(req, RIG_BYTES + 1), -ERANGE);
	rig_complete_held(&rig, 0);
	assert_int_equal(vu_req_complete(req, 0), -EINVAL);
	assert_int_equal(vu_queue_complete_batch(rig.queues[0].queue, &req, &written, 1), -EINVAL);
	assert_int_equal(vu_req_put_back(req), -EINVAL);
	rig_expect_errors(&rig, "not outstanding", 3);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void a_batch_stops_at_the_first_error(void **state)
{
	struct vu_req *reqs[3];
	const uint64_t written[3] = {RIG_BYTES, RIG_BYTES + 1, RIG_BYTES};
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig.mode = RIG_LEAVE;
	rig_submit(&rig, 0, 3);
	rig_pump(&rig);
	assert_int_equal(vu_queue_next_batch(rig.queues[0].queue, reqs, 3), 3);
	for (int i = 0; i < 3; i++)
		rig_invert(reqs[i]);
	assert_int_equal(vu_queue_complete_batch(rig.queues[0].queue, reqs, written, 3), -ERANGE);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 2);
	rig_wait_used(&rig, 0, 1);
	assert_ok(vu_req_complete(reqs[2], RIG_BYTES));
	assert_ok(vu_req_complete(reqs[1], RIG_BYTES));
	rig_wait_used(&rig, 0, 2);
	rig_close(&rig);
}

static void *misuse(void *opaque)
{
	struct rig_queue *q = opaque;
	const struct vu_req *req = q->held[0];
	struct vu_req *other;
	uint64_t written = 0;
	bool good = true;

	good &= vu_queue_next(q->queue, &other) == -EINVAL;
	good &= vu_queue_next_batch(q->queue, &other, 1) == -EINVAL;
	good &= vu_req_complete(q->held[0], 0) == -EINVAL;
	good &= vu_queue_complete_batch(q->queue, q->held, &written, 1) == -EINVAL;
	good &= vu_req_put_back(q->held[0]) == -EINVAL;
	/* These are for any thread. */
	good &= vu_req_queue(req) == q->queue && vu_queue_index(q->queue) == 0;
	return good ? NULL : opaque;
}

static void the_wrong_thread_is_told_so(void **state)
{
	const struct rig_config debug = {.device = {.flags = VU_DEVICE_DEBUG}};
	pthread_t thread;
	void *failed;
	struct rig rig;

	(void)state;
	rig_open(&rig, &debug);
	rig.mode = RIG_HOLD;
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_ok(pthread_create(&thread, NULL, misuse, &rig.queues[0]));
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	rig_expect_errors(&rig, "another thread", 5);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	rig.mode = RIG_SERVE;
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

/* The group goes (*state: only the queue) while it counts the queue as busy. */
static void a_busy_queue_changes_its_group(void **state)
{
	struct rig rig;

	open_grouped(&rig);
	rig_submit(&rig, 0, 4);
	rig.group_stands = true;
	assert_int_equal(vu_group_process(rig.group, 2), 1);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	vu_group_process(rig.group, 2);
	rig_pump(&rig);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	if (*state) {
		assert_ok(vu_device_set_group(rig.dev, 0, NULL));
		assert_ok(vu_device_set_group(rig.dev, 1, NULL));
	} else {
		vu_group_free(rig.group);
		rig.group = NULL;
	}
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	rig_wait_used(&rig, 0, 4);
	rig_roundtrip(&rig, 0, 4);
	rig_roundtrip(&rig, 1, 4);
	rig_close(&rig);
}

static void groups_end_before_the_session_when_no_thread_is_left(void **state)
{
	struct rig rig;

	(void)state;
	open_grouped(&rig);
	rig_roundtrip(&rig, 0, 1);
	/* Threads were joined; now all goes down on one. */
	rig.group_stands = true;
	vu_device_detach(rig.dev);
	vu_group_free(rig.group);
	rig.group = NULL;
	rig_pump(&rig);
	assert_int_equal(vu_device_is_attached(rig.dev), 0);
	assert_int_equal(rig.ended, 1);
	assert_ok(frontend_wait_closed(front(&rig)));
	rig_close(&rig);
}

static void a_group_of_another_device_is_refused(void **state)
{
	static struct rig a, b;

	(void)state;
	rig_make(&a, &(struct rig_config){.groups = true});
	rig_make(&b, NULL);
	assert_int_equal(vu_device_set_group(b.dev, 0, a.group), -EINVAL);
	assert_int_equal(vu_device_set_group(b.dev, 2, NULL), -EINVAL);
	rig_connect(&b);
	assert_int_equal(vu_device_set_group(b.dev, 0, NULL), -EBUSY);
	rig_close(&b);
	rig_close(&a);
}

int main(void)
{
	static bool yes = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_queue_leaves_the_others_their_share),
		cmocka_unit_test(a_busy_device_returns_after_its_budget),
		cmocka_unit_test(requests_left_in_the_ring_keep_nobody_busy),
		cmocka_unit_test(a_request_put_back_is_there_again_and_keeps_nobody_busy),
		cmocka_unit_test(a_signal_that_the_device_forgets_is_sent_by_the_library),
		cmocka_unit_test(signals_the_driver_does_not_want_are_counted_but_not_sent),
		{"signals_switched_off_by_flag_are_counted_but_not_sent",
		 signals_the_driver_does_not_want_are_counted_but_not_sent, NULL, NULL, &yes},
		cmocka_unit_test(a_batch_is_one_signal_at_the_entry_the_driver_waits_for),
		cmocka_unit_test(a_request_is_taken_when_a_descriptor_is_ready),
		cmocka_unit_test(a_request_is_taken_when_a_timer_expires),
		cmocka_unit_test(an_event_finds_requests_though_queue_ready_used_up_its_budget),
		cmocka_unit_test(a_source_is_removed_in_its_own_callback_and_in_anothers),
		cmocka_unit_test(a_request_cannot_be_completed_twice),
		cmocka_unit_test(a_batch_stops_at_the_first_error),
		cmocka_unit_test(the_wrong_thread_is_told_so),
		{"a_busy_queue_outlives_its_group", a_busy_queue_changes_its_group, NULL, NULL,
		 NULL},
		{"a_busy_queue_changes_its_group", a_busy_queue_changes_its_group, NULL, NULL,
		 &yes},
		cmocka_unit_test(groups_end_before_the_session_when_no_thread_is_left),
		cmocka_unit_test(a_group_of_another_device_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
