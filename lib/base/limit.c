/* SPDX-License-Identifier: MIT */
/* How often something may happen.  Owns nothing; any thread. */
#include "base/limit.h"

static const uint64_t interval = 1000000000; /* ns in which one is filled in again */

bool limit_allows(struct limit *limit, uint64_t now)
{
	/* Relaxed: nothing else is published by it. */
	uint64_t old = atomic_load_explicit(&limit->full_at, memory_order_relaxed), from;

	do {
		from = old > now ? old : now;
		if (from - now > (LIMIT_BURST - 1) * interval)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&limit->full_at, &old, from + interval,
							memory_order_relaxed,
							memory_order_relaxed));
	return true;
}
