/* SPDX-License-Identifier: MIT */
/*
 * A started virtqueue: takes requests from it, completes them.  Created by a start, used by the
 * queue's thread only, until it is stopped and its last request is completed.
 *
 * hot.h has the other half of the contract, what is done for every request or batch; ring.c is
 * what does not depend on the layout, split.h one layout.
 *
 * The driver is hostile: every value is read from shared memory once, then checked, then used.  A
 * violation breaks the ring: it hands out nothing more, and `why` says what was wrong.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <libvu/queue.h>

#include "mem/space.h"
#include "mem/table.h"
#include "ring/arena.h"
#include "ring/marks.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum {
	RING_MAX_SIZE = 32768, /* virtio 1.3 §2.7 */
	RING_INLINE_SEGS = 5,  /* segments kept in the request itself */
	RING_LONG_SEGS = 4096, /* so many more than max_segs are walked, then it is a loop */
};

/* A ring's areas (virtio 1.3 §2.6): descriptors, driver's, device's. */
enum ring_area { RING_DESC, RING_DRIVER, RING_DEVICE, RING_AREAS };

/* What a ring goes on with, and its owner is told once. */
enum ring_warning { RING_WARN_LONG = 1, RING_WARN_INDIRECT = 2 };

/* All a ring needs to know to start: plain values, checked by ring_new(). */
struct ring_config {
	uint32_t size;
	uint32_t max_size; /* 0: RING_MAX_SIZE */
	bool packed;
	bool big_endian; /* a legacy driver's, split */
	bool event_idx;
	bool indirect;
	bool indirect_offered; /* ... though maybe not accepted */
	bool in_order;
	enum table_space space;	       /* what the three addresses are */
	bool is_translated;	       /* all addresses are an IOMMU's, which */
	const struct iotlb *iotlb;     /* ... translates them; see ring_set_translations() */
	uint64_t desc, driver, device; /* virtio 1.3 §2.6: the three areas */
	struct mappings *mappings;     /* where areas in several pieces are mapped once more */
	uint32_t base;		       /* SET_VRING_BASE */
	uint32_t max_segs;
	uint32_t priv_size;
	void *log;		   /* this queue's part of the in-flight log; NULL: none */
	struct region *log_region; /* ... which is in there */
	uint64_t log_bytes;	   /* ... and is that long */
	uint32_t log_entries;
	bool suspend;		 /* ring_suspend() may be used */
	bool debug;		 /* the owner's: requests are to be checked when they end */
	void *queue;		 /* the owner */
	const char *device_name; /* the owner's and its number, for probes */
	uint32_t index;
	/* The driver gives `what`; may be NULL.  Queue thread, within a take. */
	void (*warn)(void *queue, const char *what);
	/* These written bytes are past the dirty log's end.  May be NULL.  Queue thread. */
	void (*unmarked)(void *queue, uint64_t addr, uint64_t len);
	/*
	 * An address that is not translated yet: to be asked for, and ring_set_translations() or
	 * ring_refuse() tells.  May be NULL.  Queue thread.
	 */
	void (*miss)(void *queue, uint64_t addr, enum space_access access);
};

struct ring;

/* Which of the data path's short ways there is; the slow one does for all. */
enum ring_way {
	RING_SLOW, /* not live, or something is out of the ordinary */
	RING_SPLIT,
	RING_PACKED,
};

enum req_state {
	REQ_NEW, /* zero bytes: pool_begin() makes a request of them */
	REQ_FREE,
	REQ_OUT,  /* the device has it */
	REQ_HELD, /* completed, but an older one is not, and the order matters */
};

/* Why ring_drop_odd() is needed. */
enum req_odd {
	REQ_ODD = 1,	  /* a block of segments, an older table, flags */
	REQ_PROGRESS = 2, /* written is its progress */
};

/*
 * A request and what the library keeps with it; pub is first: the two convert by a cast.  Three
 * cache lines, of which usual requests need as much as they have segments: so the rest is behind.
 */
