/* SPDX-License-Identifier: MIT */
/* Threads that wait for the host's disks in a queue's place. */
#ifndef FS_POOL_H
#define FS_POOL_H

#include "fs.h"

/* Start them: settings->pool_size; none: 0, and fs->pool stays NULL. */
int fs_pool_start(struct fs *fs);
/* They finish what they were given.  Idempotent. */
void fs_pool_end(struct fs *fs);
/* A call that is taken and checked, its pin with it: from now on a thread of the pool's. */
void fs_pool_give(struct fs_call *c, const struct fs_row *row);
/* Of a request's own memory, in bytes. */
uint32_t fs_pool_priv_size(void);

#endif
