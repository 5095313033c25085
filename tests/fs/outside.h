/* SPDX-License-Identifier: MIT */
/* A file beside the share that nobody must read, change, or find. */
#ifndef TEST_FS_OUTSIDE_H
#define TEST_FS_OUTSIDE_H

#include "client.h"

struct outside {
	char dir[RIG_PATH + 16], file[RIG_PATH + 32];
};

/* Makes it, and starts vu-fs without the sandbox, so that it is the requests' own checks that hold.
 */
void outside_begin(struct client *c, struct outside *o);
/* vu-fs ends; it is as it was, and alone. */
void outside_end(struct client *c, const struct outside *o);

#endif
