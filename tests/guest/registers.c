/* SPDX-License-Identifier: MIT */
/*
 * What ptrace() does with all registers of another process, where only some of them are given: a
 * line for each length, with what was got and whether it could be put back.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void try_length(pid_t pid, size_t len)
{
	static char area[65536];
	struct iovec iov = {.iov_base = area, .iov_len = len};
	const char *put = "put back";

	if (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov)) {
		printf("%zu: %s\n", len, strerrorname_np(errno));
		return;
	}
	printf("%zu: got %zu, ", len, iov.iov_len);
	iov.iov_len = len;
	if (ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov))
		put = strerrorname_np(errno);
	printf("%s\n", put);
}

int main(void)
{
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	try_length(pid, 2696);
	try_length(pid, 11000);
	try_length(pid, 11008);
	try_length(pid, 65536);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
