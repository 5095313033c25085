/* SPDX-License-Identifier: MIT */
/*
 * Whether to collect what the guest sends for a little while, rather than to be woken for each
 * packet.
 *
 * A guest that sends little at a time kicks for each packet once this side sleeps in wait for one,
 * and to wake a processor costs guest, device and the host's program more than the packet.  A nap
 * with notifications off, and all of them are taken together.  That delays them, so it is done only
 * in a stream with nothing on its way back, and as long as naps find something.  Device thread.
 */
#ifndef VSOCK_COALESCE_H
#define VSOCK_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	COALESCE_SMALL = 32 << 10, /* bytes; a few of larger ones use the credit up */
	COALESCE_MANY = 64 << 10,  /* bytes in a nap: the next is half as long */
	COALESCE_STREAK = 8,
	COALESCE_STREAK_MAX = 1024,
	COALESCE_WORTH = 2,  /* packets; a nap for fewer is in vain */
	COALESCE_MISSES = 8, /* naps in vain, one after the other */
	COALESCE_NAPS = 8,   /* then other descriptors are looked at */
	COALESCE_US_MAX = 10000,
};

struct coalesce {
	uint64_t ns;	 /* how long; 0: never */
	uint64_t bytes;	 /* since the last nap began */
	uint32_t streak; /* packets in a row, with nothing for the guest between them */
	uint32_t needed; /* so many of them are a stream; more where naps are in vain */
	uint32_t misses;
	bool is_precise;
	bool full; /* the host's end takes no more for now, and the guest will wait for that */
};

void coalesce_init(struct coalesce *co, uint64_t us);

/* The guest sent data. */
static inline void coalesce_sent(struct coalesce *co, uint32_t len, bool full)
{
	co->bytes += len;
	co->full = full;
	co->streak = len <= COALESCE_SMALL ? co->streak + 1 : 0;
}

/* It is given some. */
static inline void coalesce_answered(struct coalesce *co)
{
	co->streak = 0;
}

static inline bool coalesce_pays(const struct coalesce *co)
{
	return co->ns && !co->full && co->streak >= co->needed;
}

void coalesce_nap(struct coalesce *co);
/* After a nap: so many packets. */
void coalesce_found(struct coalesce *co, uint32_t packets);

#endif
