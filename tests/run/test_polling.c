/* SPDX-License-Identifier: MIT */
/* Worker threads of a runner: polling, CPUs, what is refused. */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kit/test.h"
#include "run/worker.h"
#include "workers.h"

static void the_time_to_poll_follows_the_load(void **state)
{
	uint64_t window = 0;

	/* Wakes that polling would have saved. */
	window = worker_adapt(window, 50000, 10);
	assert_in_range(window, 1, 10000);
	window = worker_adapt(window, 50000, 50000);
	assert_in_range(window, 2, 20000);
	for (int i = 0; i < 10; i++)
		window = worker_adapt(window, 50000, 3000);
	assert_int_equal(window, 50000);
	/* Wakes that it would not. */
	assert_int_equal(worker_adapt(window, 50000, 50001), 25000);
	for (int i = 0; i < 10; i++)
		window = worker_adapt(window, 50000, 1000000);
	assert_int_equal(window, 0);
	/* Never beyond the limit, however small or large. */
	assert_int_equal(worker_adapt(0, 100, 1), 100);
	assert_int_equal(worker_adapt(UINT64_MAX, UINT64_MAX, 1), UINT64_MAX);
}

/* How often this thread of ours went to sleep. */
static unsigned long sleeps(int thread)
{
	unsigned long n = 0;
	char line[128];
	FILE *file;

	snprintf(line, sizeof(line), "/proc/self/task/%d/status", thread);
	file = fopen(line, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "voluntary_ctxt_switches: %lu", &n);
	fclose(file);
	return n;
}

/* So many requests one after the other: did they need neither a kick nor a sleep? */
static bool served_by_polling(struct workers *f, unsigned int n)
{
	struct vu_queue_counters before = workers_counters(f, 1), after;
	unsigned long slept = sleeps(workers_tid(f, 1));
	int kicks = 0;

	for (unsigned int i = 0; i < n; i++) {
		kicks += load_submit(&f->load, 1, 1);
		load_collect(&f->load, 1);
	}
	after = workers_counters(f, 1);
	assert_int_equal(after.requests - before.requests, n);
	return !kicks && after.kicks == before.kicks && sleeps(workers_tid(f, 1)) == slept &&
	       after.polls - before.polls > 10 * (uint64_t)n;
}

static void a_polling_worker_needs_neither_kicks_nor_sleep(void **state)
{
	const struct vu_worker_info info = {.size = sizeof(info), .poll_ns = 2000000000};
	struct workers *f = *state;
	bool polled = false;

	workers_start(f, &info);
	load_round(&f->load, 1);
	/* At first it sleeps between them, and finds that they come soon.  Other load on this
	 * machine can keep either side from running for longer than it polls: try again. */
	for (int i = 0; i < 20 && !polled; i++) {
		for (int k = 0; k < 15; k++) {
			usleep(20000);
			load_submit(&f->load, 1, 1);
			load_collect(&f->load, 1);
		}
		polled = served_by_polling(f, 100);
	}
	assert_true(polled);
	load_end(&f->load);
	fixture_stop(f->run);
}

static void a_worker_that_must_not_poll_sleeps(void **state)
{
	struct workers *f = *state;
	struct vu_queue_counters before, after;

	workers_start(f, NULL);
	load_round(&f->load, 1);
	before = workers_counters(f, 1);
	for (int i = 0; i < 50; i++) {
		load_submit(&f->load, 1, 1);
		load_collect(&f->load, 1);
	}
	after = workers_counters(f, 1);
	assert_true(after.kicks > before.kicks);
	assert_true(after.polls - before.polls < 50 * 10);
	load_end(&f->load);
	fixture_stop(f->run);
}

static void a_worker_stays_on_its_cpu(void **state)
{
	struct vu_worker_info info = {.size = sizeof(info), .pin = 1};
	struct workers *f = *state;
	cpu_set_t mine;

	assert_return_code(sched_getaffinity(0, sizeof(mine), &mine), errno);
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &mine))
			info.cpu = cpu; /* the last one */
	workers_start(f, &info);
	load_round(&f->load, 1);
	for (uint32_t q = 0; q < ECHO_QUEUES; q++) {
		assert_int_equal(atomic_load(&f->echo->queues[q].cpus), 1);
		assert_int_equal(atomic_load(&f->echo->queues[q].cpu), info.cpu);
	}
	load_end(&f->load);
	fixture_stop(f->run);
}

static void what_cannot_be_a_worker_is_refused(void **state)
{
	struct workers *f = *state;
	struct vu_group *group = f->echo->groups[0];
	struct vu_runner *runner = f->run->runner;
	struct vu_worker_info info = {.size = sizeof(info) - 1};
	struct {
		struct vu_worker_info info;
		uint64_t unknown;
	} newer = {.info.size = sizeof(newer), .unknown = 1};

	assert_int_equal(vu_runner_add_worker(runner, group, &info), -EINVAL);
	assert_int_equal(vu_runner_add_worker(runner, group, &newer.info), -E2BIG);
	info.size = sizeof(info);
	info.pin = 1;
	info.cpu = 8191;
	assert_int_equal(vu_runner_add_worker(runner, group, &info), -EINVAL);
	info.cpu = UINT32_MAX;
	assert_int_equal(vu_runner_add_worker(runner, group, &info), -EINVAL);
	info.pin = 0; /* then its number does not matter */
	assert_int_equal(vu_runner_add_worker(runner, group, &info), 0);
	assert_int_equal(vu_runner_add_worker(runner, group, &info), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_time_to_poll_follows_the_load),
		TEST(a_polling_worker_needs_neither_kicks_nor_sleep),
		TEST(a_worker_that_must_not_poll_sleeps),
		TEST(a_worker_stays_on_its_cpu),
		TEST(what_cannot_be_a_worker_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
