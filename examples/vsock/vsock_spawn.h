/* SPDX-License-Identifier: MIT */
/* Programs of --forward PORT=exec:COMMAND, which a small process runs: see vsock_spawn.c. */
#ifndef VSOCK_SPAWN_H
#define VSOCK_SPAWN_H

#include "vsock_rules.h"

/*
 * Fork who will run the programs of these rules, at most so many of a guest at a time.  Before
 * there are threads.  0 or -errno.
 */
int spawner_start(struct rules *r, uint32_t most);
/*
 * Have it run one for a guest with this descriptor as standard input and output; 0 or -errno.  One
 * too many is not run, and the descriptor closed.
 */
int spawner_run(const struct rules *r, uint32_t program, uint32_t cid, int fd);

#endif
