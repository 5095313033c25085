/* SPDX-License-Identifier: MIT */
/* Rules of a group that serves two devices, of the worker that serves it, and of their ends. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/group.h"
#include "rules/pair.h"

enum { ROUNDS = 6, BURST = 16 };

static bool yes = true;

static void sessions_of_one_device_do_not_touch_the_other(void **state)
{
	struct side *a, *b;
	struct pair pair;

	pair_open(&pair, *state);
	a = &pair.sides[0];
	b = &pair.sides[1];
	for (int i = 0; i < ROUNDS; i++) {
		side_submit(b, BURST);
		side_roundtrip(a, BURST);
		side_submit(a, BURST);
		side_end_session(a);
		side_wait(b);
		side_submit(b, BURST);
		side_start(a);
		side_wait(b);
		side_wait(a);
	}
	assert_int_equal(b->ended, 0);
	assert_int_equal(b->stops, 0);
	assert_int_equal(a->ended, ROUNDS);
	pair_close(&pair, 0);
}

static void old_requests_hold_back_their_own_device_alone(void **state)
{
	struct side *a, *b;
	struct pair pair;

	pair_open(&pair, *state);
	a = &pair.sides[0];
	b = &pair.sides[1];
	side_hold(a, 3);
	side_end_session(a);
	side_start(a);
	side_submit(a, 1);
	side_roundtrip(b, BURST);
	side_end_session(b);
	side_start(b);
	side_roundtrip(b, BURST);
	side_collect(a);
	assert_int_equal(a->in_flight, 4);
	side_complete_held(a, true);
	side_wait(a);
	pair_close(&pair, 0);
}

static void each_device_has_its_turn_in_a_pass(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair, false);
	pair.stands = true;
	side_submit(&pair.sides[0], SIDE_SLOTS);
	side_submit(&pair.sides[1], 3);
	assert_int_equal(vu_group_process(pair.group, 2), 1);
	side_collect(&pair.sides[0]);
	side_collect(&pair.sides[1]);
	assert_int_equal(pair.sides[0].done, 2);
	assert_int_equal(pair.sides[1].done, 2);
	pair.stands = false;
	side_wait(&pair.sides[0]);
	side_wait(&pair.sides[1]);
	pair_close(&pair, 0);
}

static void *complete_here(void *opaque)
{
	struct side *side = opaque;

	return vu_req_complete(side->held[0], 0) == -EINVAL ? NULL : opaque;
}

/* The first device has VU_DEVICE_DEBUG, the other has not. */
static void the_wrong_thread_is_told_so_by_the_device_that_wants_it(void **state)
{
	pthread_t thread;
	struct pair pair;
	void *failed;

	(void)state;
	pair_make(&pair, false, VU_DEVICE_DEBUG);
	side_start(&pair.sides[0]);
	side_start(&pair.sides[1]);
	side_hold(&pair.sides[0], 1);
	assert_ok(pthread_create(&thread, NULL, complete_here, &pair.sides[0]));
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	assert_int_equal(log_book_count(&pair.sides[0].log, "another thread"), 1);
	side_complete_held(&pair.sides[0], false);
	side_wait(&pair.sides[0]);
	pair_close(&pair, 1);
}

static void *free_device(void *dev)
{
	vu_device_free(dev);
	return NULL;
}

/* On another thread than the other device's, while both work; requests are outstanding. */
static void a_device_is_freed_while_its_group_serves_another(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct side *a, *b;
		pthread_t thread;
		struct pair pair;

		pair_open(&pair, *state);
		a = &pair.sides[0];
		b = &pair.sides[1];
		if (i % 2)
			side_hold(b, 3);
		side_submit(b, BURST);
		side_submit(a, BURST);
		if (*state) {
			/* pair_pump() leaves it alone from now on. */
			struct vu_device *gone = b->dev;

			b->dev = NULL;
			assert_ok(pthread_create(&thread, NULL, free_device, gone));
			for (int j = 0; j < 10; j++) {
				side_wait(a);
				side_submit(a, BURST);
			}
			assert_ok(pthread_join(thread, NULL));
		} else {
			side_free(b);
		}
		assert_int_equal(b->begun, b->ended);
		assert_int_equal(b->stops, 1);
		side_wait(a);
		side_roundtrip(a, BURST);
		pair_close(&pair, 0);
	}
}

