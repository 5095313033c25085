/* SPDX-License-Identifier: MIT */
/*
 * A table of things that the guest names by number: inodes, open files.
 *
 * A number has a generation in its upper half, so one that was given back names nothing any more.
 * A thing stays while the guest has references, or while somebody works with it (a pin).  All of it
 * may be called on any thread, but for slots_restore() and slots_restored().
 */
#ifndef FS_SLOTS_H
#define FS_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SLOTS_PAGE = 1024, SLOTS_PAGES = 16384 };

/* First member of what a table holds. */
struct slot {
	_Atomic uint64_t count; /* references, pins, and a bit: fs_slots.c */
	_Atomic uint32_t gen;
	uint32_t index;
	uint32_t next_free;
};

struct slots {
	size_t item_size;
	pthread_mutex_t lock; /* giving out and taking back */
	uint32_t n;	      /* the next index that was never given out */
	uint32_t free;	      /* first of those that came back; 0: none */
	uint32_t first_gen;   /* of indices that were never given out */
	_Atomic uint32_t end; /* no index from here on was given out */
	_Atomic(unsigned char *) pages[SLOTS_PAGES];
};

int slots_init(struct slots *slots, size_t item_size);
void slots_fini(struct slots *slots);

/* A new item, its bytes behind struct slot zeroed; nobody finds it yet.  NULL: no memory. */
void *slots_new(struct slots *slots);
/* Give it away, with so many references and one pin, the caller's. */
void slots_publish(struct slot *slot, uint64_t refs);
/* Take back one with neither, or one that was never published. */
void slots_free(struct slots *slots, struct slot *slot);
uint64_t slots_id(const struct slot *slot);

/* The item of a number that has references, pinned; NULL: there is none. */
void *slots_get(struct slots *slots, uint64_t id);
/* The item at an index below end, whatever it is; NULL: never used.  For walks. */
void *slots_at(struct slots *slots, uint32_t index);
/* A new item with a number of before.  -EEXIST: it is in use; -EINVAL: there can be none; -ENOMEM.
 */
int slots_restore(struct slots *slots, uint64_t id, void *item);
/* All are restored: new ones may be made again, of this generation or a later one. */
void slots_restored(struct slots *slots, uint32_t first_gen);
/* Pin, and add references, whatever it has; for who holds the lock that keeps it from being freed.
 */
void slots_hold(struct slot *slot, uint64_t refs);
/* Pin if it has references. */
bool slots_pin(struct slot *slot);
/* Take references away, at most what is there, from one that is pinned; how many it were. */
uint64_t slots_drop(struct slot *slot, uint64_t refs);
/* End a pin.  True: it has neither references nor pins now. */
bool slots_put(struct slot *slot);
bool slots_unused(const struct slot *slot);
uint64_t slots_refs(const struct slot *slot);
/* If nobody works with it: keep everybody from beginning to, until slots_open(). */
bool slots_close(struct slot *slot);
void slots_open(struct slot *slot);

#endif
