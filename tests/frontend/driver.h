/* SPDX-License-Identifier: MIT */
/*
 * The driver side of a virtqueue in guest memory: one contract, a layout behind it.
 *
 * Owns: the ring's place in guest memory, the bookkeeping of free descriptors, and both ends of
 * the kick, call and err notifiers.  Knows no messages: ring tests use it without a protocol.
 * The layout's raw memory is open to hostile tests (driver_split_*(), driver_packed_*() below).
 *
 * A chain becomes visible to the device only by driver_publish(); so a batch is several
 * driver_add() and one driver_publish().
 *
 * Functions return 0 (or a documented positive value) or -errno: -ENOSPC with too few free
 * descriptors, -EPROTO for a used entry that names no chain of ours.
 */
#ifndef FRONTEND_DRIVER_H
#define FRONTEND_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/guest.h"

/* A buffer of a chain. */
struct driver_seg {
	uint64_t gpa;
	uint32_t len;
	bool write; /* device writes */
};

/* A chain the device is done with. */
struct driver_used {
	uint32_t id;  /* what driver_add() returned */
	uint32_t len; /* bytes the device says it wrote */
	void *cookie;
};

/* What kick, call and err fds are. */
enum driver_notifier {
	DRIVER_EVENTFD,
	DRIVER_SOCKET,	 /* kick is an eventfd, call a stream socketpair: User-mode Linux */
	DRIVER_NO_KICKS, /* none at all: in-band notifications, or polling */
};

struct driver_config {
	struct guest *guest;
	uint32_t index; /* of the queue, for messages */
	uint32_t size;	/* entries, up to 32768; split: a power of two */
	bool packed;
	bool event_idx;
	uint32_t max_indirect; /* longest chain driver_add_indirect() takes; 0: none */
	enum driver_notifier notifier;
};

/* A notifier: the driver's end and the one for the device (the same for an eventfd). */
struct driver_fds {
	int driver;
	int device;
};

struct driver_slot {
	void *cookie;
	uint32_t next; /* in the chain or on the free list */
	uint32_t n;    /* descriptors of the chain that starts here; 0: none does */
};

struct driver_split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

enum { DRIVER_DESC_NEXT = 1, DRIVER_DESC_WRITE = 2, DRIVER_DESC_INDIRECT = 4 };
enum { DRIVER_AVAIL_NO_INTERRUPT = 1, DRIVER_USED_NO_NOTIFY = 1 };

struct driver_split_used_elem {
	uint32_t id;
	uint32_t len;
};

/* Memory of a split ring; all fields little-endian.  used_event and avail_event follow. */
struct driver_split_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

struct driver_split_used {
	uint16_t flags;
	uint16_t idx;
	struct driver_split_used_elem ring[];
};

struct driver_split {
	struct driver_split_desc *desc;
	struct driver_split_avail *avail;
	struct driver_split_used *used;
	uint16_t avail_idx; /* next to be filled */
	uint16_t kicked;    /* avail index at the last decision to kick */
	uint16_t last_used;
};

struct driver_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

/* Flags of a packed descriptor besides DRIVER_DESC_*. */
enum { DRIVER_PACKED_AVAIL = 1 << 7, DRIVER_PACKED_USED = 1 << 15 };
enum { DRIVER_EVENT_ENABLE, DRIVER_EVENT_DISABLE, DRIVER_EVENT_DESC };

/* An event suppression area; little-endian. */
struct driver_packed_event {
	uint16_t off_wrap;
	uint16_t flags;
};

struct driver_packed_pos {
	uint32_t slot;
	bool wrap;
};

struct driver_packed {
	struct driver_packed_desc *desc;
	struct driver_packed_event *driver, *device;
	struct driver_packed_pos at;	  /* next to be filled */
	struct driver_packed_pos used;	  /* next that the device will use */
	struct driver_packed_desc *batch; /* first that is not published, or NULL */
	uint16_t batch_flags;		  /* its flags, little-endian */
	/* Descriptors, free-running; kicked: published at the last decision to kick. */
	uint32_t added, published, kicked;
};

struct driver_ring {
	const struct driver_layout *layout;
	struct guest *guest;
	uint32_t index;
	uint32_t size;
	uint32_t mask;
	uint32_t max_indirect;
	bool event_idx;
	bool interrupts; /* the driver wants to be called */
	/* SET_VRING_ADDR's desc, avail and used; packed: ring, driver and device event area. */
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint64_t iova_offset; /* added to every address that the device is given */
	uint32_t base;	      /* what to start from: SET_VRING_BASE */
	uint32_t free_head;
	uint32_t n_free;
	struct driver_slot *slots;
	struct driver_split_desc *tables; /* max_indirect entries for each slot */
	uint64_t tables_gpa;
	struct driver_fds kick, call, err;
	struct driver_split split;
	struct driver_packed packed;
};