/* They go on as before, on their devices' threads. */
static void a_group_is_freed_under_its_devices(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct pair pair;

		pair_open(&pair, *state);
		side_hold(&pair.sides[0], 3);
		side_submit(&pair.sides[1], BURST);
		vu_group_free(pair.group);
		pair.group = NULL;
		side_submit(&pair.sides[0], 2);
		side_complete_held(&pair.sides[0], true);
		side_wait(&pair.sides[0]);
		side_wait(&pair.sides[1]);
		side_roundtrip(&pair.sides[0], BURST);
		side_end_session(&pair.sides[1]);
		side_start(&pair.sides[1]);
		side_roundtrip(&pair.sides[1], BURST);
		assert_int_equal(pair.sides[0].stops, 0);
		pair_close(&pair, 0);
	}
}

/* Digits of `order`: what is freed first, second ... of two devices, the group and the worker. */
static void free_in_order(struct pair *pair, const char *order)
{
	for (; *order; order++) {
		switch (*order) {
		case 'a':
			side_free(&pair->sides[0]);
			break;
		case 'b':
			side_free(&pair->sides[1]);
			break;
		case 'g':
			vu_group_free(pair->group);
			pair->group = NULL;
			break;
		case 'w':
			vu_worker_free(pair->worker);
			pair->worker = NULL;
			break;
		}
	}
}

/* *state: sessions have ended before. */
static void everything_may_be_freed_in_any_order(void **state)
{
	static const char *const orders[] = {"abgw", "abwg", "agbw", "agwb", "awbg", "awgb",
					     "gabw", "gawb", "gwab", "wabg", "wagb", "wgab"};

	for (size_t i = 0; i < 2 * sizeof(orders) / sizeof(orders[0]); i++) {
		struct pair pair;

		pair_open(&pair, i % 2);
		side_submit(&pair.sides[1], BURST);
		side_hold(&pair.sides[0], 2);
		if (*state) {
			side_end_session(&pair.sides[0]);
			side_end_session(&pair.sides[1]);
		}
		side_complete_held(&pair.sides[0], true);
		if (!*state)
			side_submit(&pair.sides[0], 2);
		free_in_order(&pair, orders[i / 2]);
		pair_close(&pair, 0);
	}
}

static void a_worker_takes_and_leaves_groups_under_load(void **state)
{
	struct vu_group *more[2];
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	for (int i = 0; i < 2; i++)
		assert_ok(vu_group_new(&more[i]));
	assert_int_equal(vu_worker_add_group(pair.worker, pair.group), -EBUSY);
	assert_int_equal(vu_worker_remove_group(pair.worker, more[0]), -ENOENT);
	assert_int_equal(vu_worker_add_group(pair.worker, vu_device_group(pair.sides[0].dev)),
			 -EINVAL);
	/* One device in each of two groups; the third has none. */
	side_end_session(&pair.sides[1]);
	assert_ok(vu_queue_set_group(pair.sides[1].queue, more[0]));
	assert_ok(vu_worker_add_group(pair.worker, more[0]));
	assert_ok(vu_worker_add_group(pair.worker, more[1]));
	side_start(&pair.sides[1]);
	for (int i = 0; i < ROUNDS; i++) {
		side_submit(&pair.sides[0], BURST);
		side_submit(&pair.sides[1], BURST);
		assert_ok(vu_worker_remove_group(pair.worker, more[i % 2]));
		side_wait(&pair.sides[0]);
		assert_ok(vu_worker_add_group(pair.worker, more[i % 2]));
		side_wait(&pair.sides[1]);
		assert_ok(vu_worker_remove_group(pair.worker, pair.group));
		side_submit(&pair.sides[0], BURST);
		side_roundtrip(&pair.sides[1], BURST);
		/* Nobody serves it: this thread may. */
		vu_group_process(pair.group, 0);
		side_wait(&pair.sides[0]);
		assert_ok(vu_worker_add_group(pair.worker, pair.group));
	}
	vu_group_free(more[0]);
	vu_group_free(more[1]);
	side_roundtrip(&pair.sides[0], BURST);
	side_roundtrip(&pair.sides[1], BURST);
	pair_close(&pair, 0);
}

