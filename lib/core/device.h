/* SPDX-License-Identifier: MIT */
/* The device: what the modules of core/ share. */
#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libvu/device.h>

#include "base/closer.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "core/answer.h"
#include "core/bell.h"
#include "core/class_ops.h"
#include "core/config.h"
#include "core/group.h"
#include "core/kept.h"
#include "core/part.h"
#include "core/patience.h"
#include "core/queue.h"
#include "core/running.h"
#include "core/waiter.h"

struct iotlb;
struct mappings;
struct host_notifiers;
struct shmem;
struct vu_device;
struct table;
struct transport;

/* Something that any thread wants done on the device thread; embedded in what it is about. */
struct errand {
	struct mail mail;
	void (*run)(struct errand *errand, struct vu_device *dev);
};

struct vu_device {
	struct vu_device_info info; /* pointers in it are not kept */
	struct vu_ops ops;
	struct class_ops class;
	bool cross_endian; /* vu_device_set_cross_endian() */
	void *opaque;
	struct log log;
	uint64_t offered;	   /* feature bits */
	_Atomic uint64_t features; /* acked and offered */

	struct vu_group own; /* the device thread's group */
	struct vu_queue *queues;
	struct config config;
	struct mappings *mappings;
	struct part *parts;
	bool postcopy;			       /* vu_device_allow_postcopy() */
	int userfault;			       /* ... and userfault_device() */
	struct host_notifiers *host_notifiers; /* another */
	struct shmem *shmem;		       /* one of them; NULL: no shared memory regions */
	struct closer closer;		       /* of descriptors that came */
	struct bell bell;		       /* signals the queues' eventfds */

	/* From other threads. */
	struct mailbox news; /* queues that have something to say: enum queue_news */
	struct mailbox errands;
	atomic_uint holders;	 /* vu_device_hold() */
	_Atomic uint32_t stale;	 /* rings of ended sessions with outstanding requests */
	atomic_bool attention;	 /* something of this block, or of the next two, is to be seen to */
	atomic_bool stale_over;	 /* the last of them is gone: the groups are to be told */
	atomic_bool faulted;	 /* guest memory was truncated under us */
	atomic_bool would_block; /* a call descriptor cannot be signalled without waiting */

	/* What runs, and who waits for it. */
	struct running running;
	struct transport *transport; /* NULL: no front-end, and none that is ending */
	uint32_t waiting;	     /* commands not answered */
	struct waiter *due;	     /* those who have nothing to wait for any more */
	struct waiter closing;	     /* vu_device_drain() waits */
	struct waiter ending;	     /* control_end() waits */
	struct vu_queue *untold;     /* queues with something that the driver is to be told */
	bool ended;		     /* to be reported by vu_device_process() */

	/* What the front-end gave, until the session ends. */
	uint64_t acked;		  /* feature bits, offered or not */
	bool acked_any;		  /* ... there was a choice */
	bool acked_ok;		  /* ... and we can run with it */
	struct table *table;	  /* guest memory, or NULL */
	bool guest_addresses;	  /* rings are at guest addresses, not at user addresses */
	struct region *dirty_log; /* or NULL */
	bool was_logging;	  /* LOG_ALL was acked, the last time */
	struct iotlb *iotlb;	  /* translations to it */
	uint32_t to_ask;	  /* queues that miss one that nobody was asked for */
	struct kept kept;

	/* vu_device_watch_memory(). */
	void (*memory_changed)(struct vu_device *dev, void *opaque);
	void *memory_opaque;
	bool keep_files; /* vu_device_keep_memory_files() */

	struct answers answers;
	struct patience patience;
	uint64_t message_timeout_ns; /* 0: none */
};

/* On the device thread: a queue's command was answered. */
void device_answered(struct vu_device *dev, struct vu_queue *q);
/* Let the transport tell the driver what is new. */
void device_tell(struct vu_device *dev);
/* The next queue that has something for the driver: bits of NEWS_TOLD in *news; NULL: none. */
struct vu_queue *device_next_untold(struct vu_device *dev, uint32_t *news);
/*
 * Device thread, around what calls the device outside of vu_device_process(): what must not happen
 * inside a callback does not happen there either.  Returns what is to be given to device_leave().
 */
bool device_enter(struct vu_device *dev);
void device_leave(struct vu_device *dev, bool was_inside);
/* Any thread: run it in the device's next pass.  Once posted it is not posted again until it ran.
 */
void device_send(struct vu_device *dev, struct errand *errand);
/* Any thread: look at mailboxes and flags soon. */
void device_wake(struct vu_device *dev);
/* vu_device_free(): take what threads that are gone have posted. */
void device_take_last(struct vu_device *dev);
/* The last request of an ended session's ring is done: what was held back may go on. */
void device_release_stale(struct vu_device *dev);

#endif
