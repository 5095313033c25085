/* SPDX-License-Identifier: MIT */
/* See traced.h. */
#include "kit/test.h"
#include "traced.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* The signal to be handed on, or 0. */
static int traced_wait(pid_t pid)
{
	int status, sig;

	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	if (!WIFSTOPPED(status))
		fail_msg("the program ended, wait status %#x", (unsigned int)status);
	sig = WSTOPSIG(status);
	/* A system call (PTRACE_O_TRACESYSGOOD), or a stop that was asked for. */
	return sig == (SIGTRAP | 0x80) || status >> 16 ? 0 : sig;
}

void traced_stop(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)PTRACE_O_TRACESYSGOOD) < 0) {
		print_message("[  SKIP  ] ptrace: %s\n", strerror(errno));
		skip();
	}
	assert_return_code(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), errno);
	traced_wait(pid);
}

void traced_step(pid_t pid)
{
	int sig = 0;

	do {
		assert_return_code(ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)sig), errno);
		sig = traced_wait(pid);
	} while (sig);
}

void traced_let_go(pid_t pid)
{
	assert_return_code(ptrace(PTRACE_DETACH, pid, NULL, NULL), errno);
}