/* What is to be done in a callback, and whether the group is served afterwards. */
static void free_worker(struct side *side)
{
	vu_worker_free(side->pair->worker);
	atomic_store(&side->on_ready, NULL);
}

static void free_group(struct side *side)
{
	vu_group_free(side->pair->group);
	atomic_store(&side->on_ready, NULL);
}

static void misuse(struct side *side)
{
	struct pair *pair = side->pair;

	if (vu_worker_remove_group(pair->worker, pair->group) != -EDEADLK ||
	    vu_group_release(pair->group) != -EDEADLK ||
	    vu_group_process(pair->group, 0) != -EDEADLK)
		log_book_write(&side->log, VU_LOG_ERROR, "misuse is not refused");
	vu_device_free(side->dev);
	vu_device_free(pair->sides[1].dev);
	atomic_store(&side->on_ready, NULL);
}

static void in_callback(struct pair *pair, void (*what)(struct side *side))
{
	side_submit(&pair->sides[1], BURST);
	atomic_store(&pair->sides[0].on_ready, what);
	side_submit(&pair->sides[0], 1);
	while (atomic_load(&pair->sides[0].on_ready))
		usleep(1000);
}

static void a_worker_is_freed_in_a_callback_of_its_own_group(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct pair pair;

		pair_open(&pair, true);
		in_callback(&pair, free_worker);
		/* Its thread may be in its last pass. */
		while (vu_group_hold(pair.group))
			usleep(1000);
		assert_ok(vu_group_release(pair.group));
		pair.worker = NULL;
		side_wait(&pair.sides[0]);
		side_wait(&pair.sides[1]);
		pair_close(&pair, 0);
	}
}

static void a_group_is_freed_in_a_callback_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct pair pair;

		pair_open(&pair, true);
		in_callback(&pair, free_group);
		pair.group = NULL;
		side_wait(&pair.sides[0]);
		side_wait(&pair.sides[1]);
		side_roundtrip(&pair.sides[0], BURST);
		pair_close(&pair, 0);
	}
}

static void what_cannot_be_done_in_a_callback_is_refused(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	in_callback(&pair, misuse);
	side_wait(&pair.sides[0]);
	side_roundtrip(&pair.sides[1], BURST);
	assert_int_equal(log_book_count(&pair.sides[0].log, "vu_device_free() inside a callback"),
			 1);
	assert_int_equal(log_book_count(&pair.sides[1].log, "vu_device_free() inside a callback"),
			 1);
	/* vu_group_release()'s is in one of the two. */
	pair_close(&pair, 3);
}

/* Another one than that whose callback it is: it is left at once. */
static void leave_other(struct side *side)
{
	struct pair *pair = side->pair;

	if (vu_worker_remove_group(pair->worker, side->opaque))
		log_book_write(&side->log, VU_LOG_ERROR, "the other group is not left");
	atomic_store(&side->on_ready, NULL);
}

static void a_group_leaves_its_worker_in_a_callback_of_another(void **state)
{
	struct vu_group *other;
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	assert_ok(vu_group_new(&other));
	assert_ok(vu_worker_add_group(pair.worker, other));
	pair.sides[0].opaque = other;
	in_callback(&pair, leave_other);
	assert_int_equal(vu_worker_remove_group(pair.worker, other), -ENOENT);
	vu_group_free(other);
	side_wait(&pair.sides[0]);
	side_wait(&pair.sides[1]);
	side_roundtrip(&pair.sides[0], BURST);
	pair_close(&pair, 0);
}

static void release_inside(void *opaque)
{
	int *error = ((void **)opaque)[1];

	*error = vu_group_release(((void **)opaque)[0]);
}

