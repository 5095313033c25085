/* SPDX-License-Identifier: MIT */
/* A driver for the device of echo.h.  Failures end the test through cmocka. */
#ifndef RUN_LOAD_H
#define RUN_LOAD_H

#include "echo.h"
#include "frontend/peer.h"

enum { LOAD_DEPTH = 32 };

struct load {
	struct peer *peer;
	uint64_t out[ECHO_QUEUES][LOAD_DEPTH]; /* guest addresses of buffers */
	uint64_t in[ECHO_QUEUES][LOAD_DEPTH];
	unsigned int flying[ECHO_QUEUES]; /* slots 0 and on */
	unsigned int serial;
};

/* Connect, and start all queues. */
void load_start(struct load *l, const char *path);
/* Hang up and free. */
void load_end(struct load *l);
/* End the test with the front-end's own words if ret is an error. */
void load_check(struct load *l, int ret);

/* Offer n requests; whether the device had to be kicked. */
int load_submit(struct load *l, uint32_t queue, unsigned int n);
/* Wait until all are back, and compare what they bring. */
void load_collect(struct load *l, uint32_t queue);
/* Every queue: submit and collect, depth requests at once. */
void load_round(struct load *l, unsigned int depth);
void load_stop_queues(struct load *l);
void load_start_queues(struct load *l);

#endif
