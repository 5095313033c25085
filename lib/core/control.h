/* SPDX-License-Identifier: MIT */
/*
 * What a transport asks of a device: plain values, no messages.  Device thread.
 *
 * What concerns queues is done on their threads, so such a verb takes a waiter and returns
 * VERB_DONE, VERB_LATER (the waiter's done() is called) or -errno, after a line in the log: nothing
 * is waited for then.  A waiter waits for one verb at a time; control_end() has it wait no more.
 */
#ifndef CORE_CONTROL_H
#define CORE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/queue.h"
#include "core/waiter.h"

struct iotlb_range;
struct region;
struct table;
struct transport;
struct vu_device;

/* A front-end is there.  -EBUSY; what session_begin said: the transport stays the caller's. */
int control_begin(struct vu_device *dev, struct transport *t);
/* It is gone, or has to go, for this reason: 0, its own wish; -errno. */
void control_end(struct vu_device *dev, int why);
/* Is anything more of the front-end to be looked at: the session is neither ending nor closing. */
bool control_is_open(const struct vu_device *dev);

/* The driver accepted these feature bits.  -errno: the device cannot start with them. */
int control_set_features(struct vu_device *dev, uint64_t acked);
/* Guest memory from now on; the reference is taken over.  Done when every started ring uses it. */
int control_set_memory(struct vu_device *dev, struct table *table, struct waiter *w);
/* The session's memory, or NULL. */
struct table *control_memory(const struct vu_device *dev);

/* The dirty log from now on; taken over as memory is.  Done when every started ring uses it. */
int control_set_log(struct vu_device *dev, struct region *log, struct waiter *w);
/* An eventfd that is signalled after marks; taken over in any case.  -EPROTO, -EMFILE. */
int control_set_log_fd(struct vu_device *dev, int fd, struct waiter *w);

/* Within core: what a queue's ring is to mark, but for its own areas. */
void control_fill_marks(struct vu_queue *q);
/*
 * Where ACCESS_PLATFORM was accepted: what an IOMMU translates, to addresses as rings have them
 * without it.  Replaces what is there.  Done when no queue uses what it replaced.  -EFAULT: to what
 * is no memory; -EINVAL; -ENOMEM.
 */
int control_translate(struct vu_device *dev, const struct iotlb_range *range, struct waiter *w);
/* ... and what it does not any more: done when no queue uses it. */
int control_untranslate(struct vu_device *dev, uint64_t first, uint64_t last, struct waiter *w);
/* A queue that misses an address that nobody was asked for; NULL: there is none. */
struct vu_queue *control_next_miss(struct vu_device *dev, uint64_t *addr,
				   enum space_access *access);
/* It was asked for now; or somebody was asked for the same page before, and has not answered. */
void control_miss_asked(struct vu_queue *q, bool by_another);
/* Whoever was asked says that it translated it, or that there is no such thing, or will not answer.
 */
enum miss_answer { MISS_TRANSLATED, MISS_REFUSED, MISS_LOST };
void control_miss_answered(struct vu_device *dev, uint64_t addr, enum space_access access,
			   enum miss_answer answer);

/* The in-flight log, used from the next start of a ring on; taken over as memory is. */
void control_set_inflight(struct vu_device *dev, struct region *region, uint16_t n_queues,
			  uint16_t entries);
/* A stop may leave requests in it. */
void control_leave_inflight(struct vu_device *dev, bool may_leave);

/* What a queue's next start uses; values that cannot be make a ring that is broken. */
void control_set_size(struct vu_queue *q, uint32_t size);
void control_set_areas(struct vu_queue *q, uint64_t desc, uint64_t driver, uint64_t device);
/*
 * Are writes to the device area to be marked in the dirty log, and as being where.  True: its ring,
 * which runs, has to be told by control_configure().
 */
bool control_set_logged(struct vu_queue *q, bool is_logged, uint64_t at);
/* The byte order of a legacy driver's ring. */
void control_set_big_endian(struct vu_queue *q, bool big_endian);
void control_set_base(struct vu_queue *q, uint32_t base);
/* Where it goes on: after a stop, what GET_VRING_BASE answers. */
uint32_t control_base(const struct vu_queue *q);
/* The areas of rings started from now on are guest addresses, not the front-end's own. */
void control_set_guest_addresses(struct vu_device *dev, bool guest);
/* Within core: which of the table's addresses the front-end names. */
enum table_space control_space(const struct vu_device *dev);
/* Notifications that have no descriptor are told by the transport. */
void control_set_inband(struct vu_device *dev, bool inband);

/*
 * A kick, call or error descriptor, or -1; taken over in any case.  Used from the next
 * control_configure() or control_start() on.  -EPROTO, after a line in the log.
 */
int control_set_fd(struct vu_queue *q, enum queue_fd which, int fd);

/* As a descriptor. */
void control_set_enabled(struct vu_queue *q, bool enabled);
bool control_is_started(const struct vu_queue *q);
/* Are addresses set that no ring was started with? */
bool control_is_anew(const struct vu_queue *q);

/* Use what was set, and look at the ring once. */
int control_configure(struct vu_queue *q, struct waiter *w);
/*
 * What the features say of rings that may run already: all are enabled without PROTOCOL_FEATURES,
 * and mark what they write with LOG_ALL.  Without LOG_ALL there is no dirty log any more.
 */
int control_use_features(struct vu_device *dev, struct waiter *w);
/* Start the ring; one that runs is stopped first. */
int control_start(struct vu_queue *q, struct waiter *w);
/* Stop it once nothing is outstanding; nothing happens to one that is not started. */
int control_stop(struct vu_queue *q, struct waiter *w);
/* Stop and disable all, then reset the device. */
int control_reset(struct vu_device *dev, struct waiter *w);

#endif
