/* SPDX-License-Identifier: MIT */
/*
 * A device's shared memory regions, and the pieces that are mapped into them.
 *
 * A piece has at most one request of ours at a time: it is made to be mapped, and mapped until it
 * is unmapped, or lost.  What was lost is remembered: a front-end may have kept it (nobody says
 * whether a stop was a reset).  It is taken away only if the next piece is refused for it, which is
 * then asked for again.
 */
#ifndef VHOST_USER_SHMEM_H
#define VHOST_USER_SHMEM_H

#include <pthread.h>
#include <stdbool.h>

#include <libvu/unstable.h>

#include "core/part.h"
#include "vhost_user/channel.h"
#include "wire/spec.h"

enum { SHMEM_IDS = sizeof(((struct wire_shmem_config *)0)->size) / sizeof(uint64_t) };

enum piece_state {
	PIECE_MAPPING,	 /* asked for */
	PIECE_MAPPED,	 /* the guest sees it */
	PIECE_UNMAPPING, /* asked for */
	PIECE_LOST,	 /* the front-end may have it, or not */
};

struct piece {
	struct piece *next;
	struct vu_device *dev;
	enum piece_state state;
	bool lost; /* what is asked for came to nothing: the device stopped */
	bool sent; /* ... or may have come to something */
	bool kept; /* UNMAPPING it when it was lost already: whatever is answered is right */
	int fd;	   /* MAPPING: ours */
	int result;
	vu_asked_fn done; /* may be NULL */
	void *asked;
	struct wire_mmap what;
	struct channel_request request;
};

struct shmem {
	struct part part;
	struct vu_device *dev;
	uint64_t len[SHMEM_IDS];
	vu_shmem_lost_fn lost;
	pthread_mutex_t lock; /* the list, and the states in it */
	struct piece *pieces;
};

/* With the lock: the piece that begins there, and is not on its way out; or NULL. */
struct piece *shmem_find(const struct shmem *shmem, uint32_t id, uint64_t offset);
/* With the lock: a piece in one of these states (1 << enum piece_state) that has some of that. */
struct piece *shmem_overlapping(const struct shmem *shmem, const struct wire_mmap *what,
				unsigned int states);
/* With the lock. */
void shmem_add(struct shmem *shmem, struct piece *piece);
void shmem_remove(struct shmem *shmem, struct piece *piece);
void piece_free(struct piece *piece);

#endif
