/* SPDX-License-Identifier: MIT */
/* A program that cannot have one more descriptor, for a while. */
#ifndef DEVICES_SHORTAGE_H
#define DEVICES_SHORTAGE_H

#include <sys/resource.h>
#include <sys/types.h>

struct shortage {
	pid_t pid;
	struct rlimit before;
};

void shortage_begin(struct shortage *s, pid_t pid);
/*
 * Its first thread went to sleep and was woken by itself, some times, since this was called: who
 * spins does not sleep, and whom nobody wakes does so once.
 */
void shortage_is_sat_out(const struct shortage *s);
void shortage_end(const struct shortage *s);

#endif
