/* SPDX-License-Identifier: MIT */
/* Machines where io_uring is not allowed, as in most containers. */
#ifndef RUN_FORBID_H
#define RUN_FORBID_H

enum { SKIPPED = 77 }; /* exit status of a test */

/* 0, or -errno: what this process gets where it asks for an io_uring. */
int io_uring_missing(void);
/* From now on this process and its children get that error (a seccomp filter).  -errno; 0. */
int io_uring_forbid(int error);

/* For main() of a test that needs one: exits, and says why, where there is none. */
void io_uring_or_skip(void);

#endif
