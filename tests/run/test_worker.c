/* SPDX-License-Identifier: MIT */
/* Worker threads of a runner: load, stopping with requests in flight, starting anew. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/counts.h"
#include "kit/test.h"
#include "sockets.h"
#include "workers.h"

enum { CONNECTS = 10000, SLOW_MS = 700 };

/* --- load --- */

static void four_queues_on_two_workers_serve_a_driver_under_load(void **state)
{
	struct workers *f = *state;

	workers_start(f, NULL);
	for (unsigned int i = 0; i < 300; i++)
		load_round(&f->load, 1 + i % LOAD_DEPTH);
	load_end(&f->load);
	fixture_stop(f->run);

	assert_int_equal(workers_tid(f, 0), workers_tid(f, 2));
	assert_int_equal(workers_tid(f, 1), workers_tid(f, 3));
	assert_int_not_equal(workers_tid(f, 0), workers_tid(f, 1));
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		struct vu_queue_counters c = workers_counters(f, q);
		uint64_t requests = 0;

		for (unsigned int i = 0; i < 300; i++)
			requests += 1 + i % LOAD_DEPTH;
		assert_int_equal(c.requests, requests);
		assert_int_equal(c.readable_bytes, requests * ECHO_BYTES);
		assert_int_equal(c.written_bytes, requests * ECHO_BYTES);
		/* A pass may serve the end of one round and the next, but at most 1024 requests. */
		assert_in_range(c.batches, (requests + 1023) / 1024, requests);
	}
}

/* Queues 0 and 1 work while memory comes and goes, and all queues stop and start. */
static void load_with_changes(struct workers *f, unsigned int rounds)
{
	const struct guest_region more = {
		.gpa = UINT64_C(1) << 32, .size = 1 << 20, .uva = UINT64_C(0x7f1000000000)};
	struct guest *guest = f->load.peer->guest;
	struct frontend *fe = &f->load.peer->frontend;

	for (unsigned int i = 0; i < rounds; i++) {
		int region = guest_add(guest, &more);

		assert_true(region >= 0);
		for (uint32_t q = 0; q < ECHO_QUEUES; q++)
			load_submit(&f->load, q, LOAD_DEPTH);
		load_check(&f->load, frontend_add_mem_reg(fe, &guest->regions[region]));
		load_collect(&f->load, 0);
		load_submit(&f->load, 0, LOAD_DEPTH);
		load_check(&f->load, frontend_rem_mem_reg(fe, &guest->regions[region]));
		guest_remove(guest, (uint32_t)region);
		load_stop_queues(&f->load);
		load_start_queues(&f->load);
		for (uint32_t q = 0; q < ECHO_QUEUES; q++)
			load_collect(&f->load, q);
	}
}

static void workers_go_on_while_memory_is_added_and_queues_stop(void **state)
{
	struct workers *f = *state;

	workers_start(f, NULL);
	load_with_changes(f, 100);
	load_end(&f->load);
	fixture_stop(f->run);
}

static void polling_workers_do_too(void **state)
{
	const struct vu_worker_info info = {.size = sizeof(info), .poll_ns = 50000};
	struct workers *f = *state;

	workers_start(f, &info);
	load_with_changes(f, 100);
	load_end(&f->load);
	fixture_stop(f->run);
}

/* Our descriptors while a front-end is attached: all earlier ones have let go of theirs. */
static unsigned int fds_in_session(struct workers *f)
{
	struct frontend fe;
	unsigned int n;

	ask(&fe, connect_to(f->run->path));
	n = count_entries("/proc/self/fd");
	frontend_close(&fe);
	return n;
}

static void ten_thousand_connects_leave_nothing_behind(void **state)
{
	struct workers *f = *state;
	unsigned int fds, threads;

	workers_start(f, NULL);
	load_round(&f->load, 1);
	load_end(&f->load);
	fds = fds_in_session(f);
	threads = count_entries("/proc/self/task");
	for (int i = 0; i < CONNECTS; i++) {
		if (i % 500 == 0) {
			load_start(&f->load, f->run->path);
			load_round(&f->load, LOAD_DEPTH);
			load_end(&f->load);
		} else if (i % 2) {
			ask_once(connect_to(f->run->path));
		} else {
			close(connect_to(f->run->path));
		}
	}
	assert_int_equal(fds_in_session(f), fds);
	assert_int_equal(count_entries("/proc/self/task"), threads);
	fixture_stop(f->run);
}

/* --- stopping --- */

/* Have the device take one request of each queue and keep it. */
static void hold_requests(struct workers *f)
{
	atomic_store(&f->echo->hold, true);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		load_submit(&f->load, q, 1);
		while (!atomic_load(&f->echo->queues[q].n_held))
			nap();
	}
}