struct req {
	struct vu_req pub;
	struct ring *ring;
	struct table *table; /* the memory its segments point into, or will */
	uint32_t pos;	     /* next_pos when it was taken */
	uint16_t id;	     /* what the used entry will name: the chain's head, or the buffer id */
	uint16_t slots;	     /* entries of the ring that it takes: 1, packed: its descriptors */
	uint8_t state;	     /* enum req_state */
	uint8_t odd;	     /* enum req_odd: letting go of it takes more than its state */
	uint8_t block;	     /* 0: segments are inline, else 1 + arena class */
	bool is_remote;	     /* atomic: it is on its way back from another thread */
	uint16_t log_entry;  /* in-flight log: where its chain begins */
	uint16_t log_last;   /* ... and ends */
	struct iovec segs[RING_INLINE_SEGS];
	struct req *remote_next; /* completed by another thread */
	uint64_t written;	 /* is_remote, REQ_HELD, or REQ_PROGRESS */
	uint32_t again_at;	 /* 1 + its place among what is run again; 0: it is new */
	uint32_t begun_before;	 /* 1 + the place of the one begun before it; 0: there is none */
				 /* followed by priv_size bytes */
};

/* A place in a packed ring: slot and wrap counter, as flags are compared with it and made of it. */
struct packed_pos {
	uint32_t slot;
	uint32_t lap; /* packed_lap(): the flags of a slot that is used on this lap */
};

/*
 * The region where the last segment was found, in the form that makes the next look-up cheap: an
 * address is in there if end - address is at most size, and shift takes it to the host's.
 */
struct ring_window {
	uint64_t end;
	uint64_t size; /* 0: nothing is in there */
	uint64_t shift;
};

/* A table that was replaced while requests pointed into it. */
struct ring_old_table {
	struct ring_old_table *next;
	struct table *table;
	uint32_t users;
};

/* The progress of a request that was put back. */
struct ring_kept {
	uint64_t progress;
	uint16_t id;
};

struct ring {
	/* Areas, resolved when the table was set (virtio 1.3 §2.6). */
	void *desc;
	uint16_t *driver;
	uint16_t *device;
	const uint16_t *used_event; /* split: in the driver's; NULL without EVENT_IDX */
	uint32_t size;
	uint32_t mask; /* split: size - 1 */

	/*
	 * Positions; free-running.  Ours are wider than the driver's, so that an old request's and
	 * an old decision's are told from today's a lap later.
	 */
	uint16_t avail_idx;  /* split: as last read from the driver */
	uint32_t next_pos;   /* next entry to take */
	uint32_t used_pos;   /* next entry to publish */
	uint32_t signal_pos; /* used_pos at the last signal decision */

	uint32_t taken; /* handed out since the start, without those put back; free-running */
	uint32_t done;	/* ... and let go of again */
	uint8_t way;	/* enum ring_way */
	struct ring_window window;
	unsigned char *reqs; /* size of them, req_size apart; split: by head */
	uint32_t req_size;
	uint32_t begun;	     /* 1 + the place of the request begun last; 0: none is */
	uint32_t inline_end; /* where a request's own segments end, from its start; bytes */
	struct table *table; /* requests refer to it */
	struct table
		*areas_table; /* the areas are in this one: an older one while they are sought */
	struct mirror *mirrors[RING_AREAS]; /* NULL: its place in guest memory is in one piece */
	struct space space;		    /* ... and this finds their buffers in it */
	bool has_extras;		    /* ring_took() for each request */
	bool packed;
	bool big_endian;
	bool event_idx;
	bool indirect;
	bool signal_valid;  /* signal_pos means something */
	bool is_live;	    /* neither broken nor dead: shared memory may be written */
	bool dead;	    /* its session is gone: completions touch nothing shared */
	bool blameless;	    /* why is nothing that the driver wrote into the ring */
	bool watched;	    /* the owner wants to know when outstanding becomes 0 */
	bool starved;	    /* waited for a block of segments */
	bool unstarved;	    /* ... and one came free */
	bool waits;	    /* for memory: an address is not known yet, and was asked for */
	bool seeks_areas;   /* ... of its areas: nothing is taken from them */
	uint8_t warned;	    /* enum ring_warning */
	struct marks marks; /* in the dirty log */
	uint32_t long_left; /* segments that a chain that is too long may still have */
	const char *why;    /* not NULL: broken */

