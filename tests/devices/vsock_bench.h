/* SPDX-License-Identifier: MIT */
/*
 * The bench that most tests of vu-vsock begin with: port 1000 of the host leads to a Unix socket on
 * which the test listens, and there is one connection, from the guest's port 5000.
 */
#ifndef DEVICES_VSOCK_BENCH_H
#define DEVICES_VSOCK_BENCH_H

#include "vsock.h"

struct bench {
	struct guest_end guest;
	struct line line; /* the guest's end of the connection */
	int host;	  /* and the host's; -1: there is none */
	int listener;
};

/* Without the connection; type as of socket(2), options up to NULL (which may be NULL itself). */
void bench_listen(struct rig *rig, struct bench *b, int type, const char *const *options);
void bench_start(struct rig *rig, struct bench *b, int type, const char *const *options);
/* The host ends its end. */
void bench_hang_up(struct bench *b);
void bench_stop(struct rig *rig, struct bench *b);

/* One more connection, from this port: the host's end of it. */
int bench_connect(struct bench *b, struct line *line, uint32_t port);
/* It still works: one more, from port 7777, and to its end. */
void bench_check(struct bench *b);

#endif
