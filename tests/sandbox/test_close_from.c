/* SPDX-License-Identifier: MIT */
/* What examples/common/close_from.c closes, with close_range(2) and without. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/close_from.h"
#include "kit/child.h"
#include "kit/test.h"

enum { GOOD = 7, FAR = 900 };

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static void forbid(int call, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		_exit(99);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int close_all_but(int last)
{
	if (dup2(last, FAR) < 0 || !is_open(last))
		return 98;
	for (int i = 0; i < 100; i++)
		if (dup(last) < 0)
			return 97;
	close_from(last + 1);
	for (int fd = last + 1; fd <= FAR; fd++)
		if (is_open(fd))
			return 1;
	return is_open(last) && is_open(STDERR_FILENO) ? GOOD : 2;
}

/* calls: those that fail with error; 0 ends them. */
static void closes(const int *calls, int error)
{
	int last = open("/dev/null", O_RDONLY | O_CLOEXEC), status;
	pid_t pid = child_fork();

	assert_true(last >= 0 && pid >= 0);
	if (!pid) {
		for (; *calls; calls++)
			forbid(*calls, error);
		_exit(close_all_but(last));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(last);
	assert_int_equal(status, GOOD << 8);
}

static void it_closes_all_from_there_on(void **state)
{
	const int none[] = {0};

	(void)state;
	closes(none, 0);
}

static void it_closes_them_where_a_kernel_has_no_close_range(void **state)
{
	const int one[] = {SYS_close_range, 0};

	(void)state;
	closes(one, ENOSYS);
	closes(one, EPERM);
}

static void it_closes_them_where_proc_cannot_be_read_either(void **state)
{
	const int two[] = {SYS_close_range, SYS_getdents64, 0};

	(void)state;
	closes(two, ENOSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_closes_all_from_there_on),
		cmocka_unit_test(it_closes_them_where_a_kernel_has_no_close_range),
		cmocka_unit_test(it_closes_them_where_proc_cannot_be_read_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