/* Where nobody has a log of its own, it is standard error's. */
static void a_group_without_a_device_complains_on_standard_error(void **state)
{
	int saved = dup(STDERR_FILENO), pipes[2], error = 0;
	struct vu_group *group;
	void *what[2];
	char text[256];
	ssize_t n;

	(void)state;
	assert_ok(vu_group_new(&group));
	what[0] = group;
	what[1] = &error;
	assert_ok(vu_group_hold(group));
	assert_ok(vu_group_post(group, release_inside, what));
	assert_ok(pipe(pipes));
	dup2(pipes[1], STDERR_FILENO);
	while (vu_group_process(group, 0) > 0 || vu_group_arm(group))
		;
	dup2(saved, STDERR_FILENO);
	assert_int_equal(error, -EDEADLK);
	n = read(pipes[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(strstr(text, "error: vu_group_release() inside a callback"));
	assert_ok(vu_group_release(group));
	vu_group_free(group);
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_worker_of_another_size_is_refused(void **state)
{
	const struct vu_worker_info small = {.size = 1};
	struct vu_worker *worker = NULL;

	(void)state;
	assert_int_equal(vu_worker_new(&small, &worker), -EINVAL);
	assert_null(worker);
}

/* A thread of the caller's, which sleeps in a group that it does not hold. */
static void *sleep_in_group(void *opaque)
{
	struct pair *pair = opaque;

	while (vu_group_process(pair->group, 0) > 0 || vu_group_arm(pair->group))
		;
	vu_group_wait(pair->group, -1);
	return NULL;
}

static void what_a_thread_of_ones_own_serves_is_not_freed_under_it(void **state)
{
	pthread_t thread;
	struct pair pair;

	(void)state;
	pair_open(&pair, false);
	pair.stands = true;
	assert_ok(pthread_create(&thread, NULL, sleep_in_group, &pair));
	do {
		usleep(1000);
		vu_group_free(NULL);
	} while (!group_is_used(pair.group));
	vu_group_free(pair.group);
	vu_device_free(pair.sides[1].dev);
	vu_group_wake(pair.group);
	assert_ok(pthread_join(thread, NULL));
	assert_int_equal(log_book_count(&pair.sides[1].log, "while another thread serves"), 2);
	pair.stands = false;
	side_roundtrip(&pair.sides[0], BURST);
	side_roundtrip(&pair.sides[1], BURST);
	pair_close(&pair, 2);
}

#define BOTH(fn)                                                                                   \
	{#fn, fn, NULL, NULL, NULL},                                                               \
	{                                                                                          \
#fn "_by_a_worker", fn, NULL, NULL, &yes                                           \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(sessions_of_one_device_do_not_touch_the_other),
		BOTH(old_requests_hold_back_their_own_device_alone),
		cmocka_unit_test(each_device_has_its_turn_in_a_pass),
		cmocka_unit_test(the_wrong_thread_is_told_so_by_the_device_that_wants_it),
		BOTH(a_device_is_freed_while_its_group_serves_another),
		BOTH(a_group_is_freed_under_its_devices),
		{"everything_may_be_freed_in_any_order", everything_may_be_freed_in_any_order, NULL,
		 NULL, NULL},
		{"everything_may_be_freed_in_any_order_after_sessions",
		 everything_may_be_freed_in_any_order, NULL, NULL, &yes},
		cmocka_unit_test(a_worker_takes_and_leaves_groups_under_load),
		cmocka_unit_test(a_worker_is_freed_in_a_callback_of_its_own_group),
		cmocka_unit_test(a_group_is_freed_in_a_callback_of_its_own),
		cmocka_unit_test(what_cannot_be_done_in_a_callback_is_refused),
		cmocka_unit_test(a_group_leaves_its_worker_in_a_callback_of_another),
		cmocka_unit_test(a_group_without_a_device_complains_on_standard_error),
		cmocka_unit_test(a_worker_of_another_size_is_refused),
		cmocka_unit_test(what_a_thread_of_ones_own_serves_is_not_freed_under_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
