/* SPDX-License-Identifier: MIT */
/* A back-end can truncate the files that it shares with us: what is gone then reads as zeroes. */
#ifndef VU_CHECK_CUT_H
#define VU_CHECK_CUT_H

#include <stdbool.h>

/* From now on no SIGBUS of ours ends the process: 0 or -errno. */
int cut_survive(void);
/* Has anything been cut off since this was asked last? */
bool cut_take(void);

#endif
