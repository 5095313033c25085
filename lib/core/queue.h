/* SPDX-License-Identifier: MIT */
/*
 * A queue: where its device, its group and its ring meet.
 *
 * Two threads own parts of it.  The device thread prepares `want` and gives a command; the queue
 * thread carries it out and answers.  Between the two nobody else touches `want`.
 */
#ifndef CORE_QUEUE_H
#define CORE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libvu/queue.h>

#include "base/mailbox.h"
#include "core/group.h"
#include "core/notifier.h"
#include "ring/ring.h"

struct iotlb;
struct waiter;

enum queue_state { QUEUE_STOPPED, QUEUE_RUNNING, QUEUE_DRAINING, QUEUE_BROKEN, QUEUE_STATES };

/* Why vu_queue_next() hands out nothing, without looking at the ring. */
enum queue_hold {
	HOLD_STATE = 1,	   /* not running */
	HOLD_DISABLED = 2, /* SET_VRING_ENABLE 0 */
	HOLD_STALE = 4,	   /* requests of an earlier session are outstanding */
	HOLD_AREAS = 32,   /* it is not known where its ring is: ring_seeks_areas() */
	/* These hold nothing back, they only ask for the slow way: */
	HOLD_DEBUG = 8, /* VU_DEVICE_DEBUG wants the thread checked */
	HOLD_IDLE = 16, /* it is not in its group's list: neither served nor to be armed */
	HOLD_SOFT = HOLD_DEBUG | HOLD_IDLE,
};

/* What the queue thread is asked to do; each also takes over what changed in want. */
enum queue_command {
	QUEUE_NO_COMMAND,
	QUEUE_CONFIGURE, /* only that */
	QUEUE_START,	 /* start; a running ring is stopped first */
	QUEUE_STOP,	 /* stop once nothing is outstanding */
	QUEUE_ABANDON,	 /* the session is gone */
};

/* What the queue thread has to say to the device thread. */
enum queue_news {
	NEWS_ANSWERED = 1, /* the command is carried out */
	NEWS_CALL = 2,	   /* the driver is to be interrupted, and there is no descriptor for it */
	NEWS_ERR = 4,	   /* the ring broke; likewise */
	NEWS_ADRIFT = 8,   /* its group is dissolved: group_settle() */
	NEWS_MISS = 16,	   /* an address is not translated */
	NEWS_TOLD = NEWS_CALL | NEWS_ERR,
};

/* The queue thread is to look at it anew, as what held it back may be gone. */
enum queue_rescan { RESCAN_NONE, RESCAN_ASKED, RESCAN_UNDERWAY };

/* QUEUE_LOG: to be told of marks in the dirty log. */
enum queue_fd { QUEUE_KICK, QUEUE_CALL, QUEUE_ERR, QUEUE_LOG, QUEUE_FDS };

/* The device thread's wishes and view. */
struct queue_want {
	bool enabled;
	bool started;	 /* a START succeeded and no STOP since */
	bool big_endian; /* so the front-end says of legacy drivers */
	bool inband;	 /* notifications without fds go through messages */
	bool changed[QUEUE_FDS];
	struct notifier fds[QUEUE_FDS]; /* new ones, where changed */
	struct ring_config ring;
	struct marks_config marks; /* its log is the session's, not a reference of its own */
	struct table *table;	   /* the session's, not a reference of its own */
	bool has_size, has_addr;
	bool base_set; /* SET_VRING_BASE came since the last start */
	int64_t since; /* when the command was given, for the log (monotonic ns) */
};

/* What a queue misses; its thread writes, but for refused. */
struct queue_miss {
	_Atomic uint32_t number; /* of the last one; not 0 */
	_Atomic uint32_t access; /* enum space_access */
	_Atomic uint64_t addr;
	_Atomic uint32_t refused; /* the one that there is no translation of */
};

/* The same, as the device thread sees it. */
enum missing_state {
	MISSING_NOTHING,
	MISSING_NEW, /* nobody was asked */
	MISSING_ASKED,
	MISSING_SHARED, /* somebody was asked for another queue */
};

struct missing {
	enum missing_state state;
	uint32_t number;
	uint64_t addr;
	enum space_access access;
	int64_t since;	  /* monotonic ns */
	bool is_answered; /* with no refusal, and no translation either */
};

/* For how long requests have been outstanding: queue_note_outstanding(). */
struct queue_waiting {
	int64_t since;	/* since when none of them was completed; 0: there are none */
	uint64_t ended; /* requests when that was noted */
};

/* One writer: no read-modify-write needed. */
static inline void count_add(uint64_t *count, uint64_t n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	/* What compilers make three instructions of. */
	__asm__("addq %1, %0" : "+m"(*count) : "er"(n) : "cc");
#else
	__atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
#endif
}

