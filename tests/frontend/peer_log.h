/* SPDX-License-Identifier: MIT */
/*
 * The front-end's side of a migration: a dirty log that the back-end marks in, and a copy of guest
 * memory that follows it.  What the driver writes is not in the log: in a real machine the
 * front-end knows of that by itself.
 */
#ifndef FRONTEND_PEER_LOG_H
#define FRONTEND_PEER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/peer.h"

enum { PEER_LOG_PAGE = 4096 };

struct peer_log {
	const struct guest *guest;
	int fd;		     /* with the bits, from offset 0 on */
	unsigned char *bits; /* this side's mapping of them */
	uint64_t bytes;
	unsigned char **copies; /* of each region that there was when it was made */
	uint32_t n_copies;
};

/* A log for all of guest memory, all clear; no copy yet.  0 or -errno. */
int peer_log_new(struct peer_log *log, const struct guest *guest);
void peer_log_free(struct peer_log *log);

/* QEMU's order for a device that runs: SET_LOG_BASE, LOG_ALL, F_LOG for each queue; and without. */
int peer_log_begin(struct peer *peer, const struct peer_log *log);
int peer_log_end(struct peer *peer);
/* SET_VRING_ADDR as it was, with these flags. */
int peer_log_ring(struct peer *peer, uint32_t index, uint32_t vring_flags);

/* Copy all memory, and forget all marks. */
void peer_log_copy_all(struct peer_log *log);
/* Copy what is marked, and clear the marks: how many pages. */
uint64_t peer_log_copy_marked(struct peer_log *log);
/* The first guest address where the copy is not as the memory; GUEST_NONE: there is none. */
uint64_t peer_log_differs(const struct peer_log *log);
/* Is the copy as the memory there?  False if they are not in one region. */
bool peer_log_is_same(const struct peer_log *log, uint64_t gpa, uint64_t len);
bool peer_log_has(const struct peer_log *log, uint64_t gpa);
uint64_t peer_log_count(const struct peer_log *log);

#endif
