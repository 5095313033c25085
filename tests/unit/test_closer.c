/* SPDX-License-Identifier: MIT */
/* Descriptors that a worker of the kernel's closes. */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/closer.h"
#include "kit/test.h"

enum { MANY = 64, ROUNDS = 20 };

static void what_was_put_aside_is_closed_when_the_closer_has_ended(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct closer closer;
		uint32_t open = 0;
		int fds[MANY];

		for (int i = 0; i < MANY; i++) {
			fds[i] = eventfd(0, EFD_CLOEXEC);
			assert_true(fds[i] >= 0);
		}
		closer_init(&closer);
		for (int i = 0; i < MANY; i++)
			closer_put_aside(&closer, fds[i]);
		closer_fini(&closer);
		for (int i = 0; i < MANY; i++)
			open += fcntl(fds[i], F_GETFD) >= 0;
		assert_int_equal(open, closer.kept);
		for (int i = 0; i < MANY; i++)
			close(fds[i]); /* those that were kept */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_aside_is_closed_when_the_closer_has_ended),
	};

	return cmocka_run_group_tests_name("closer", tests, NULL, NULL);
}
