/* SPDX-License-Identifier: MIT */
/* What kind of thing a descriptor is, where that cannot be looked up. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_which_nothing_can_be_known_is_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
