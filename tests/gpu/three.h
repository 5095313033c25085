/* SPDX-License-Identifier: MIT */
/*
 * A driver of 3D for tests of vu-gpu: contexts, resources, and virgl's commands, a word at a time.
 *
 * Numbers of virgl's are those that guests send.  Commands that have a fence are answered when it
 * is done, so whoever waits for one waits for all before it.
 */
#ifndef GPU_THREE_TESTS_H
#define GPU_THREE_TESTS_H

#include "card.h"

enum {
	TARGET_BUFFER = 0,
	TARGET_2D = 2,
	FORMAT_BGRX = 2,
	FORMAT_R8 = 64,
	BIND_TARGET = 1 << 1,
	BIND_SAMPLER = 1 << 3,
	BIND_VERTEX = 1 << 4,
	BIND_CUSTOM = 1 << 17,
	BIND_SCANOUT = 1 << 18,
};

/* Words of commands for one context. */
struct stream {
	uint32_t n;
	uint32_t words[96];
};

/* Start vu-gpu with --virgl and these options beside. */
void three_start(struct rig *rig, const char *const *options);
/* The process that renders, from "state", once there is one that is not this. */
int three_renderer(struct rig *rig, int but);
/* Is there an EGL to be tested with?  A line says why not. */
bool three_can_be_tested(void);

uint32_t three_try_context(uint32_t type, uint32_t context); /* CTX_CREATE, CTX_DESTROY */
uint32_t three_try_resource(uint32_t type, uint32_t context, uint32_t id); /* CTX_ATTACH ... */
/* What is 0 in it is 1 where there must be one, and of PICTURE pixels. */
uint32_t three_try_create(uint32_t id, struct virtio_gpu_resource_create_3d create);
uint32_t three_try_transfer(uint32_t type, uint32_t context, uint32_t id, struct virtio_gpu_box box,
			    uint64_t offset, uint32_t stride);
/* size: what it says of its length, in bytes. */
uint32_t three_try_submit(uint32_t context, const struct stream *stream, uint32_t size);

/* A context, and a picture of PICTURE with memory in it. */
void three_context(uint32_t context);
void three_picture(uint32_t context, uint32_t id, const struct rig_buffer *memory);
/* Context 1 with a picture 5 that is shown; the same with --virgl, from the start. */
void three_show_picture(struct rig_buffer *memory);
void three_start_shown(struct rig *rig, struct rig_buffer *memory);
/* All of a picture. */
struct virtio_gpu_box three_all(void);

void three_word(struct stream *stream, uint32_t word);
void three_float(struct stream *stream, float value);
/* A command's head: how many words follow. */
void three_command(struct stream *stream, uint32_t command, uint32_t object, uint32_t n);
/* A picture all of one colour, by a surface of that number. */
void three_clear(struct stream *stream, uint32_t surface, uint32_t id, const float rgba[4]);
void three_submit(uint32_t context, const struct stream *stream);

#endif
