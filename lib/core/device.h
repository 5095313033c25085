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
#include "core/bell.h"
#include "core/config.h"
#include "core/group.h"
#include "core/patience.h"
#include "core/queue.h"

struct session;
struct mappings;

struct vu_device {
	struct vu_device_info info; /* pointers in it are not kept */
	struct vu_ops ops;
	void *opaque;
	struct log log;
	uint64_t offered; /* feature bits */
	uint64_t offered_protocol;
	_Atomic uint64_t features; /* acked and offered */

	struct vu_group own;	 /* the device thread's group */
	struct vu_group *groups; /* all others */
	struct vu_queue *queues;
	struct config config;
	struct mappings *mappings;
	struct closer closer; /* of descriptors that came */
	struct bell bell;     /* signals the queues' eventfds */

	struct mailbox done;	 /* queues whose command is answered */
	_Atomic uint32_t stale;	 /* rings of ended sessions with outstanding requests */
	atomic_bool attention;	 /* something of this block, or a dead session, is to be seen to */
	atomic_bool stale_over;	 /* the last of them is gone: the groups are to be told */
	atomic_bool faulted;	 /* guest memory was truncated under us */
	atomic_bool would_block; /* a call descriptor cannot be signalled without waiting */
	atomic_bool call_inband; /* some queue's call_inband or err_inband is set */
	uint32_t waiting;	 /* commands not answered */
	uint32_t n_started;	 /* queues with want.started */
	bool suspended;		 /* no ring is started */
	bool ended;		 /* to be reported by vu_device_process() */
	bool no_attach;		 /* session_begin is running, or the device is being freed */

	struct session *session; /* NULL: no front-end */
	struct session *ending;	 /* gone, but its queues have not all let go */
	struct source socket;	 /* session.c; here because events outlive sessions */
	struct source backend;	 /* backend.c */
	struct patience patience;
	uint64_t message_timeout_ns; /* 0: none */
};

/* queue_life.c → session.c, on the device thread: a queue's command was answered. */
void device_answered(struct vu_device *dev, struct vu_queue *q);
/*
 * Device thread, around what calls the device outside of vu_device_process(): what must not happen
 * inside a callback does not happen there either.  Returns what is to be given to device_leave().
 */
bool device_enter(struct vu_device *dev);
void device_leave(struct vu_device *dev, bool was_inside);
/* Any thread: look at mailbox and flags soon. */
void device_wake(struct vu_device *dev);
/* The last request of an ended session's ring is done: what was held back may go on. */
void device_release_stale(struct vu_device *dev);

#endif
