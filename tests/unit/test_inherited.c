/* SPDX-License-Identifier: MIT */
/* LISTEN_PID and LISTEN_FDS: which descriptors a service manager gave us, and what becomes of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kit/test.h"
#include "run/inherited.h"

enum { FDS = 2, OURS = -1 };

/* What the test's own process has at these numbers comes back after it. */
static int saved[FDS];

static int setup(void **state)
{
	(void)state;
	for (int i = 0; i < FDS; i++) {
		int fd = eventfd(0, 0);

		saved[i] = fcntl(INHERITED_FIRST_FD + i, F_DUPFD_CLOEXEC, 20);
		assert_true(fd >= 0);
		if (fd != INHERITED_FIRST_FD + i) {
			assert_return_code(dup2(fd, INHERITED_FIRST_FD + i), errno);
			close(fd);
		}
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < FDS; i++) {
		close(INHERITED_FIRST_FD + i);
		if (saved[i] < 0)
			continue;
		dup2(saved[i], INHERITED_FIRST_FD + i);
		close(saved[i]);
	}
	return 0;
}

/* pid: what the variable says; fds: NULL if it is not set. */
static int ask(int pid, const char *fds, int *other)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", pid == OURS ? (int)getpid() : pid);
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
	if (fds)
		setenv("LISTEN_FDS", fds, 1);
	else
		unsetenv("LISTEN_FDS");
	*other = 0;
	return inherited_fds(other);
}

static bool is_cloexec(int i)
{
	return fcntl(INHERITED_FIRST_FD + i, F_GETFD) & FD_CLOEXEC;
}

static void assert_variables_are_gone(void)
{
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

static void descriptors_are_ours_and_not_our_childrens(void **state)
{
	int other;

	(void)state;
	assert_int_equal(ask(OURS, "2", &other), 2);
	assert_int_equal(other, 0);
	assert_true(is_cloexec(0));
	assert_true(is_cloexec(1));
	assert_variables_are_gone();
	/* A second look finds nothing. */
	assert_int_equal(inherited_fds(&other), 0);
}

static void those_for_another_process_are_left_alone(void **state)
{
	int other;

	(void)state;
	assert_int_equal(ask(1, "2", &other), 0);
	assert_int_equal(other, 1);
	assert_false(is_cloexec(0));
	assert_variables_are_gone();
}

static void a_descriptor_that_is_not_there_is_an_error(void **state)
{
	int other;

	(void)state;
	close(INHERITED_FIRST_FD + 1);
	assert_int_equal(ask(OURS, "2", &other), -EBADF);
	assert_variables_are_gone();
}

static void what_is_no_number_is_an_error(void **state)
{
	static const char *const counts[] = {"", "x", "-1", "2 ", "2147483647", "4294967297"};
	int other;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		assert_int_equal(ask(OURS, counts[i], &other), -EINVAL);
		assert_variables_are_gone();
	}
	assert_int_equal(ask(0, "2", &other), -EINVAL);
	assert_int_equal(ask(-2, "2", &other), -EINVAL);
	assert_false(is_cloexec(0));
}

static void without_both_variables_nothing_is_inherited(void **state)
{
	int other;

	(void)state;
	assert_int_equal(ask(OURS, NULL, &other), 0);
	setenv("LISTEN_FDS", "2", 1);
	assert_int_equal(inherited_fds(&other), 0);
	assert_false(is_cloexec(0));
	assert_variables_are_gone();
	assert_int_equal(ask(OURS, "0", &other), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(descriptors_are_ours_and_not_our_childrens),
		CASE(those_for_another_process_are_left_alone),
		CASE(a_descriptor_that_is_not_there_is_an_error),
		CASE(what_is_no_number_is_an_error),
		CASE(without_both_variables_nothing_is_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
