/* SPDX-License-Identifier: MIT */
/*
 * One request as it was seen on a ring: how long its segments are, where the parts that are looked
 * at are, and the first bytes that the device reads.  Guest memory is hostile: descriptors are read
 * once, and all is bounded.
 */
#ifndef TRACE_SEEN_H
#define TRACE_SEEN_H

#include "memory.h"

enum {
	SEEN_HEAD = 256,   /* bytes that the device reads */
	SEEN_WRITTEN = 64, /* first bytes that it writes */
	SEEN_TAIL = 16,	   /* last bytes of the room that it writes to */
	SEEN_PIECES = 8,
};

/* The same on both layouts, as far as it is needed (virtio 1.3 §2.7.5, §2.8.13). */
struct seen_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t first, second; /* split: flags and next; packed: id and flags */
};

enum { SEEN_NEXT = 1, SEEN_WRITE = 2, SEEN_INDIRECT = 4 };

struct seen_pieces {
	uint32_t n;
	struct {
		uint64_t addr;
		uint32_t len;
	} piece[SEEN_PIECES];
	uint32_t len;
};

struct seen {
	uint64_t at;	  /* when; meaningless if late */
	bool late;	  /* it was used already when it was seen */
	bool unknown;	  /* only that it was used is known */
	const char *flaw; /* what is wrong with its chain, or NULL */
	uint32_t n_descs; /* packed: places in the ring */
	uint32_t segments;
	uint64_t out, in; /* bytes that the device reads; room that it may write to */
	struct seen_pieces head, written, tail;
	/* An indirect table that could not be read yet; len 0: none. */
	struct {
		uint64_t addr;
		uint32_t len;
		bool packed;
	} table;
	uint32_t n_head; /* bytes of it that were read when it was seen */
	unsigned char bytes[SEEN_HEAD];
};

/* A buffer of the chain. */
void seen_add(struct seen *s, uint64_t addr, uint32_t len, bool write);
/* An indirect table; packed ones have no next.  budget: how many descriptors may be read. */
void seen_add_table(struct seen *s, const struct memory *m, uint64_t addr, uint32_t len,
		    bool packed, uint32_t *budget);
/* Behind an IOMMU translations come when the device asks for them: once more, then. */
void seen_read_table(struct seen *s, const struct memory *m, uint32_t *budget);
/* The chain is complete: look at its first bytes.  Once more if that failed. */
void seen_read(struct seen *s, const struct memory *m);
/* What is in pieces, up to len bytes: how many. */
size_t seen_pieces_read(const struct seen_pieces *p, const struct memory *m, void *to, size_t len);

#endif
