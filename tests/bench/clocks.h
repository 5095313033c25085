/* SPDX-License-Identifier: MIT */
/* What benches of back-ends in a process of their own read: the time, and what processes spent. */
#ifndef BENCH_CLOCKS_H
#define BENCH_CLOCKS_H

#include <stdint.h>

/* Monotonic, ns. */
uint64_t clocks_now(void);
/* Processors' time of a process, all its threads that live; ns. */
uint64_t clocks_of_process(int pid);

#endif
