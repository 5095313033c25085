/* SPDX-License-Identifier: MIT */
/*
 * A device driven by a transport without any message: a test calls the verbs of core/control.h
 * itself.  Two queues of split rings in memory of the test's; the device serves each request by
 * inverting its bytes, unless it shall hold them.
 */
#ifndef UNIT_CORE_RIG_H
#define UNIT_CORE_RIG_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/control.h"
#include "core/device.h"
#include "core/transport.h"
#include "frontend/driver.h"
#include "frontend/guest.h"
#include "kit/log_book.h"
#include "kit/test.h"

enum { CORE_QUEUES = 2, CORE_HELD = 8, CORE_SIZE = 16, CORE_BYTES = 8 };

struct core_rig {
	struct transport transport; /* first: the transport's functions find the rest from it */
	struct vu_device *dev;
	struct vu_group *group; /* of queue 1, where it is wanted */
	struct guest *guest;
	uint64_t buffers[CORE_QUEUES];
	struct driver_ring *driver[CORE_QUEUES];
	struct waiter waiter;
	bool waits; /* core_wait() does: its end is not in the trace */

	bool holds; /* requests are kept */
	struct vu_req *held[CORE_HELD];
	uint32_t n_held;
	int begin_result, started_result;

	char trace[400];	/* every call from core, a word each, since core_expect() */
	int stops[CORE_QUEUES]; /* calls of queue_stop */
	uint32_t told;		/* bits of NEWS_TOLD */
	struct log_book log;
	int why;      /* session_end's last reason */
	int reported; /* vu_device_process() said that a session ended */
};

void core_make(struct core_rig *rig, bool grouped);
/* A front-end that gave all but the rings. */
void core_begin(struct core_rig *rig);
/* The queue has all that a start needs, the start excepted. */
void core_set_up(struct core_rig *rig, uint32_t index);
/* The verb's result; what it has to wait for is done before. */
int core_wait(struct core_rig *rig, int rc);
/* Passes until nothing is left to do. */
void core_pump(struct core_rig *rig);
void core_free(struct core_rig *rig);

/* These calls came since the last time, in this order. */
void core_expect(struct core_rig *rig, const char *trace);
/* The driver offers a buffer, without a kick; and it finds so many used ones. */
void core_offer(struct core_rig *rig, uint32_t index);
void core_expect_used(struct core_rig *rig, uint32_t index, uint32_t n);

#endif
