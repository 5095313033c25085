/* SPDX-License-Identifier: MIT */
/* Numbers that look random and follow from a seed: what happened once can happen again. */
#ifndef SESSIONS_CHANCE_H
#define SESSIONS_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
	uint64_t state;
};

/* SplitMix64. */
static inline uint64_t chance_u64(struct chance *c)
{
	uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 to n - 1. */
static inline uint32_t chance_below(struct chance *c, uint32_t n)
{
	return (uint32_t)(chance_u64(c) >> 33) % n;
}

static inline bool chance_percent(struct chance *c, uint32_t percent)
{
	return chance_below(c, 100) < percent;
}

/* Small, at a border, or anything. */
static inline uint64_t chance_value(struct chance *c)
{
	static const uint64_t borders[] = {0,	   1,	       0x7f,	   0xff,      0x7fff,
					   0xffff, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX};

	switch (chance_below(c, 4)) {
	case 0:
		return borders[chance_below(c, sizeof(borders) / sizeof(borders[0]))];
	case 1:
		return chance_u64(c);
	default:
		return chance_below(c, 300);
	}
}

#endif
