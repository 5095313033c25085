/* SPDX-License-Identifier: MIT */
/*
 * The in-flight log (vhost-user "Inflight I/O tracking"): one queue's part of a region that
 * outlives this process, so that its successor can run again what was taken and not yet used.
 *
 * The region is shared with the front-end: it is checked whole when a ring starts with it, and each
 * value is read once.  Later it is only written; what has to be known again is kept in private
 * memory.  Queue thread.
 */
#ifndef RING_INFLIGHT_H
#define RING_INFLIGHT_H

#include <errno.h>

#include "ring/packed.h"
#include "ring/ring.h"

/* Bytes of one queue's part; a multiple of 64, as other back-ends have it. */
uint64_t inflight_bytes(bool packed, uint32_t entries);

/*
 * A ring that is started with config keeps its log in a part of the region, which has n_parts of
 * entries each.  NULL; or what rings that is too short for: config is left as it is.
 */
const char *inflight_use(struct ring_config *config, struct region *region, uint16_t n_parts,
			 uint16_t entries, uint32_t index);

/*
 * Use config.log: check it, bring it up to date with the ring, set the ring's positions, and list
 * what is to be run again.  An empty region is initialised.  -EINVAL with *why; -ENOMEM.  A used
 * index that the log does not know of breaks the ring: the guest can write that one.
 */
int inflight_open(struct ring *ring, const char **why);
void inflight_close(struct ring *ring);
/*
 * Nothing is in flight any more and nobody has to know what was: make it what it was when it was
 * new, so that the next ring may be of another layout and another driver.
 */
void inflight_clear(struct ring *ring);

/* Requests that are to be run again and have not been handed out. */
uint32_t inflight_waiting(const struct ring *ring);
/* Hand out the oldest of them, as ring_take() does. */
int inflight_take(struct ring *ring, struct vu_req **reqs, uint32_t max);

/*
 * The life of a request.  Nothing may be taken between a push and its publishing: the packed log
 * would use the entries of the pushed ones again.
 */
void inflight_taken(struct ring *ring, struct req *req);
void inflight_pushed(struct ring *ring, const struct req *req);
void inflight_published(struct ring *ring);
void inflight_put_back(struct ring *ring, const struct req *req);

/* What the two layouts' halves share (inflight.c, inflight_split.c, inflight_packed.c). */
struct inflight {
	void *base;	  /* this queue's part of the region */
	uint32_t entries; /* that the region has; at least the ring's size */
	uint64_t counter; /* the next request's place in the order */
	bool is_resumed;  /* it was in use before this ring started */
	bool is_kept;	  /* a request was left in it */
	uint16_t *batch;  /* entries pushed since the last publishing */
	uint32_t n_batch;
	uint16_t *again; /* entries to be run again, oldest first */
	uint32_t n_again, at_again;
	/* Packed. */
	uint16_t *next; /* of the free list, or within a chain */
	bool *taken;	/* while it is opened: entries that belong to chains */
	uint16_t *num;	/* entries of a chain to be run again, by its first */
	uint16_t free_head;
	struct packed_pos old_used; /* where the used position was after the last publishing */
	struct packed_desc *noted;  /* the chain being walked */
};

/* Is this request one of those that were run again, and the newest taken? */
bool inflight_is_newest_again(const struct ring *ring, const struct req *req);

/* One more to be run again; for the layouts' open.  Sorted by counter afterwards. */
struct inflight_found {
	uint64_t counter;
	uint16_t entry;
};

/* What both layouts begin with; version 0: not in use yet. */
struct inflight_header {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
};

enum { INFLIGHT_VERSION = 1 };

/*
 * Accesses to the region.  Another process reads it after we died: the compiler must keep the
 * order of the writes.  And others may write it now: what is checked has to be read once.
 */
static inline void log_set8(uint8_t *p, uint8_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void log_set16(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void log_set32(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void log_set64(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline uint8_t log_get8(const uint8_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint16_t log_get16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t log_get32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint64_t log_get64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Always -EINVAL. */
static inline int log_refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

int inflight_split_open(struct ring *ring, struct inflight_found *found, uint32_t *n,
			const char **why);
int inflight_split_walk(struct ring *ring, uint16_t entry, struct req **req);
void inflight_split_taken(struct ring *ring, struct req *req);
void inflight_split_pushed(struct ring *ring, const struct req *req);
void inflight_split_published(struct ring *ring);
void inflight_split_put_back(struct ring *ring, const struct req *req);

int inflight_packed_open(struct ring *ring, struct inflight_found *found, uint32_t *n,
			 const char **why);
int inflight_packed_walk(struct ring *ring, uint16_t entry, struct req **req);
void inflight_packed_taken(struct ring *ring, struct req *req);
void inflight_packed_pushed(struct ring *ring, const struct req *req);
void inflight_packed_published(struct ring *ring);
void inflight_packed_put_back(struct ring *ring, const struct req *req);

#endif