static void a_queue_that_stops_gets_its_requests_in_flight_finished(void **state)
{
	struct workers *f = *state;

	workers_start(f, NULL);
	hold_requests(f);
	load_stop_queues(&f->load);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		assert_true(driver_has_used(f->load.peer->queues[q]));
		load_collect(&f->load, q);
		assert_int_equal(atomic_load(&f->echo->queues[q].stops), 1);
		assert_int_equal(atomic_load(&f->echo->queues[q].stop_tid), workers_tid(f, q));
	}
	atomic_store(&f->echo->hold, false);
	load_start_queues(&f->load);
	load_round(&f->load, LOAD_DEPTH);
	load_end(&f->load);
	fixture_stop(f->run);
}

static void a_run_ends_with_requests_in_flight_and_takes_its_threads_with_it(void **state)
{
	struct workers *f = *state;
	int threads = count_entries("/proc/self/task");

	workers_start(f, NULL);
	hold_requests(f);
	fixture_stop(f->run);
	assert_int_equal(count_entries("/proc/self/task"), threads);
	assert_int_equal(vu_device_is_attached(f->echo->dev), 0);
	assert_int_equal(frontend_wait_closed(&f->load.peer->frontend), 0);
	/* Still told on its own thread. */
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		assert_int_equal(atomic_load(&f->echo->queues[q].stops), 1);
		assert_int_equal(atomic_load(&f->echo->queues[q].stop_tid), workers_tid(f, q));
	}
	load_end(&f->load);
}

static void a_worker_stuck_in_a_callback_is_waited_for(void **state)
{
	struct workers *f = *state;

	workers_start(f, NULL);
	load_round(&f->load, 1);
	atomic_store(&f->echo->hold, true);
	atomic_store(&f->echo->queues[0].pause_ms, SLOW_MS);
	load_submit(&f->load, 0, 1);
	while (atomic_load(&f->echo->queues[0].pause_ms))
		nap();
	fixture_stop(f->run);
	assert_int_equal(vu_device_is_attached(f->echo->dev), 0);
	load_end(&f->load);
}

static void once_is_true_with_workers(void **state)
{
	struct workers *f = *state;

	vu_runner_free(f->run->runner);
	f->run->runner = new_runner(f->run, 1);
	assert_int_equal(vu_runner_listen(f->run->runner, f->echo->dev, f->run->path, NULL), 0);
	workers_start(f, NULL);
	load_round(&f->load, 1);
	load_end(&f->load);
	fixture_join(f->run);
}

static void workers_are_forgotten_with_the_run_and_can_be_added_again(void **state)
{
	struct workers *f = *state;

	for (int i = 0; i < 3; i++) {
		workers_start(f, NULL);
		load_round(&f->load, LOAD_DEPTH);
		/* The session ends with the run, too. */
		fixture_stop(f->run);
		load_end(&f->load);
	}
	/* A runner that never runs has nothing to say to its groups. */
	workers_add(f, NULL);
}

static void add_on_session(struct echo *echo, void *opaque)
{
	struct vu_runner *runner = opaque;
	int ret = vu_runner_add_worker(runner, echo->groups[1], NULL);

	assert_int_equal(ret, 0);
	assert_int_equal(vu_runner_add_worker(runner, echo->groups[1], NULL), -EEXIST);
}

static void a_worker_that_is_added_to_a_run_starts_at_once(void **state)
{
	struct workers *f = *state;

	assert_int_equal(vu_runner_add_worker(f->run->runner, f->echo->groups[0], NULL), 0);
	f->echo->begin = add_on_session;
	f->echo->opaque = f->run->runner;
	fixture_start(f->run);
	load_start(&f->load, f->run->path);
	load_round(&f->load, LOAD_DEPTH);
	load_end(&f->load);
	fixture_stop(f->run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(four_queues_on_two_workers_serve_a_driver_under_load),
		TEST(workers_go_on_while_memory_is_added_and_queues_stop),
		TEST(polling_workers_do_too),
		TEST(ten_thousand_connects_leave_nothing_behind),
		TEST(a_queue_that_stops_gets_its_requests_in_flight_finished),
		TEST(a_run_ends_with_requests_in_flight_and_takes_its_threads_with_it),
		TEST(a_worker_stuck_in_a_callback_is_waited_for),
		TEST(once_is_true_with_workers),
		TEST(workers_are_forgotten_with_the_run_and_can_be_added_again),
		TEST(a_worker_that_is_added_to_a_run_starts_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
