/* SPDX-License-Identifier: MIT */
/* A log-linear histogram of latencies: of vu-bench and vu-trace. */
#ifndef VU_HISTOGRAM_H
#define VU_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB = 64,		     /* steps in each power of two: 1.6 % */
	HISTOGRAM_SIZE = 36 * HISTOGRAM_SUB, /* up to 2^41 ns */
};

/* Log-linear: exact below HISTOGRAM_SUB ns, then HISTOGRAM_SUB steps for each power of two. */
struct histogram {
	uint64_t counts[HISTOGRAM_SIZE];
	uint64_t n, sum, min, max;
};

void histogram_reset(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t ns);
/* The latency that this share (0 to 1) of all did not exceed. */
uint64_t histogram_percentile(const struct histogram *h, double share);
/* First value of a bucket; that of HISTOGRAM_SIZE is the end of the last. */
uint64_t histogram_value(unsigned int bucket);

#endif
