/* SPDX-License-Identifier: MIT */
/*
 * A ring, watched from outside: what the driver made available and what the device used since the
 * last look.  It only looks: a ring that moves faster than we look loses entries, which are
 * counted.
 */
#ifndef TRACE_VRING_H
#define TRACE_VRING_H

#include "seen.h"

enum {
	VRING_MOST = 32768,
	VRING_SEEN = 8192, /* requests that are kept in mind; of others only their end is seen */
	VRING_BUDGET =
		64
		<< 10, /* descriptors that one look reads: whoever makes loops does not stop us */
};

struct vring;

/* What comes out of a look. */
struct vring_user {
	/* A request was completed, with what the device says it wrote; seen goes afterwards. */
	void (*used)(void *opaque, struct seen *seen, uint32_t len);
	/* Something is wrong with the ring itself; by "guest", "back-end" or NULL. */
	void (*note)(void *opaque, const char *by, const char *text);
	void *opaque;
};

struct vring {
	bool packed;
	uint32_t num;
	uint64_t desc, used, avail; /* as in SET_VRING_ADDR */
	/* split */
	uint16_t next_avail, next_used;
	/* packed: places and their wrap counters */
	uint32_t avail_at, used_at;
	bool avail_wrap, used_wrap;
	/* by id, num of them; NULL: not available now */
	struct seen **seen;
	uint32_t n_seen;
	uint64_t lost;	 /* entries that were gone before they were looked at */
	uint32_t budget; /* of this look */
	bool stuck;	 /* its areas cannot be read: said once */
	const struct memory *memory;
	struct vring_user user;
};

/* base as in SET_VRING_BASE.  NULL: no memory, or no such ring. */
struct vring *vring_new(const struct memory *memory, const struct vring_user *user, bool packed,
			uint32_t num, const struct wire_vring_addr *addr, uint32_t base);
void vring_free(struct vring *v);
/* True: something was new. */
bool vring_look(struct vring *v);
/* When the oldest request that is not completed was seen; 0: there is none. */
uint64_t vring_oldest(const struct vring *v);

/* For the layouts. */
/* A request that is available; seen is copied. */
void vring_available(struct vring *v, uint32_t id, const struct seen *seen);
void vring_completed(struct vring *v, uint32_t id, uint32_t len);
void vring_stuck(struct vring *v);

bool vring_split_look(struct vring *v);
void vring_packed_begin(struct vring *v, uint32_t base);
bool vring_packed_look(struct vring *v);

#endif
