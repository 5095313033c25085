/* SPDX-License-Identifier: MIT */
/*
 * Requests that are run again after a crash (docs/crash-recovery.md) and cannot be run twice: a
 * directory that is made would exist already, a name that is removed would be gone.
 */
#ifndef FS_AGAIN_H
#define FS_AGAIN_H

#include "fs.h"

/* Before a row that is FS_ONCE runs: notes what is done, and sees whether it may have been. */
void fs_again_begin(struct fs_call *c);
/* After it: an error that only says that it was done becomes the reply of that time. */
int fs_again_end(struct fs_call *c, int ret);
/*
 * For a rename that makes something of its old name: was it done?  If not it is noted what the old
 * name is.
 */
bool fs_again_moved(struct fs_call *c, int from_fd, int to_fd);

/* How far a request of several steps was: to be set before each. */
uint64_t fs_again_step(struct fs_call *c);
void fs_again_set_step(struct fs_call *c, uint64_t step);
/* How many of these bytes (from data on in the request) were appended at offset already. */
uint32_t fs_again_appended(struct fs_call *c, const struct fs_file *file, uint64_t data,
			   uint32_t len, uint64_t offset);

#endif
