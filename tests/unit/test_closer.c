/* SPDX-License-Identifier: MIT */
/* Descriptors that a worker of the kernel's closes. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/closer.h"
#include "kit/counts.h"
#include "kit/test.h"

enum { MANY = 64, ROUNDS = 20 };

/* Which call from now on fails, once; 0: none. */
static struct {
	int mmap, enter;
} failing;

/* With 64-bit offsets that is what mmap() is called. */
void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (failing.mmap && !--failing.mmap) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap64(at, len, prot, flags, fd, offset);
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_io_uring_enter && failing.enter && !--failing.enter) {
		errno = EBUSY;
		return -1;
	}
	return __real_syscall(number, a, b, c, d, e, f);
}

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

/* Put one aside, where that cannot be done; then one where it can. */
static void expect_kept(int nth_mmap, int nth_enter)
{
	int fds[2] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)}, before = count_fds();
	struct closer closer;

	closer_init(&closer);
	failing.mmap = nth_mmap;
	failing.enter = nth_enter;
	closer_put_aside(&closer, fds[0]);
	assert_int_equal(failing.mmap + failing.enter, 0);
	assert_int_equal(closer.kept, 1);
	assert_int_equal(count_fds() - before, closer.ring_fd >= 0);
	closer_put_aside(&closer, fds[1]);
	assert_int_equal(closer.kept, 1);
	closer_fini(&closer);
	assert_true(fcntl(fds[0], F_GETFD) >= 0 && fcntl(fds[1], F_GETFD) < 0);
	close(fds[0]);
	assert_int_equal(count_fds(), before - 2);
}

/* It stays open, is counted, and is no reason to give the next one up, too. */
static void what_cannot_be_put_aside_is_kept(void **state)
{
	struct closer closer;
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	closer_init(&closer);
	closer_put_aside(&closer, fd);
	closer_fini(&closer);
	if (closer.kept) {
		close(fd);
		print_message("skipped: io_uring is not allowed here\n");
		skip();
	}
	expect_kept(1, 0);
	expect_kept(2, 0);
	expect_kept(0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_aside_is_closed_when_the_closer_has_ended),
		cmocka_unit_test(what_cannot_be_put_aside_is_kept),
	};

	return cmocka_run_group_tests_name("closer", tests, NULL, NULL);
}
