/* SPDX-License-Identifier: MIT */
/* LISTEN_PID and LISTEN_FDS: which descriptors a service manager gave us, and what becomes of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit/test.h"
#include "run/inherited.h"
#include "run/program.h"

enum { FDS = 2, OURS = -1 };

/* What the test's own process has at these numbers comes back after it. */
static int saved[FDS];
static char *names;

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
	free(names);
	names = NULL;
	for (int i = 0; i < FDS; i++) {
		close(INHERITED_FIRST_FD + i);
		if (saved[i] < 0)
			continue;
		dup2(saved[i], INHERITED_FIRST_FD + i);
		close(saved[i]);
	}
	return 0;
}

static int look_again(int *other)
{
	free(names);
	names = NULL;
	return inherited_fds(other, &names);
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
	return look_again(other);
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
	assert_int_equal(look_again(&other), 0);
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
	assert_int_equal(look_again(&other), 0);
	assert_false(is_cloexec(0));
	assert_variables_are_gone();
	assert_int_equal(ask(OURS, "0", &other), 0);
}

static void files_are_told_from_sockets_and_found_by_their_names(void **state)
{
	int other, file = memfd_create("state", MFD_CLOEXEC);

	(void)state;
	assert_return_code(dup2(file, INHERITED_FIRST_FD + 1), errno);
	close(file);
	assert_int_equal(ask(OURS, "2", &other), 2);
	assert_string_equal(names, "a:b");
	assert_false(inherited_is_file(0));
	assert_true(inherited_is_file(1));
	assert_false(inherited_is_file(2));
	assert_int_equal(inherited_find_file(2, names, "b"), 1);
	/* A socket's name, one that is not given, parts of one, and those that are missing. */
	assert_int_equal(inherited_find_file(2, names, "a"), -1);
	assert_int_equal(inherited_find_file(2, names, "c"), -1);
	assert_int_equal(inherited_find_file(2, "a:bb", "b"), -1);
	assert_int_equal(inherited_find_file(2, "a", "b"), -1);
	assert_int_equal(inherited_find_file(2, NULL, "b"), -1);
	assert_int_equal(inherited_find_file(1, names, "b"), -1);
	assert_int_equal(inherited_find_file(-EINVAL, names, "b"), -1);
	assert_int_equal(inherited_find_file(2, ":b:c", "b"), 1);
}

static void a_kept_file_is_asked_for_by_its_name_while_a_device_is_made(void **state)
{
	static const char *const wrong[] = {"", "a:b", "a b", "a\n", "\xc3\xa4"};
	int other, fd = -1, file = memfd_create("state", MFD_CLOEXEC);
	struct program_socket making = {.fd = -1};
	struct vu_program program = {.making = &making, .notify = -1, .n_inherited = 2};
	char longest[202];

	(void)state;
	assert_return_code(dup2(file, INHERITED_FIRST_FD + 1), errno);
	close(file);
	assert_int_equal(ask(OURS, "2", &other), 2);
	program.inherited_names = names;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vu_program_kept_file(&program, "b", &fd), 0);
		assert_true(fd > INHERITED_FIRST_FD + 1);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
	/* A socket, and what nobody keeps. */
	assert_int_equal(vu_program_kept_file(&program, "a", &fd), -EOPNOTSUPP);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(vu_program_kept_file(&program, wrong[i], &fd), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[201] = '\0';
	assert_int_equal(vu_program_kept_file(&program, longest, &fd), -EINVAL);
	assert_int_equal(vu_program_kept_file(&program, longest + 1, &fd), -EOPNOTSUPP);
	program.making = NULL;
	assert_int_equal(vu_program_kept_file(&program, "b", &fd), -EINVAL);
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
		CASE(files_are_told_from_sockets_and_found_by_their_names),
		CASE(a_kept_file_is_asked_for_by_its_name_while_a_device_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
