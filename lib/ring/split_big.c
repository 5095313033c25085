/* SPDX-License-Identifier: MIT */
/*
 * split.c and split.h once more, with accessors of the other byte order.  Compiled from the same
 * text, so that there is one walk to be looked after and the usual order pays nothing for this one.
 * Queue thread.
 */
#include "base/atomics.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)
#define BE64(x) __builtin_bswap64(x)
#else
#define BE16(x) ((uint16_t)(x))
#define BE32(x) ((uint32_t)(x))
#define BE64(x) ((uint64_t)(x))
#endif

static inline uint16_t be16_load_acquire(const uint16_t *p)
{
	return BE16(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static inline uint16_t be16_read_once(const uint16_t *p)
{
	return BE16(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline uint64_t be64_read_once(const uint64_t *p)
{
	return BE64(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline uint32_t be32_read_once(const uint32_t *p)
{
	return BE32(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline void be16_store_release(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, BE16(v), __ATOMIC_RELEASE);
}

static inline void be16_write_once(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, BE16(v), __ATOMIC_RELAXED);
}

#undef LE32
#define LE32(x)		   BE32(x)
#define le16_load_acquire  be16_load_acquire
#define le16_read_once	   be16_read_once
#define le32_read_once	   be32_read_once
#define le64_read_once	   be64_read_once
#define le16_store_release be16_store_release
#define le16_write_once	   be16_write_once

/* What is not static in there. */
#define split_desc_bytes   split_big_desc_bytes
#define split_driver_bytes split_big_driver_bytes
#define split_device_bytes split_big_device_bytes
#define split_bad_index	   split_big_bad_index
#define split_base	   split_big_base
#define split_begin	   split_big_begin
#define split_take	   split_big_take
#define split_take_head	   split_big_take_head

#include "ring/split_big.h"
#include "ring/split.c"

int split_big_refresh(struct ring *r)
{
	return split_refresh(r);
}

void split_big_push(struct ring *r, const struct req *req, uint32_t written)
{
	split_push(r, req, written);
}

void split_big_publish(struct ring *r)
{
	split_publish(r);
}

bool split_big_wants_signal(struct ring *r, uint32_t from)
{
	return split_wants_signal(r, from);
}

bool split_big_arm(struct ring *r)
{
	return split_arm(r);
}

void split_big_disarm(struct ring *r)
{
	split_disarm(r);
}
