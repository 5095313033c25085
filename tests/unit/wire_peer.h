/* SPDX-License-Identifier: MIT */
/* A connection with a raw socket as its peer.  Every test ends with the fds it began with. */
#ifndef UNIT_WIRE_PEER_H
#define UNIT_WIRE_PEER_H

#include <stdint.h>

#include "base/closer.h"
#include "kit/counts.h"
#include "kit/test.h"
#include "wire/conn.h"

enum { MANY_FDS = 12 };

struct fixture {
	struct wire_conn *conn;
	struct closer closer;
	int peer; /* -1 once closed */
	int fds_before;
};

int setup(void **state);
int teardown(void **state);

void peer_close(struct fixture *f);
void peer_write(struct fixture *f, const void *data, size_t len);
/* len bytes with n new eventfds (of values 0, 1, ...), of which the sender keeps none. */
void peer_write_fds(struct fixture *f, const void *data, size_t len, unsigned int n);
/* Read len bytes, flushing the connection as needed; the number of fds that came with them. */
unsigned int peer_read(struct fixture *f, void *to, size_t len);

/* A message of size payload bytes that count up from seed; returns its whole length. */
size_t make_message(unsigned char *out, uint32_t request, uint32_t size, unsigned char seed);

#endif
