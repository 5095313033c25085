/* SPDX-License-Identifier: MIT */
/* What the hostile tests of both layouts check. */
#ifndef TEST_HOSTILE_H
#define TEST_HOSTILE_H

#include "test_ring_rig.h"

/* A copy of all of guest memory, to be freed; and that memory is still what the copy says. */
unsigned char *hostile_copy(const struct rig *rig);
void hostile_compare(const struct rig *rig, const unsigned char *copy);
/* The ring is broken for whatever its owner tries. */
void hostile_stays_broken(struct rig *rig);

#endif
