/* SPDX-License-Identifier: MIT */
/* A dirty log of the tests' own, behind a ring of the ring rig: the front-end's side of it. */
#ifndef DIRTY_RIG_H
#define DIRTY_RIG_H

#include "test_ring_rig.h"

#include "mem/dirty.h"
#include "mem/region.h"

/* All of the rig's memory, and not a page more. */
enum { DIRTY_BYTES = (RIG_END_GPA + DIRTY_PAGE - 1) / DIRTY_PAGE / 8 + 1 };

struct dirty_log {
	struct region *region; /* what the ring is given */
	unsigned char *bits;   /* the front-end's view of it */
	uint64_t bytes;
	int fd;
};

/* A log of so many bytes that begins there in its file. */
void dirty_log_new(struct rig *rig, struct dirty_log *log, uint64_t bytes, uint64_t offset);
void dirty_log_free(struct dirty_log *log);

bool dirty_log_has(const struct dirty_log *log, uint64_t gpa);
uint64_t dirty_log_count(const struct dirty_log *log);
/* Are these pages marked, and no others?  Forgets them. */
void dirty_log_expect(struct dirty_log *log, const uint64_t *gpas, uint32_t n);
void dirty_log_clear(struct dirty_log *log);

/* The ring marks all in this log from now on, its device area where the driver has it; NULL: there
 * is none yet. */
void dirty_on(struct rig *rig, const struct dirty_log *log);
void dirty_off(struct rig *rig);

#endif
