/* SPDX-License-Identifier: MIT */
/* A log-linear histogram of latencies. */
#include "vu-histogram.h"

#include <string.h>

enum { SUB_BITS = 6, VALUE_BITS = 41 };

_Static_assert(1 << SUB_BITS == HISTOGRAM_SUB, "steps in a power of two");
_Static_assert((VALUE_BITS - SUB_BITS + 1) * HISTOGRAM_SUB == HISTOGRAM_SIZE, "all values fit");

static unsigned int histogram_bucket(uint64_t ns)
{
	unsigned int shift;

	if (ns < HISTOGRAM_SUB)
		return (unsigned int)ns;
	if (ns >> VALUE_BITS)
		return HISTOGRAM_SIZE - 1;
	shift = 63 - (unsigned int)__builtin_clzll(ns) - SUB_BITS;
	return shift * HISTOGRAM_SUB + (unsigned int)(ns >> shift);
}

uint64_t histogram_value(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 2 * HISTOGRAM_SUB)
		return bucket;
	shift = bucket / HISTOGRAM_SUB - 1;
	return (uint64_t)(bucket - shift * HISTOGRAM_SUB) << shift;
}

void histogram_reset(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->counts[histogram_bucket(ns)]++;
	h->n++;
	h->sum += ns;
	if (ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
}

uint64_t histogram_percentile(const struct histogram *h, double share)
{
	uint64_t seen = 0, wanted = (uint64_t)(share * (double)h->n);

	if (wanted < 1)
		wanted = 1;
	for (unsigned int i = 0; i < HISTOGRAM_SIZE; i++) {
		seen += h->counts[i];
		if (seen >= wanted) {
			uint64_t last = histogram_value(i + 1) - 1;

			return last < h->max ? last : h->max;
		}
	}
	return h->n ? h->max : 0;
}
