/* SPDX-License-Identifier: MIT */
/*
 * Rules: what one pass serves has a bound, in requests and bytes, whoever takes them; and what was
 * left is come back for.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rules/rig.h"

enum {
	MANY = 8192,
	PASS_REQUESTS = 2 * 1024 + 64,
	LARGE = 32 << 10,
	LARGEST = 2 << 20,
	TURN_BYTES = 1 << 20, /* and what is under way when that is used up */
	BATCH = 64,
};

static const struct rig_config big = {.peer = {.queue_size = 2 * MANY}};

/* Takes what there is, of every queue, whenever it is called: what a pump does. */
struct pump {
	struct rig *rig;
	struct vu_source *source;
	uint32_t calls;
	bool waits; /* for its fd, when a pass left nothing to do */
};

static void pump_all(struct pump *p)
{
	struct vu_req *req;

	p->calls++;
	for (uint32_t i = 0; i < 2; i++) {
		while (vu_queue_next(p->rig->queues[i].queue, &req) == 1) {
			p->rig->queues[i].served++;
			assert_ok(vu_req_complete(req, req->writable_len == RIG_BYTES
							       ? rig_invert(req)
							       : req->writable_len));
		}
	}
}

static void on_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	(void)source;
	(void)fd;
	(void)events;
	pump_all(opaque);
}

static int on_poll(void *opaque)
{
	pump_all(opaque);
	return 1;
}

/* Each pass keeps to its budget until all is served. */
static void assert_served_in_turns(struct rig *rig, struct pump *p)
{
	struct pollfd pfd = {.fd = vu_device_fd(rig->dev), .events = POLLIN};
	uint32_t served = 0, most = 0;
	int more = 1;

	for (uint32_t pass = 0; pass < RIG_PASSES && served < MANY; pass++) {
		uint32_t before = served;

		if (p->waits && !more)
			assert_int_equal(poll(&pfd, 1, FRONTEND_TIMEOUT_MS), 1);
		more = vu_device_process(rig->dev);
		served = rig->queues[0].served;
		if (served - before > most)
			most = served - before;
	}
	assert_int_equal(served, MANY);
	assert_in_range(most, 1, PASS_REQUESTS);
	assert_true(p->calls > 1);
	vu_source_remove(p->source);
	rig_collect(rig, 0);
	rig_close(rig);
}

static void a_descriptor_that_is_always_ready_takes_no_more_than_a_budget(void **state)
{
	int fd = eventfd(1, EFD_CLOEXEC);
	struct rig rig;
	struct pump p = {.rig = &rig};

	(void)state;
	rig_open(&rig, &big);
	rig.mode = RIG_LEAVE;
	assert_ok(vu_group_add_fd(vu_device_group(rig.dev), fd, EPOLLIN, on_event, &p, &p.source));
	rig_submit(&rig, 0, MANY);
	assert_served_in_turns(&rig, &p);
	close(fd);
}

/* Its next turn may be later than the next pass. */
static void a_timer_takes_no_more_than_a_budget(void **state)
{
	struct rig rig;
	struct pump p = {.rig = &rig, .waits = true};

	(void)state;
	rig_open(&rig, &big);
	rig.mode = RIG_LEAVE;
	assert_ok(vu_group_add_timer(vu_device_group(rig.dev), on_event, &p, &p.source));
	assert_ok(vu_source_set_timer(p.source, 1, 100000));
	rig_submit(&rig, 0, MANY);
	assert_served_in_turns(&rig, &p);
}

static void what_is_polled_takes_no_more_than_a_budget(void **state)
{
	struct rig rig;
	struct pump p = {.rig = &rig};

	(void)state;
	rig_open(&rig, &big);
	rig.mode = RIG_LEAVE;
	assert_ok(vu_group_add_poll(vu_device_group(rig.dev), on_poll, &p, &p.source));
	rig_submit(&rig, 0, MANY);
	assert_served_in_turns(&rig, &p);
}

/* queue_ready of queue 1, which is kept busy, takes from queue 0; nobody asks for queue 0 but that.
 */
static void the_callback_of_another_queue_takes_no_more_than_a_budget(void **state)
{
	struct rig rig;
	uint32_t most = 0, served = 0;

	(void)state;
	rig_open(&rig, &big);
	rig.mode = RIG_SERVE_ALL;
	for (uint32_t i = 0; i < MANY; i++)
		rig_add(&rig, 0);
	driver_publish(rig.peer->queues[0]);
	rig_submit(&rig, 1, 1);
	for (uint32_t pass = 0; pass < RIG_PASSES && served < MANY; pass++) {
		uint32_t before = served;

		vu_device_process(rig.dev);
		served = rig.queues[0].served;
		if (served - before > most)
			most = served - before;
	}
	assert_int_equal(served, MANY);
	assert_in_range(most, 1, PASS_REQUESTS);
	rig_collect(&rig, 0);
	rig_collect(&rig, 1);
	rig_close(&rig);
}

/* A driver that polls for its answers: nothing wakes the device but what it promised itself. */
static void what_a_budget_leaves_is_come_back_for_without_a_kick(void **state)
{
	struct vu_req *req;
	struct rig rig;
	uint32_t taken = 0;

	(void)state;
	rig_open(&rig, &big);
	rig_assert_idle(&rig);
	rig_leave(&rig, 0, MANY);
	rig_assert_idle(&rig);
	rig.mode = RIG_SERVE;
	/* Outside of a pass, and until it says that there is nothing now. */
	while (vu_queue_next(rig.queues[0].queue, &req) == 1) {
		assert_ok(vu_req_complete(req, rig_invert(req)));
		taken++;
	}
	assert_true(taken < MANY);
	rig_pump(&rig);
	assert_int_equal(rig.queues[0].served, MANY - taken);
	assert_int_equal(rig_collect(&rig, 0), MANY);
	rig_close(&rig);
}

