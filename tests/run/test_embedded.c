/* SPDX-License-Identifier: MIT */
/* A runner inside of another loop, and devices that come and go while it runs. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "kit/patience.h"
#include "kit/test.h"
#include "fixture.h"
#include "sockets.h"

enum { TURNS = 100000 };

/* Another loop: one call for each wake.  Ends with the runner. */
static void *outer_loop(void *opaque)
{
	struct fixture *f = opaque;
	int fd = vu_runner_fd(f->runner), ret;

	ret = vu_runner_process(f->runner);
	for (int i = 0; i < TURNS && ret >= 0 && !(ret & VU_PROCESS_ENDED); i++) {
		if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, HANG_MS) != 1)
			break;
		ret = vu_runner_process(f->runner);
	}
	f->run_result = ret;
	return NULL;
}

static void embed(struct fixture *f)
{
	assert_true(vu_runner_fd(f->runner) >= 0);
	assert_int_equal(pthread_create(&f->thread, NULL, outer_loop, f), 0);
	f->started = true;
}

static void expect_end(struct fixture *f)
{
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	f->started = false;
	assert_int_equal(f->run_result, VU_PROCESS_ENDED);
}

static void a_runner_lives_in_another_loop(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	for (int i = 0; i < 2; i++) {
		embed(f);
		ask_once(connect_to(f->path));
		ask_once(connect_to(f->path));
		vu_runner_stop(f->runner);
		expect_end(f);
	}
}

/* The retry is a timer of the runner's: the descriptor has to tell of it. */
static void its_descriptor_tells_of_times(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_int_equal(vu_runner_connect(f->runner, f->dev, f->path), 0);
	embed(f);
	usleep(150000);
	fd = socket_at(f->path, SOCK_STREAM, 1);
	ask_once(accept(fd, NULL, NULL));
	ask_once(accept(fd, NULL, NULL));
	vu_runner_stop(f->runner);
	expect_end(f);
	close(fd);
	assert_return_code(unlink(f->path), errno);
}

static void nothing_left_to_serve_is_told(void **state)
{
	struct fixture *f = *state;
	int pair[2];

	assert_int_equal(vu_runner_process(f->runner), VU_PROCESS_ENDED);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, pair[1]), 0);
	embed(f);
	ask_once(pair[0]);
	expect_end(f);
}

static void a_device_is_removed_while_others_are_served(void **state)
{
	struct fixture *f = *state;
	struct vu_device *other = new_device(f);
	char path[80];

	snprintf(path, sizeof(path), "%s/other", f->dir);
	assert_int_equal(vu_runner_remove(f->runner, other), -ENOENT);
	assert_int_equal(vu_runner_listen(f->runner, other, path, NULL), 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	/* On this thread, so that it is the runner's. */
	assert_int_equal(vu_runner_process(f->runner) & VU_PROCESS_ENDED, 0);
	assert_int_equal(vu_runner_remove(f->runner, other), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(vu_runner_remove(f->runner, other), -ENOENT);
	/* It may come back, also while the others run on. */
	assert_int_equal(vu_runner_listen(f->runner, other, path, NULL), 0);
	embed(f);
	ask_once(connect_to(path));
	ask_once(connect_to(f->path));
	vu_runner_stop(f->runner);
	expect_end(f);
	assert_int_equal(vu_runner_remove(f->runner, other), 0);
	vu_device_free(other);
	embed(f);
	ask_once(connect_to(f->path));
	vu_runner_stop(f->runner);
	expect_end(f);
}

static void removing_a_device_ends_its_session(void **state)
{
	struct pollfd watched = {.events = POLLIN};
	struct fixture *f = *state;
	int pair[2];
	char byte;

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, pair[1]), 0);
	assert_int_equal(vu_runner_process(f->runner) & VU_PROCESS_ENDED, 0);
	assert_int_equal(vu_device_is_attached(f->dev), 1);
	assert_int_equal(vu_runner_remove(f->runner, f->dev), 0);
	assert_int_equal(vu_device_is_attached(f->dev), 0);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
	/* It was the last one, and the descriptor tells. */
	watched.fd = vu_runner_fd(f->runner);
	assert_int_equal(poll(&watched, 1, 0), 1);
	assert_true(vu_runner_process(f->runner) & VU_PROCESS_ENDED);
	assert_int_equal(poll(&watched, 1, 0), 0);
}

