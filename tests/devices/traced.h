/* SPDX-License-Identifier: MIT */
/*
 * A program that stands still whenever it calls the kernel, so that what it did until then can be
 * counted exactly, however fast it is and whoever is kept from looking.
 */
#ifndef DEVICES_TRACED_H
#define DEVICES_TRACED_H

#include <sys/types.h>

/* It stands still; skips the test where programs may not be traced. */
void traced_stop(pid_t pid);
/* It goes on, to the beginning or the end of its next system call. */
void traced_step(pid_t pid);
/* It runs freely. */
void traced_let_go(pid_t pid);

#endif
