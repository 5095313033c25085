/* SPDX-License-Identifier: MIT */
/* See cut.h. */
#include "cut.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Set by the handler of SIGBUS, which has no other place. */
static volatile sig_atomic_t was_cut;

static void end_as_ever(void)
{
	signal(SIGBUS, SIG_DFL);
	raise(SIGBUS);
}

/* A page of zeroes takes the place of the one that the file has no more. */
static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	void *at = (void *)((uintptr_t)info->si_addr & ~(page - 1));

	(void)signal_number;
	(void)context;
	if (info->si_code != BUS_ADRERR ||
	    mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		end_as_ever();
	was_cut = 1;
}

int cut_survive(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

bool cut_take(void)
{
	bool cut = was_cut;

	was_cut = 0;
	return cut;
}
