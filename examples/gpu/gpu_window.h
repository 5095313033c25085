/* SPDX-License-Identifier: MIT */
/*
 * The region of shared memory in which a guest sees blobs of the host's (virtio 1.3 §5.7.6.10,
 * VIRTIO_GPU_SHM_ID_HOST_VISIBLE): which the front-end has mapped, and which it was asked to.
 *
 * Memory comes from a renderer, who may be the guest's: it must be a file without a name that can
 * never get shorter, so that whoever touches it finds something there.  Device thread.
 */
#ifndef GPU_WINDOW_H
#define GPU_WINDOW_H

#include <libvu/unstable.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	WINDOW_REGION = 1,   /* VIRTIO_GPU_SHM_ID_HOST_VISIBLE */
	WINDOW_PIECES = 256, /* that can be mapped at a time: each keeps a descriptor */
};

struct window_piece;

struct window {
	struct vu_device *dev;
	uint64_t len; /* 0: there is none */
	struct window_piece *pieces;
	uint32_t n; /* that are mapped, or about to be */
	/* The front-end's answer; job: as it was given, or NULL if it was let go. */
	void (*answered)(void *opaque, void *job, uint64_t serial, int result);
	void *opaque;
};

/* len: a power of two.  -errno. */
int window_init(struct window *window, struct vu_device *dev, uint64_t len, vu_shmem_lost_fn lost);
/* Have a resource's memory seen at that place; no other mapping has its number.  fd stays the
 * caller's.  -errno: answered() is not called. */
int window_map(struct window *window, uint64_t serial, uint64_t at, uint64_t len, int fd,
	       void *job);
/* It is not to be seen any more; nothing happens if it is not. */
void window_unmap(struct window *window, uint64_t serial);
/* The driver stopped: the front-end has taken all away, or may have. */
void window_lost(struct window *window);
/* It starts, and may be the one of before: it sees what it saw then. */
void window_restore(struct window *window);
/* Nobody waits for the front-end's answer any more: fn is called for each job. */
void window_let_go(struct window *window, void (*fn)(void *opaque, void *job));

#endif
