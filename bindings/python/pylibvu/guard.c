/* SPDX-License-Identifier: MIT */
/*
 * Survives SIGBUS in guest memory that a front-end truncated (vu_device_fault()).
 *
 * Part of the extension module.  Devices are noted in a table that a signal handler can read;
 * they are added and removed with Python's global lock held.  A fault elsewhere is left to whoever
 * handled SIGBUS before.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { GUARD_MAX = 256 };

static _Atomic(struct vu_device *) guard_devices[GUARD_MAX];
static struct sigaction guard_before;
static int guard_installed;

static void guard_handler(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	for (int i = 0; i < GUARD_MAX && info->si_code > 0; i++) {
		struct vu_device *dev = atomic_load(&guard_devices[i]);

		if (dev && vu_device_fault(dev, info->si_addr)) {
			errno = saved;
			return;
		}
	}
	/* A fault comes again on return; a signal that was sent has to be sent again. */
	sigaction(SIGBUS, &guard_before, NULL);
	if (info->si_code <= 0)
		raise(number);
	(void)context;
	errno = saved;
}

/* 0, or -1 when more devices exist than can be protected. */
static int vupy_guard_add(struct vu_device *dev)
{
	struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

	sa.sa_sigaction = guard_handler;
	sigemptyset(&sa.sa_mask);
	if (!guard_installed && sigaction(SIGBUS, &sa, &guard_before) == 0)
		guard_installed = 1;
	for (int i = 0; i < GUARD_MAX; i++) {
		struct vu_device *none = NULL;

		if (atomic_compare_exchange_strong(&guard_devices[i], &none, dev))
			return 0;
	}
	return -1;
}

static void vupy_guard_remove(struct vu_device *dev)
{
	for (int i = 0; i < GUARD_MAX; i++) {
		struct vu_device *expected = dev;

		atomic_compare_exchange_strong(&guard_devices[i], &expected, NULL);
	}
}
