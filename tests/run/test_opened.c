/* SPDX-License-Identifier: MIT */
/* A program's turn between its sockets and its workers: vu_program_info.opened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/folder.h"
#include "kit/test.h"
#include "load.h"
#include "sockets.h"
#include "spawn.h"

struct fixture {
	char dir[32];
	struct named_socket sockets[2];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	folder_make(f->dir, "vu-opened");
	name_sockets(f->sockets, 2, f->dir);
	*state = f;
	return 0;
}

static const char *find(const struct spawned *s, const char *text)
{
	const char *at = strstr(s->err, text);

	assert_non_null(at);
	return at;
}

static void it_comes_for_each_device_after_all_sockets_and_before_all_threads(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {getenv("ECHO_PROGRAM"), f->sockets[0].option, f->sockets[1].option,
			      "--late", NULL};
	const char *first, *second;
	int threads[2] = {0};
	struct spawned s;
	struct load load;

	spawn_start(&s, argv, NULL);
	spawn_wait_listening(f->sockets[0].path);
	load_start(&load, f->sockets[0].path);
	load_round(&load, 1);
	load_end(&load);
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	first = find(&s, "opened device 0: threads: ");
	second = find(&s, "opened device 1: threads: ");
	assert_true(find(&s, f->sockets[1].path) < first && first < second);
	assert_int_equal(sscanf(first, "opened device 0: threads: %d", &threads[0]), 1);
	assert_int_equal(sscanf(second, "opened device 1: threads: %d", &threads[1]), 1);
	assert_int_equal(threads[0], threads[1]);
	assert_in_range(threads[0], 1, 3); /* sanitizers may have some of their own */
	spawn_free(&s);
}

static void workers_that_it_adds_are_counted_as_workers(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {getenv("ECHO_PROGRAM"), f->sockets[0].option, "--late",
			      "--poll-us=20", NULL};
	struct spawned s;

	spawn_start(&s, argv, NULL);
	spawn_wait_listening(f->sockets[0].path);
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	assert_null(strstr(s.err, "no effect"));
	spawn_free(&s);
}

static void a_device_that_fails_in_it_ends_the_program_and_its_sockets(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {getenv("ECHO_PROGRAM"), f->sockets[0].option, f->sockets[1].option,
			      "--refuse=2", NULL};
	struct spawned s;

	spawn_run(&s, argv);
	assert_int_equal(s.status, 1);
	find(&s, "opened device 1");
	find(&s, "echo-program: the device cannot be served: No such device\n");
	assert_int_equal(access(f->sockets[0].path, F_OK), -1);
	assert_int_equal(access(f->sockets[1].path, F_OK), -1);
	spawn_free(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_comes_for_each_device_after_all_sockets_and_before_all_threads),
		TEST(workers_that_it_adds_are_counted_as_workers),
		TEST(a_device_that_fails_in_it_ends_the_program_and_its_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
