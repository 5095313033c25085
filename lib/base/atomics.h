/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes of memory that others change at the same time, and the byte order of rings.
 *
 * Pairing rules (each use names its partner):
 *   load_acquire   pairs with the other side's release store or its wmb before a plain store
 *   store_release  pairs with the other side's acquire load or its rmb after a plain load
 *   full_fence     "I wrote X, now I read Y" against "I wrote Y, now I read X"; both sides need it
 *   read_once      a single load of a value that may change; no order
 * Virtqueues are little-endian (virtio 1.3 §1.4, §2.7).
 */
#ifndef BASE_ATOMICS_H
#define BASE_ATOMICS_H

#include <stdatomic.h>
#include <stdint.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE16(x) ((uint16_t)(x))
#define LE32(x) ((uint32_t)(x))
#define LE64(x) ((uint64_t)(x))
#else
#define LE16(x) __builtin_bswap16(x)
#define LE32(x) __builtin_bswap32(x)
#define LE64(x) __builtin_bswap64(x)
#endif

static inline uint16_t le16_load_acquire(const uint16_t *p)
{
	return LE16(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static inline uint16_t le16_read_once(const uint16_t *p)
{
	return LE16(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline uint32_t le32_read_once(const uint32_t *p)
{
	return LE32(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline uint64_t le64_read_once(const uint64_t *p)
{
	return LE64(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline void le16_store_release(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, LE16(v), __ATOMIC_RELEASE);
}

static inline void le16_write_once(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, LE16(v), __ATOMIC_RELAXED);
}

static inline void full_fence(void)
{
	/* An atomic read-modify-write is a full barrier that TSan understands, too; gcc's
	 * -fsanitize=thread has no support for bare fences. */
#ifdef __SANITIZE_THREAD__
	uint32_t dummy = 0;
	__atomic_fetch_add(&dummy, 1, __ATOMIC_SEQ_CST);
#elif defined(__x86_64__)
	/* What compilers make of it is at (%rsp), where a ret then waits for its address. */
	__asm__ volatile("lock orl $0, -64(%%rsp)" : : : "memory", "cc");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
