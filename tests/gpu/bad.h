/* SPDX-License-Identifier: MIT */
/* A driver of a vu-gpu whose renderer does wrong (bad_renderer.c).  After three_start(). */
#ifndef GPU_BAD_TESTS_H
#define GPU_BAD_TESTS_H

#include "bad_renderer.h"
#include "three.h"

/* A command of the control queue, whose answer has no cookie. */
void bad_offer_command(struct rig *rig, const void *command, uint32_t len);
/* A batch with a fence that says what is done wrong. */
void bad_offer(struct rig *rig, enum bad what);
/* The session ends, whatever is answered before. */
void bad_expect_ended(struct rig *rig);
/* A context, and 6, which the renderer may write to. */
void bad_begin(struct rig *rig, struct rig_buffer *memory);
/* The same in a new session. */
void bad_begin_again(struct rig *rig, struct rig_buffer *memory);

#endif
