/* SPDX-License-Identifier: MIT */
/* Lines about what is waited for, and the end of a front-end that falls silent.  Device thread. */
#ifndef CORE_PATIENCE_H
#define CORE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/group.h"

#define DEFAULT_MESSAGE_TIMEOUT_NS UINT64_C(30000000000)

struct vu_device;

/* A part of the device.  Deadlines in monotonic ns; 0: none. */
struct patience {
	struct source source;
	int fd; /* -1 until it is needed */
	int64_t stop_line, stale_line, miss_line, silence_end;
	const char *awaited; /* besides queues; NULL: nothing */
	int64_t awaited_since;
	const char *asked; /* the front-end, which is to answer; NULL: nothing */
	int64_t asked_since, asked_line;
};

void patience_init(struct patience *patience);
void patience_fini(struct patience *patience);
int64_t patience_now(void);

/* Commands to queues are waited for, or not any more: a line after 1 s and every 10 s. */
void patience_stops(struct vu_device *dev, bool on);
/*
 * Something else is waited for, with the same lines: a constant that goes on "waiting for ...";
 * NULL: not any more.
 */
void patience_awaits(struct vu_device *dev, const char *what);
/* This constant names what the front-end was asked and has not answered; NULL: nothing.  Same
 * lines. */
void patience_asks(struct vu_device *dev, const char *what);
/* A ring has started; if requests of an earlier session hold it back: lines like those. */
void patience_stale(struct vu_device *dev);
/* A queue waits for a translation: lines like those, as long as one does. */
void patience_misses(struct vu_device *dev);
/* A first message, or the rest of one, is waited for; or not. */
void patience_silence(struct vu_device *dev, bool silent);

#endif
