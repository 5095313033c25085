/* SPDX-License-Identifier: MIT */
/*
 * Memory that two agents share, each with a view of it: the device, which is called and whose
 * accesses come through fences/base/atomics.h, and the driver, which takes steps.
 *
 * A write goes into the writer's view and reaches memory later, in any order unless it is a release
 * or a fence comes between; a read may miss what reached memory since the reader's last acquire or
 * fence.  So this is weaker than x86 and, for a few words, about as weak as what else there is.
 *
 * All that can happen is tried, by running again and again and choosing differently at the end.
 */
#ifndef FENCES_MODEL_H
#define FENCES_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/* 16-bit words of memory; writes on their way. */
enum { MODEL_WORDS = 64, MODEL_STORES = 16 };

/* A write on its way to memory. */
struct store {
	uint32_t at;
	uint16_t value;
	bool is_release; /* not before those before it */
};

struct agent {
	_Alignas(16) uint16_t view[MODEL_WORDS];
	uint16_t
		known[MODEL_WORDS]; /* the view at its last access: what differs is a plain write */
	struct store stores[MODEL_STORES];
	uint32_t n_stores;
};

extern uint16_t memory[MODEL_WORDS];
extern struct agent device, driver;

/* Before the first run. */
void model_restart(void);
/*
 * A run: both see memory as it is.  Whenever the device reads or writes, the driver may take steps;
 * step(0) is the first, false: it was the last.
 */
void model_begin(bool (*step)(uint32_t number));
/* The device is done: let the rest happen. */
void model_end(void);
/* Choose differently, the latest first; false: all was tried. */
bool model_next(void);

/* The driver's accesses; it may read its view, too. */
uint16_t agent_load(struct agent *a, uint32_t at, bool is_acquire);
void agent_write(struct agent *a, uint32_t at, uint16_t value, bool is_release);
void agent_fence(struct agent *a);

#endif