	/* Packed. */
	struct packed_pos avail; /* where next_pos is */
	struct packed_pos used;	 /* where used_pos is */
	struct packed_pos seen;	 /* where seen_pos is: the first slot not known to be available */
	uint32_t seen_pos;
	uint32_t outstanding_slots;
	bool is_batch;	      /* used descriptors wait for packed_publish(): */
	uint16_t batch_flags; /* ... the first one's flags */
	uint32_t batch_slot;
	struct req *unused; /* requests that are free, as far as they are begun: pool_take() */

	uint32_t max_segs;
	struct ring_old_table *old_tables;
	struct arena arena;
	void *scratch;	      /* an indirect table that crosses regions is copied here */
	struct inflight *log; /* in-flight log, or NULL */
	bool has_again;	      /* there is something to be run again */
	bool is_again;	      /* ... and it is being taken */
	uint32_t log_start_pos;
	struct ring_kept *kept; /* room for size of them; the last one is taken again first */
	uint32_t n_kept;
	struct req **order; /* IN_ORDER: what was taken and not yet used, oldest first */
	uint32_t order_first, order_n;
	bool order_is_cut; /* what is not in there any more will not be used */
	struct ring_config config;
	uint64_t missed;		 /* what it waits for */
	enum space_access missed_access; /* ... to do there */
	char flaw[100];			 /* what why may point to */
	struct ring *next;		 /* for the owner's list of rings whose session is gone */
};

/*
 * Start.  It has references of its own to the table and to the log's region.  What the driver may
 * have chosen wrong (size, position, areas) makes a ring that is broken already: it has stopped
 * before anything was taken from it.  Areas that are not translated yet make one that seeks them,
 * and begins when it has them.  Error, with *why: -EINVAL for a limit or an in-flight log that
 * cannot be, -EFAULT for a table without any memory, -ENOMEM.
 */
int ring_new(const struct ring_config *config, struct table *table, struct ring **ring,
	     const char **why);
void ring_free(struct ring *ring);

/*
 * Pick the data path: the short way of its layout, unless something is out of the ordinary.  The
 * one place that does; after whatever it depends on has changed, also of a ring that runs.
 */
void ring_choose_way(struct ring *ring);

/* Use other memory from now on.  -EIO: its areas are gone, or there is no memory, and it is broken.
 */
int ring_set_table(struct ring *ring, struct table *table);

/*
 * Use other translations from now on, which stay the caller's.  If they lack its areas it takes
 * nothing until they have them: see ring_seeks_areas().  -EIO: it is broken.
 */
int ring_set_translations(struct ring *ring, const struct iotlb *iotlb);
/* What it waits for is not to be had: it is broken.  Nothing happens if it does not wait. */
void ring_refuse(struct ring *ring);
/*
 * Its areas are not known, or not any more.  What is outstanding is completed where they were
 * last: a driver that has not got its buffers back has not taken the ring away either.
 */
static inline bool ring_seeks_areas(const struct ring *ring)
{
	return ring->seeks_areas;
}

/* What was asked for may be known now: false if nothing waited for it. */
bool ring_memory_came(struct ring *ring);
/* For who walks: this is not known. */
void ring_miss(struct ring *ring, uint64_t addr, enum space_access access);

/*
 * It has stopped: nothing is outstanding, and ring_base() says where it goes on.  Its in-flight log
 * is given back empty, as far as nothing has to stay in there.
 */
void ring_stop(struct ring *ring);
/* Its session is gone: touch nothing shared any more. */
void ring_kill(struct ring *ring);
/* The owner wants to know when outstanding becomes 0. */
void ring_watch(struct ring *ring);
/* 0, or -EINVAL if it is not the newest. */
int ring_put_back(struct ring *ring, struct req *req);
/*
 * Leave an outstanding request in the in-flight log and have done with it; nothing more may be
 * taken. -ENOTSUP: not with this ring.
 */
