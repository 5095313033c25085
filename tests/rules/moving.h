/* SPDX-License-Identifier: MIT */
/* A rig whose guest moves: rings and buffers are apart, and a copy of both follows a dirty log. */
#ifndef RULES_MOVING_H
#define RULES_MOVING_H

#include "frontend/peer_log.h"
#include "rules/rig.h"

enum { MOVING_RINGS, MOVING_BUFFERS }; /* regions */

#define MOVING_BUFFERS_GPA (UINT64_C(1) << 30)

extern const struct rig_config moving_config, moving_grouped;

/* Started, with a log that the device does not know of yet. */
void moving_open(struct rig *rig, struct peer_log *log, const struct rig_config *how);
void moving_close(struct rig *rig, struct peer_log *log);
/* The copy is as the memory. */
void moving_expect_same(const struct peer_log *log);

#endif
