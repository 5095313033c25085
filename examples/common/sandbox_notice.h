/* SPDX-License-Identifier: MIT */
/*
 * What a filter for system calls refuses is said in a line that names the call, once for each; the
 * caller gets the error that the filter says and goes on.
 */
#ifndef COMMON_SANDBOX_NOTICE_H
#define COMMON_SANDBOX_NOTICE_H

/*
 * Handle SIGSYS, by which the kernel tells of calls that end with SECCOMP_RET_TRAP.  No thread may
 * block it: the kernel would end the process.  program stays valid.  0 or -errno.
 */
int sandbox_notice(const char *program);

#endif
