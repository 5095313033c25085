/* SPDX-License-Identifier: MIT */
/* Loop devices: block devices whose storage a test can take away. */
#ifndef BLK_LOOP_H
#define BLK_LOOP_H

struct loop {
	int fd; /* the device goes when it is closed and nobody else has it open */
	char path[32];
};

/* 0, or -errno where there are none (not root). */
int loop_open(struct loop *loop, const char *backing);
/* The backing file has become longer. */
int loop_grow(struct loop *loop);
void loop_close(struct loop *loop);

#endif