int ring_suspend(struct ring *ring, struct req *req);
/* progress.c.  Of an outstanding request; 0, -ENOMEM. */
int ring_set_progress(struct ring *ring, struct req *req, uint64_t progress);
uint64_t ring_progress(const struct req *req);
/*
 * A back-end that crashed may have published requests and not told the driver: the next signal
 * decision is to be yes.  Nothing happens without a log that it left.
 */
void ring_signal_again(struct ring *ring);
/* ... whatever there is: it is not known since when the driver has been waiting. */
void ring_signal_surely(struct ring *ring);
/*
 * Whoever was told may not have passed it on to the driver: the next decision is about all that the
 * driver may still wait for, a whole round.  The one before the first is a yes in any case.
 */
void ring_decide_again(struct ring *ring);
/* Takes nothing, and takes no news away from ring_look() and ring_arm(). */
bool ring_is_available(struct ring *ring);
/* Requests of a crashed back-end that were not handed out yet. */
uint32_t ring_waiting_again(const struct ring *ring);
/* GET_VRING_BASE's answer. */
uint32_t ring_base(const struct ring *ring);

/* Requests that the device has, or that are held for their turn. */
static inline uint32_t ring_outstanding(const struct ring *ring)
{
	return ring->taken - ring->done;
}

/* For the layouts. */
static inline struct req *ring_req(const struct ring *ring, uint32_t id)
{
	return (struct req *)(void *)(ring->reqs + (size_t)id * ring->req_size);
}

/* pool.c: room for the requests.  -ENOMEM. */
int pool_new(struct ring *ring);
void pool_free(struct ring *ring);
/* A request at a place that was not used yet. */
struct req *pool_begin(struct ring *ring, uint32_t at);

/*
 * A packed ring's chain may have any request.  Those that are free are a list, the one used last
 * first; a free one's first segment is the link.  There is one for each chain: each that is
 * outstanding has at least one slot.
 */
static inline struct req *pool_take(struct ring *ring)
{
	struct req *req = ring->unused;

	if (unlikely(!req))
		return pool_begin(ring, ring->begun);
	ring->unused = (struct req *)req->segs[0].iov_base;
	return req;
}

static inline void pool_put(struct ring *ring, struct req *req)
{
	req->segs[0].iov_base = ring->unused;
	ring->unused = req;
}

/* A request was taken: for its private bytes, IN_ORDER and the in-flight log. */
void ring_took(struct ring *ring, struct req *req);
/* It is put back, and may come again. */
void progress_put_back(struct ring *ring, const struct req *req);
/* It is taken: is it the one that was put back last? */
void progress_taken(struct ring *ring, struct req *req);
/* Is ring_took() needed for each request? */
bool ring_needs_extras(const struct ring *ring);
/* IN_ORDER. */
void order_taken(struct ring *ring, struct req *req);
/* IN_ORDER: this one and all after it are not used any more but stay in the in-flight log. */
void order_suspend(struct ring *ring, struct req *req);
/* IN_ORDER: nothing will be used any more; let go of what is held. */
void order_forget(struct ring *ring);

/* Descriptors that are looked at for one request, at most. */
static inline uint32_t ring_walk_limit(const struct ring *ring)
{
	return ring->max_segs + RING_LONG_SEGS;
}

/* Tell the owner, unless it was told. */
void ring_warn(struct ring *ring, enum ring_warning warning, const char *what);

/* Break the ring; always returns -EIO. */
int ring_break(struct ring *ring, const char *why);
/* ... for something that is not in the ring. */
int ring_lose(struct ring *ring, const char *why);

/*
 * areas.c: find the three areas: NULL, or why that cannot be.  Where they were stays until all
 * three are known.
 */
const char *ring_resolve(struct ring *ring);
/* Nothing of them is touched any more. */
void areas_drop(struct ring *ring);
/*
 * Where a byte of an area that is mapped once more is in guest memory; *len bytes go on there, at
 * most as many as before.
 */
const void *areas_origin(const struct ring *ring, enum ring_area area, const void *host,
			 uint64_t *len);
/* A request of an earlier table is finished. */
void ring_release_old_table(struct ring *ring, struct req *req);
/*
 * With its three areas; without if it is broken, or seeks them: then once more when it has them.
 * As ring_new().
 */
int ring_begin(struct ring *ring, const char **why);

#endif