static inline uint64_t count_read(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

struct vu_queue {
	/* Queue thread, every request. */
	struct ring *ring;  /* NULL while stopped */
	uint8_t hold;	    /* enum queue_hold bits */
	uint32_t limit;	    /* the ring's taken at which the budget is looked at */
	uint32_t chunk;	    /* how many may be taken until then, as large as they are */
	uint32_t turn_end;  /* ... and at which no more is handed out before its next turn */
	uint64_t bytes_end; /* the same for bytes served; 0: not looked at in this turn */
	bool pending;	    /* queue_ready is to be called */
	struct vu_group *group;
	struct vu_device *dev;
	struct vu_queue *next_active;
	struct vu_queue_counters counts; /* written by the queue thread alone, read by any */
	struct queue_waiting waiting;	 /* likewise */
	struct notifier fds[QUEUE_FDS];
	void *opaque; /* the device's */

	/* Queue thread, now and then. */
	enum queue_state state;
	bool enabled;
	bool inband;
	struct notifier poll; /* kick_poll()'s timer, and what watches it */
	struct source poll_source;
	uint8_t poll_ms;     /* with a timer for a kick: until the next look */
	uint64_t poll_count; /* ... and requests at the last one */
	uint8_t still; /* kicks until a ring that never moved is told about; 0: it did, or was */
	uint32_t index;
	struct source kick;
	struct iotlb *iotlb;   /* translations that its ring looks up in */
	struct ring *dead;     /* rings of ended sessions that have requests outstanding */
	uint32_t stop_command; /* the one to be answered when the ring has drained */

	/* Between the threads. */
	struct mail command_mail;	/* in the group's mailbox */
	struct mail news_mail;		/* in the device's */
	_Atomic uint32_t news;		/* enum queue_news: what it announces */
	_Atomic int rescan;		/* enum queue_rescan */
	_Atomic uint32_t command;	/* number << 8 | enum queue_command */
	_Atomic uint32_t done;		/* the command that was last answered */
	_Atomic uint32_t draining;	/* requests waited for, for the log */
	_Atomic uint32_t n_stale;	/* requests of ended sessions outstanding, for the log */
	_Atomic int64_t stale_since;	/* the first of them, monotonic ns */
	atomic_bool poll_wanted;	/* kick_poll() */
	atomic_bool polls;		/* ... and its timer is there */
	_Atomic uint32_t posting;	/* calls of vu_req_complete_remote() under way */
	_Atomic(struct iotlb *) handed; /* for its thread to take: translations.h */
	struct queue_miss miss;
	int result;	 /* START: 0 or -errno, of the command answered */
	const char *why; /* ... and its reason */

	/* Device thread. */
	struct queue_want want;
	struct missing missing;
	uint32_t given;		      /* number of the last command */
	struct waiter *asked;	      /* who waits for its answer; NULL: it is answered */
	uint32_t untold;	      /* bits of NEWS_TOLD that the driver is to be told */
	struct vu_queue *next_untold; /* of the device's */
	struct vu_queue *next_member; /* of the group's; its lock */
	struct vu_queue_info info;
};

void queue_init(struct vu_queue *q, struct vu_device *dev, uint32_t index);
void queue_fini(struct vu_queue *q);

/* Device thread: give a command, whose answer is waited for by w; it may have come at once. */
void queue_give(struct vu_queue *q, enum queue_command command, struct waiter *w);
/* Device thread: what held it back may be gone. */
void queue_rescan_soon(struct vu_queue *q);
/* Device thread: is its group's thread to come to it, for what it was told? */
bool queue_is_told(const struct vu_queue *q);
/* Device thread: forget wishes of an ended session. */
void queue_forget(struct vu_queue *q);

/* Device thread: the driver may use it, as far as the front-end goes. */
static inline bool queue_is_wanted(const struct vu_queue *q)
{
	return q->want.started && q->want.enabled;
}

/* Queue thread. */
void queue_post(struct vu_queue *q, uint32_t news); /* to the device thread */
void queue_obey(struct vu_queue *q);		    /* do what its command mail announced */
static inline bool queue_is_active(const struct vu_queue *q)
{
	return !(q->hold & HOLD_IDLE);
}

static inline void queue_set_active(struct vu_queue *q, bool active)
{
	q->hold = (uint8_t)((q->hold & ~HOLD_IDLE) | (active ? 0 : HOLD_IDLE));
}

bool queue_arm(struct vu_queue *q); /* pass.c; true: there is more to do */
/*
 * A budget lasts from one turn of the queue to the next, whoever takes its requests: its own
 * queue_ready, another queue's, a timer or an fd.  Every QUEUE_CHUNK requests somebody looks
 * whether it is used up, and after each that is larger than QUEUE_LARGE: see queue_extend().
 */
enum {
	QUEUE_BUDGET = 1024,
	QUEUE_CHUNK = 64,
	QUEUE_BYTES = 1 << 20,
	QUEUE_LARGE = QUEUE_BYTES / QUEUE_CHUNK,
};

static inline void queue_set_budget(struct vu_queue *q, uint32_t budget)
{
	uint32_t taken = q->ring->taken;

	q->limit = taken + (budget < q->chunk ? budget : q->chunk);
	q->turn_end = taken + budget;
	q->bytes_end = 0;
}
void queue_update_hold(struct vu_queue *q);
void queue_set_state(struct vu_queue *q, enum queue_state state);
void queue_broke(struct vu_queue *q); /* the ring broke: log, tell, hold */
/* Its ring's memory is another one: it may have got its areas, lost them, or be broken. */
void queue_see_areas(struct vu_queue *q);
void queue_ring_drained(struct vu_queue *q, struct ring *ring);
/* For vu_queue_counters(): what is outstanding now.  Mostly that is nothing, as the last time. */
void queue_note_outstanding(struct vu_queue *q);
static inline void queue_note(struct vu_queue *q)
{
	const struct ring *ring = q->ring;

	if (unlikely((ring && ring->taken != ring->done) || q->waiting.since))
		queue_note_outstanding(q);
}
void queue_notify(struct vu_queue *q); /* pass.c: interrupt the driver */
/* Signal a call or error descriptor; if that might block, the session ends. */
void queue_ring_bell(struct vu_queue *q, enum queue_fd which);

#endif