/* The contract that a layout implements; driver_split.c and driver_packed.c, in this order. */
struct driver_layout {
	int (*init)(struct driver_ring *r);
	void (*reset)(struct driver_ring *r);
	int (*add)(struct driver_ring *r, const struct driver_seg *segs, uint32_t n, void *cookie);
	int (*add_table)(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
			 uint64_t table, uint32_t table_bytes, void *cookie);
	void (*write_table)(const struct driver_ring *r, struct driver_split_desc *table,
			    const struct driver_seg *segs, uint32_t n);
	void (*publish)(struct driver_ring *r);
	bool (*wants_kick)(struct driver_ring *r);
	int (*collect)(struct driver_ring *r, struct driver_used *used, uint32_t max);
	bool (*has_used)(struct driver_ring *r);
	bool (*set_interrupts)(struct driver_ring *r, bool on);
	void (*recover_base)(struct driver_ring *r);
	void (*set_base)(struct driver_ring *r, uint32_t base);
	uint32_t (*base_after)(const struct driver_ring *r, uint32_t chains, uint32_t n);
	void (*call_after)(struct driver_ring *r, uint32_t chains, uint32_t n);
};

extern const struct driver_layout driver_layout_split;
extern const struct driver_layout driver_layout_packed;

int driver_new(const struct driver_config *config, struct driver_ring **ring);
void driver_free(struct driver_ring *ring);
/* As new: ring memory zeroed, chains forgotten, the first base, notifiers emptied. */
void driver_reset(struct driver_ring *ring);

/* A chain of n descriptors; its id. */
static inline int driver_add(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
			     void *cookie)
{
	return r->layout->add(r, segs, n, cookie);
}

/* A chain of one descriptor that points to a table of n, at most max_indirect; its id. */
int driver_add_indirect(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
			void *cookie);

/* n direct descriptors (packed: that must be 0) and then one that points to a table the caller
 * wrote. */
static inline int driver_add_table(struct driver_ring *r, const struct driver_seg *segs, uint32_t n,
				   uint64_t table, uint32_t table_bytes, void *cookie)
{
	return r->layout->add_table(r, segs, n, table, table_bytes, cookie);
}

/* An indirect table of n segments, 16 bytes each, at any guest address. */
int driver_write_table(struct driver_ring *r, uint64_t gpa, const struct driver_seg *segs,
		       uint32_t n);

/* Make what was added since the last time visible to the device. */
static inline void driver_publish(struct driver_ring *r)
{
	r->layout->publish(r);
}

/* Does the device want a kick for what was published since the last call of this? */
static inline bool driver_wants_kick(struct driver_ring *r)
{
	return r->layout->wants_kick(r);
}

/* Signal the kick fd, wanted or not.  0, or -errno of write. */
int driver_kick_always(struct driver_ring *r);
/* Publish, and kick if the device wants it: 1 if it was kicked, 0 if not. */
int driver_kick(struct driver_ring *r);

/* Up to max chains the device is done with: how many, 0 for none. */
static inline int driver_collect(struct driver_ring *r, struct driver_used *used, uint32_t max)
{
	return r->layout->collect(r, used, max);
}

static inline bool driver_has_used(struct driver_ring *r)
{
	return r->layout->has_used(r);
}

/* Ask for calls, or not; true: used chains are waiting already, no call may come for them. */
static inline bool driver_set_interrupts(struct driver_ring *r, bool on)
{
	return r->layout->set_interrupts(r, on);
}

/* How often the device called since last asked (a socket counts bytes); 0: not at all. */
uint64_t driver_take_calls(struct driver_ring *r);
uint64_t driver_take_errs(struct driver_ring *r);

/* After a crash of the device: base becomes what the ring itself says was used. */
static inline void driver_recover_base(struct driver_ring *r)
{
	r->layout->recover_base(r);
}

/* As if all up to there had come and gone: an empty ring that both sides begin at base. */
static inline void driver_set_base(struct driver_ring *r, uint32_t base)
{
	r->layout->set_base(r, base);
}

/* The base of a new ring in which so many chains of n descriptors have come and gone. */
static inline uint32_t driver_base_after(const struct driver_ring *r, uint32_t chains, uint32_t n)
{
	return r->layout->base_after(r, chains, n);
}

/* With event_idx: ask for a call at the chain behind so many chains of n descriptors from now. */
static inline void driver_call_after(struct driver_ring *r, uint32_t chains, uint32_t n)
{
	r->layout->call_after(r, chains, n);
}

/* Where the little-endian event fields of a split ring are. */
uint16_t *driver_split_used_event(struct driver_ring *r);
uint16_t *driver_split_avail_event(struct driver_ring *r);

/* A chain's head put into the avail ring without any check or bookkeeping. */
void driver_split_offer(struct driver_ring *r, uint16_t head);
/* One descriptor, in this machine's byte order. */
void driver_split_write_desc(struct driver_ring *r, uint32_t i, uint64_t addr, uint32_t len,
			     uint16_t flags, uint16_t next);

/* One descriptor, made available with the others but without any check or bookkeeping. */
void driver_packed_offer(struct driver_ring *r, uint64_t addr, uint32_t len, uint16_t id,
			 uint16_t flags);

#endif
