/* SPDX-License-Identifier: MIT */
/*
 * See sandbox_notice.h.  A handler gets no argument of ours: what it needs is static, set before
 * there is a filter and a second thread.  It runs in whatever thread made the call, in the midst of
 * anything, so it does nothing but format on its stack and write.
 */
#include "sandbox_notice.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { N_CALLS = 1024, LINE = 256 };

static const struct {
	int number;
	const char *name;
} names[] = {
#include "sandbox-names.h"
};

static const char *notice_program;
static _Atomic uint32_t notice_said[N_CALLS / 32];

/* --- a line, without the C library's help --- */

struct line {
	char text[LINE];
	size_t len;
};

static void line_text(struct line *line, const char *text)
{
	while (*text && line->len < sizeof(line->text) - 1)
		line->text[line->len++] = *text++;
}

static void line_number(struct line *line, unsigned long long number, unsigned int base)
{
	static const char digits[] = "0123456789abcdef";
	char text[24];
	size_t at = sizeof(text);

	text[--at] = '\0';
	do
		text[--at] = digits[number % base];
	while ((number /= base) && at);
	line_text(line, text + at);
}

static const char *call_name(int number)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}

/* --- a signal's context, which each architecture has in its own way --- */

#if defined(__x86_64__)
static void call_return(ucontext_t *context, long value)
{
	context->uc_mcontext.gregs[REG_RAX] = value;
}

static unsigned long long call_argument(const ucontext_t *context, int which)
{
	const int registers[] = {REG_RDI, REG_RSI};

	return (unsigned long long)context->uc_mcontext.gregs[registers[which]];
}
#elif defined(__aarch64__)
static void call_return(ucontext_t *context, long value)
{
	context->uc_mcontext.regs[0] = (unsigned long long)value;
}

static unsigned long long call_argument(const ucontext_t *context, int which)
{
	return context->uc_mcontext.regs[which];
}
#else
/* There is no filter, and so nothing that it refuses. */
static void call_return(ucontext_t *context, long value)
{
	(void)context;
	(void)value;
}

static unsigned long long call_argument(const ucontext_t *context, int which)
{
	(void)context;
	(void)which;
	return 0;
}
#endif

/* Once for each number; what has no place in the table is said always. */
static int notice_is_new(int number)
{
	uint32_t bit = UINT32_C(1) << (number & 31);

	if (number < 0 || number >= N_CALLS)
		return 1;
	return !(atomic_fetch_or(&notice_said[number / 32], bit) & bit);
}

static void notice_say(int number, const ucontext_t *context, int error)
{
	const char *name = call_name(number);
	struct line line = {.len = 0};

	line_text(&line, notice_program);
	line_text(&line, ": sandbox: the system call ");
	line_text(&line, name ? name : "number ");
	if (!name)
		line_number(&line, (unsigned int)number, 10);
	/* Which one is what matters of these; the other filtered ones have flags first. */
	if (number == SYS_ioctl) {
		line_text(&line, " 0x");
		line_number(&line, call_argument(context, 1) & UINT32_MAX, 16);
	}
	line_text(&line, error == EPERM ? " is refused (EPERM)" : " is refused (ENOSYS)");
	line_text(&line, "; --sandbox=none does without the sandbox\n");
	if (write(STDERR_FILENO, line.text, line.len) < 0)
		return; /* nobody listens */
}

static void on_sigsys(int signal_number, siginfo_t *info, void *opaque)
{
	int saved = errno;
	ucontext_t *context = opaque;

	(void)signal_number;
	/* What the filter says, as SECCOMP_RET_DATA. */
	if (notice_is_new(info->si_syscall))
		notice_say(info->si_syscall, context, info->si_errno);
	call_return(context, -(long)info->si_errno);
	errno = saved;
}

int sandbox_notice(const char *program)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigset_t unblocked;

	notice_program = program;
	sigemptyset(&action.sa_mask);
	sigemptyset(&unblocked);
	sigaddset(&unblocked, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	return -pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
}
