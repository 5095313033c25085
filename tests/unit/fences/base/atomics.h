/* SPDX-License-Identifier: MIT */
/*
 * In place of lib/base/atomics.h: each access to a ring goes to the model in test_fences.c, which
 * decides what the other side sees of it, and when.  Native byte order; both sides are the test's.
 */
#ifndef BASE_ATOMICS_H
#define BASE_ATOMICS_H

#include <stdatomic.h>
#include <stdint.h>

#define LE16(x) ((uint16_t)(x))
#define LE32(x) ((uint32_t)(x))
#define LE64(x) ((uint64_t)(x))

uint16_t le16_load_acquire(const uint16_t *p);
uint16_t le16_read_once(const uint16_t *p);
void le16_store_release(uint16_t *p, uint16_t v);
void le16_write_once(uint16_t *p, uint16_t v);
void full_fence(void);

static inline uint32_t le32_read_once(const uint32_t *p)
{
	return *p;
}

static inline uint64_t le64_read_once(const uint64_t *p)
{
	return *p;
}

#endif