static void a_worker_is_removed_while_the_runner_runs(void **state)
{
	struct fixture *f = *state;
	struct vu_group *group;

	assert_int_equal(vu_group_new(&group), 0);
	assert_int_equal(vu_queue_set_group(vu_device_queue(f->dev, 0), group), 0);
	assert_int_equal(vu_runner_remove_worker(f->runner, group), -ENOENT);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vu_runner_add_worker(f->runner, group, NULL), 0);
		assert_int_equal(vu_runner_process(f->runner) & VU_PROCESS_ENDED, 0);
		assert_int_equal(vu_runner_remove_worker(f->runner, group), 0);
	}
	vu_group_free(group);
	assert_int_equal(vu_runner_process(f->runner) & VU_PROCESS_ENDED, 0);
	/* Freed between two turns: as good as a stop. */
}

struct farewell {
	struct fixture *f;
	struct vu_group *group;
	_Atomic int result;
};

static void remove_own_worker(void *opaque)
{
	struct farewell *w = opaque;

	w->result = vu_runner_remove_worker(w->f->runner, w->group);
}

static void a_worker_does_not_remove_itself_but_each_one_can_be(void **state)
{
	struct fixture *f = *state;
	struct farewell w[2] = {{.f = f, .result = 1}, {.f = f, .result = 1}};

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vu_group_new(&w[i].group), 0);
		assert_int_equal(vu_runner_add_worker(f->runner, w[i].group, NULL), 0);
	}
	assert_int_equal(vu_runner_process(f->runner) & VU_PROCESS_ENDED, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vu_group_post(w[i].group, remove_own_worker, &w[i]), 0);
		/* Whatever was posted has run when it is removed, or the group freed. */
		for (int n = 0; n < TURNS && w[i].result > 0; n++)
			usleep(1000);
		assert_int_equal(w[i].result, -EDEADLK);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vu_runner_remove_worker(f->runner, w[i].group), 0);
		assert_int_equal(vu_runner_remove_worker(f->runner, w[i].group), -ENOENT);
		vu_group_free(w[i].group);
	}
}

struct countdown {
	struct vu_group *group;
	int left;
};

/* In the next pass once more. */
static void count_down(void *opaque)
{
	struct countdown *c = opaque;

	if (--c->left)
		assert_int_equal(vu_group_post(c->group, count_down, c), 0);
}

/* A loop that calls once for each wake has to hear of it. */
static void more_to_do_keeps_its_descriptor_readable(void **state)
{
	struct fixture *f = *state;
	struct pollfd pfd = {.fd = vu_runner_fd(f->runner), .events = POLLIN};
	struct countdown c = {vu_device_group(f->dev), 20};

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	assert_int_equal(vu_runner_process(f->runner), 0);
	assert_int_equal(vu_group_post(c.group, count_down, &c), 0);
	for (int i = 0; c.left && i < TURNS; i++) {
		assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
		assert_true(vu_runner_process(f->runner) >= 0);
	}
	assert_int_equal(c.left, 0);
	/* And then it sleeps. */
	for (int i = 0; i < TURNS && poll(&pfd, 1, 0) == 1; i++)
		assert_true(vu_runner_process(f->runner) >= 0);
	assert_int_equal(poll(&pfd, 1, 0), 0);
}

static void misuse(void *opaque)
{
	struct fixture *f = opaque;

	assert_int_equal(vu_runner_process(f->runner), -EDEADLK);
	assert_int_equal(vu_runner_remove(f->runner, f->dev), -EDEADLK);
	assert_int_equal(vu_runner_run(f->runner), -EBUSY);
	f->run_result = 1;
}

static void a_turn_inside_of_a_turn_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	assert_int_equal(vu_runner_process(f->runner) & VU_PROCESS_ENDED, 0);
	assert_int_equal(vu_group_post(vu_device_group(f->dev), misuse, f), 0);
	for (int i = 0; i < TURNS && !f->run_result; i++)
		assert_true(vu_runner_process(f->runner) >= 0);
	assert_int_equal(f->run_result, 1);
	/* Nor is there a whole run between two turns. */
	assert_int_equal(vu_runner_run(f->runner), -EBUSY);
	embed(f);
	ask_once(connect_to(f->path));
	vu_runner_stop(f->runner);
	expect_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_runner_lives_in_another_loop),
		TEST(its_descriptor_tells_of_times),
		TEST(nothing_left_to_serve_is_told),
		TEST(a_device_is_removed_while_others_are_served),
		TEST(removing_a_device_ends_its_session),
		TEST(a_worker_is_removed_while_the_runner_runs),
		TEST(a_worker_does_not_remove_itself_but_each_one_can_be),
		TEST(more_to_do_keeps_its_descriptor_readable),
		TEST(a_turn_inside_of_a_turn_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
