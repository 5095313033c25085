/* SPDX-License-Identifier: MIT */
/*
 * A front-end's display for tests of vu-gpu: its messages one by one, and the picture that they
 * make.
 */
#ifndef GPU_DISPLAY_TESTS_H
#define GPU_DISPLAY_TESTS_H

#include "card.h"

enum { DISPLAY_SIZE = 512 }; /* of the picture, at most */

struct shown {
	uint32_t width, height;
	uint32_t pixels[DISPLAY_SIZE * DISPLAY_SIZE];
};

/* A message: what is in front of pixels, if there are any. */
struct told {
	uint32_t request, size;
	uint32_t words[264];
};

enum {
	GET_PROTOCOL_FEATURES = 1,
	SET_PROTOCOL_FEATURES,
	GET_DISPLAY_INFO,
	CURSOR_POS,
	CURSOR_POS_HIDE,
	CURSOR_UPDATE,
	SCANOUT,
	UPDATE,
	GET_EDID = 11,
	REPLY = 4,
};

/* Give the device a new socket: our end. */
int display_give(struct rig *rig);
/* The same, and say that it has these features; the device says which it uses. */
int display_begin(struct rig *rig, uint64_t features);
/* The next message; of UPDATE the pixels go into shown (which may be NULL). */
struct told display_next(int fd, struct shown *shown);
/* The same, of two outputs with a picture each. */
struct told display_next_of(int fd, struct shown *first, struct shown *second);
/* The next one is of this kind. */
struct told display_expect(int fd, uint32_t request, struct shown *shown);
/* Messages to the next of this kind. */
struct told display_until(int fd, uint32_t request, struct shown *shown);
void display_send(int fd, uint32_t request, uint32_t flags, const void *payload, uint32_t size);
/* Nothing has come. */
void display_expect_nothing(struct rig *rig, int fd);
/* What is shown is that memory's picture. */
void display_is(const struct shown *shown, const struct rig_buffer *memory);

#endif
