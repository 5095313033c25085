/* SPDX-License-Identifier: MIT */
/*
 * The SIGBUS handler of a program.
 *
 * A handler gets no argument of ours, and the library has no globals.  But the kernel says which
 * alternate stack the handler runs on, and that memory is ours: it begins with a header that
 * names the runner.  A thread without such a stack, or with somebody else's, is not ours to save:
 * it dies as it would have without us.
 */
#include "run/fault.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { FAULT_STACK_SIZE = 65536 };

static const char fault_magic[16] = "libvu SIGBUS v1";

struct fault_header {
	char magic[16];
	struct fault_header *self; /* a copy of our memory elsewhere is not ours */
	struct vu_runner *runner;
};

/* Async-signal-safe.  NULL if the stack is not one of ours. */
static struct vu_runner *fault_runner(const ucontext_t *context)
{
	const stack_t *stack = &context->uc_stack;
	struct fault_header *header = stack->ss_sp;

	if (!header || (stack->ss_flags & SS_DISABLE) || stack->ss_size != FAULT_STACK_SIZE)
		return NULL;
	if (memcmp(header->magic, fault_magic, sizeof(fault_magic)) != 0 || header->self != header)
		return NULL;
	return header->runner;
}

static void fault_handler(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;
	struct vu_runner *runner = fault_runner(context);

	/* si_code is positive when the kernel reports a fault, and not another process a kill(). */
	if (!runner || info->si_code <= 0 || !runner_fault(runner, info->si_addr)) {
		signal(signal_number, SIG_DFL);
		/* A fault comes again on return; a signal that was sent has to be sent again. */
		if (info->si_code <= 0)
			raise(signal_number);
	}
	errno = saved;
}

int fault_stack_enter(struct fault_stack *stack, struct vu_runner *runner)
{
	stack_t new = {.ss_size = FAULT_STACK_SIZE};
	struct fault_header *header = mmap(NULL, FAULT_STACK_SIZE, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (header == MAP_FAILED)
		return -errno;
	memcpy(header->magic, fault_magic, sizeof(fault_magic));
	header->self = header;
	header->runner = runner;
	new.ss_sp = header;
	if (sigaltstack(&new, &stack->old) < 0) {
		int ret = -errno;

		munmap(header, FAULT_STACK_SIZE);
		return ret;
	}
	stack->memory = header;
	return 0;
}

void fault_stack_leave(struct fault_stack *stack)
{
	sigaltstack(&stack->old, NULL);
	munmap(stack->memory, FAULT_STACK_SIZE);
	stack->memory = NULL;
}

int fault_enter(struct fault *fault, struct vu_runner *runner)
{
	struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
	int ret = fault_stack_enter(&fault->stack, runner);

	if (ret)
		return ret;
	sa.sa_sigaction = fault_handler;
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGBUS, &sa, &fault->old) < 0) {
		ret = -errno;
		fault_stack_leave(&fault->stack);
	}
	return ret;
}

void fault_leave(struct fault *fault)
{
	sigaction(SIGBUS, &fault->old, NULL);
	fault_stack_leave(&fault->stack);
}
