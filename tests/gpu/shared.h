/* SPDX-License-Identifier: MIT */
/*
 * A display that takes dma-bufs, for tests of vu-gpu with tests/gpu/fake_udmabuf.c: messages with
 * their descriptors.
 */
#ifndef GPU_SHARED_TESTS_H
#define GPU_SHARED_TESTS_H

#include "display.h"

enum { DMABUF_SCANOUT = 9, DMABUF_UPDATE = 10, DMABUF_SCANOUT2 = 12, DMABUF2 = 2 };
enum { PAGE = PICTURE_BYTES, PIECES = 8 };

/* A message, and what the descriptor is of that came with it. */
struct got {
	uint32_t request, size;
	uint32_t words[12];
	uint64_t ino;	 /* the same again: the same dma-buf; 0: there came none */
	uint32_t *drawn; /* it is vu-gpu's own: its pixels, until the next such; else NULL */
	uint32_t n_pieces;
	struct {
		uint64_t offset, size; /* of the guest's memory file */
	} pieces[PIECES];
};

/* vu-gpu with --dmabuf; copies: with --dir, too.  Guest memory is sealed as udmabuf needs it. */
void shared_start(struct rig *rig, bool copies);
/* A display with these features; ours are the two that there are. */
int shared_display(struct rig *rig, uint64_t features);
/* The next message; of this kind. */
struct got shared_next(int fd);
struct got shared_expect(int fd, uint32_t request);
void shared_ack(int fd);
/* The output has no dma-buf any more; and the next message is a size. */
void shared_expect_gone(int fd, uint32_t output, uint32_t width, uint32_t height);
/* A dma-buf of a picture that begins in that memory, and what is in it. */
void shared_expect_shown(int fd, uint32_t output, const struct rig_buffer *memory);

/* A dma-buf of vu-gpu's own, in which that picture is then drawn. */
void shared_expect_drawn(int fd, uint32_t output, const struct rig_buffer *memory);
void shared_is_drawn(const uint32_t *drawn, const struct rig_buffer *memory);

/* Whole pages, with a picture of PICTURE. */
void shared_pages(struct rig *rig, struct rig_buffer *memory, uint32_t seed);
/* A blob of it. */
void shared_blob(uint32_t id, const struct rig_buffer *memory);
void shared_show(uint32_t output, uint32_t id);
void shared_flush(uint32_t id);

#endif
