/* SPDX-License-Identifier: MIT */
/* Processes that a test makes. */
#ifndef KIT_CHILD_H
#define KIT_CHILD_H

#include <sys/types.h>

/*
 * fork(), and the child dies with the thread that called it, however that ends: one that lived on
 * would hold the test's output open, and whoever reads that waits.
 */
pid_t child_fork(void);

#endif
