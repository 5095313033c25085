/* SPDX-License-Identifier: MIT */
/*
 * How often something may happen: a burst, then once a second (a token bucket as one time stamp).
 * No lock; any thread.
 */
#ifndef BASE_LIMIT_H
#define BASE_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { LIMIT_BURST = 20 };

struct limit {
	_Atomic uint64_t full_at; /* when the bucket is full again, in ns; all zero: it is full */
};

/* May it happen now (monotonic ns)?  If so, it counts. */
bool limit_allows(struct limit *limit, uint64_t now);

#endif
