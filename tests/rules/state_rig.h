/* SPDX-License-Identifier: MIT */
/* A device with a state, and what tests of its journey do with it. */
#ifndef RULES_STATE_RIG_H
#define RULES_STATE_RIG_H

#include <libvu/unstable.h>

#include "rules/rig.h"

enum { TAG_COUNT = 1, TAG_NAME, TAG_HINT, TAG_BULK };
enum { SAVE, LOAD };
enum { REFUSED = 0x101 };

/* A device with a count, names, and as much besides as a test wants. */
struct stateful {
	struct rig rig; /* first: the callbacks' opaque */
	uint64_t count;
	size_t bulk;
	uint32_t hints; /* how many it writes; it never reads them */
	uint32_t extra; /* a tag of a newer device, 0: none */
	int says;
	struct vu_answer *answer;
	struct vu_state *state;
	uint32_t saved, loaded;
	char name[16];
	bool is_source; /* it has run before */
};

/* Its callbacks. */
int stateful_save(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		  void *opaque);
int stateful_load(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		  void *opaque);

/* Connected, with other callbacks. */
void make_with(struct stateful *s, const struct vu_state_ops *ops);
/* As QEMU's destination: before features, memory and rings. */
void open_destination(struct stateful *s);
/* As its source: after the rings have stopped. */
void open_source(struct stateful *s);
struct frontend *frontend_of(struct stateful *s);
/* The same driver, after the migration or when it failed. */
void expect_goes_on(struct stateful *s);
void save_ok(struct stateful *s, void **bytes, size_t *len);
/* What a device with this count saves; to be freed. */
void saved_state(uint64_t count, uint32_t extra, void **bytes, size_t *len);
/* SET_DEVICE_STATE_FD with a pipe of which nothing is used: the reply's value and descriptor. */
uint64_t set_fd(struct stateful *s, uint32_t direction, uint32_t phase, int *own);

#endif
