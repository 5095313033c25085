/* SPDX-License-Identifier: MIT */
/* What kind of thing a descriptor is, where that cannot be looked up. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "kit/test.h"

/* The kernel's lists are files, too: without a descriptor for them nobody knows. */
static void a_file_of_which_nothing_can_be_known_is_not_trusted(void **state)
{
	char path[] = "descriptor.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC), next;
	struct rlimit before, none;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	if (descriptor_kind(fd) != DESCRIPTOR_MEMORY) {
		close(fd);
		print_message("[  SKIP  ] this folder is on no file system of a usual kind\n");
		skip();
	}
	next = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){(rlim_t)next, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(descriptor_kind(fd), DESCRIPTOR_SLOW_FILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(descriptor_kind(fd), DESCRIPTOR_MEMORY);
	close(fd);
}

/* Pipes have a file system of their own. */
static void a_pipe_by_name_is_told_from_a_pipe(void **state)
{
	char path[] = "descriptor.XXXXXX";
	int fds[2], fd = mkostemp(path, O_CLOEXEC);
	enum descriptor_kind file;

	(void)state;
	file = descriptor_kind(fd);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(descriptor_kind(fds[0]), DESCRIPTOR_OTHER);
	close(fds[0]);
	close(fds[1]);
	if (mkfifo(path, 0600) < 0)
		skip();
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(descriptor_kind(fd), file == DESCRIPTOR_MEMORY ? DESCRIPTOR_OTHER : file);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_which_nothing_can_be_known_is_not_trusted),
		cmocka_unit_test(a_pipe_by_name_is_told_from_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