/* Bytes that requests had and got. */
static uint64_t moved(const struct rig *rig)
{
	struct vu_queue_counters c = {.size = sizeof(c)};

	assert_ok(vu_queue_counters(rig->queues[0].queue, &c));
	return c.readable_bytes + c.written_bytes;
}

/* MANY requests of one buffer; the most that a pass moved, from pass number first on. */
static uint64_t most_moved(struct rig *rig, uint32_t size, bool writable, uint32_t first)
{
	uint64_t at = guest_alloc_in(rig->peer->guest, 0, size, 64), bytes = 0, most = 0;

	assert_true(at != GUEST_NONE);
	for (uint32_t i = 0; i < MANY; i++)
		assert_true(driver_add(rig->peer->queues[0],
				       &(struct driver_seg){at, size, writable}, 1, rig) >= 0);
	assert_true(driver_kick(rig->peer->queues[0]) >= 0);
	for (uint32_t pass = 0; pass < 2 * MANY && bytes < (uint64_t)MANY * size; pass++) {
		uint64_t before = bytes;

		vu_device_process(rig->dev);
		bytes = moved(rig);
		if (pass >= first && bytes - before > most)
			most = bytes - before;
	}
	assert_true(bytes == (uint64_t)MANY * size);
	return most;
}

/* No more than the bytes of a turn, the request before the first look, and that they end in. */
static void large_requests(bool writable)
{
	for (uint32_t size = LARGE; size <= LARGEST; size *= 4) {
		struct rig rig;
		struct pump p = {.rig = &rig};

		rig_open(&rig, &big);
		rig.mode = RIG_LEAVE;
		assert_ok(vu_group_add_poll(vu_device_group(rig.dev), on_poll, &p, &p.source));
		assert_in_range(most_moved(&rig, size, writable, 0), 1, TURN_BYTES + 2 * size);
		vu_source_remove(p.source);
		rig_close(&rig);
	}
}

static void bytes_that_are_written_count_as_well_as_requests(void **state)
{
	(void)state;
	large_requests(true);
}

static void bytes_that_are_read_count_as_well_as_requests(void **state)
{
	(void)state;
	large_requests(false);
}

/* In queue_ready, BATCH at a time. */
static void serve_batches(struct rig *rig, enum rig_callback which, struct rig_queue *q)
{
	struct vu_req *reqs[BATCH];
	uint64_t written[BATCH];
	int n;

	if (which != RIG_READY)
		return;
	while ((n = vu_queue_next_batch(q->queue, reqs, BATCH)) > 0) {
		for (int i = 0; i < n; i++)
			written[i] = reqs[i]->writable_len;
		assert_int_equal(vu_queue_complete_batch(q->queue, reqs, written, (uint32_t)n), n);
	}
}

/* Nobody knows before the first of them. */
static void batches_of_large_requests_are_cut_to_the_bytes_of_a_turn_after_the_first(void **state)
{
	(void)state;
	for (uint32_t size = LARGE; size <= LARGEST; size *= 4) {
		struct rig rig;

		rig_open(&rig, &big);
		rig.mode = RIG_LEAVE;
		rig.on_callback = serve_batches;
		assert_in_range(most_moved(&rig, size, true, 1), 1, TURN_BYTES + size);
		rig.on_callback = NULL;
		rig_close(&rig);
	}
}

/* The look comes after each 64: at the first one bytes begin to count, and one comes too late. */
static void bytes_of_requests_that_are_just_not_large_are_looked_at_with_every_batch(void **state)
{
	const uint32_t size = 15 << 10;
	struct rig rig;

	(void)state;
	rig_open(&rig, &big);
	rig.mode = RIG_LEAVE;
	rig.on_callback = serve_batches;
	assert_in_range(most_moved(&rig, size, true, 0), 1, TURN_BYTES + 2 * BATCH * size);
	rig.on_callback = NULL;
	rig_close(&rig);
}

/* Of a batch larger than what budgets are handed out in. */
static void a_batch_is_not_cut_short_before_the_budget_is_used_up(void **state)
{
	struct vu_req *reqs[1000];
	struct rig rig;

	(void)state;
	rig_open(&rig, &big);
	rig_assert_idle(&rig);
	rig.mode = RIG_LEAVE;
	rig_submit(&rig, 0, MANY);
	assert_int_equal(vu_queue_next_batch(rig.queues[0].queue, reqs, 1000), 1000);
	for (int i = 0; i < 1000; i++)
		assert_ok(vu_req_complete(reqs[i], rig_invert(reqs[i])));
	rig.mode = RIG_SERVE;
	rig_pump(&rig);
	assert_int_equal(rig_collect(&rig, 0), MANY);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_that_is_always_ready_takes_no_more_than_a_budget),
		cmocka_unit_test(a_timer_takes_no_more_than_a_budget),
		cmocka_unit_test(what_is_polled_takes_no_more_than_a_budget),
		cmocka_unit_test(the_callback_of_another_queue_takes_no_more_than_a_budget),
		cmocka_unit_test(what_a_budget_leaves_is_come_back_for_without_a_kick),
		cmocka_unit_test(bytes_that_are_written_count_as_well_as_requests),
		cmocka_unit_test(bytes_that_are_read_count_as_well_as_requests),
		cmocka_unit_test(
			batches_of_large_requests_are_cut_to_the_bytes_of_a_turn_after_the_first),
		cmocka_unit_test(
			bytes_of_requests_that_are_just_not_large_are_looked_at_with_every_batch),
		cmocka_unit_test(a_batch_is_not_cut_short_before_the_budget_is_used_up),
	};

	return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
