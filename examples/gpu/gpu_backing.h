/* SPDX-License-Identifier: MIT */
/*
 * Guest memory that a driver gave a resource: a list of ranges, which read as one piece.
 *
 * Nothing of it is a resource's own, and the guest may write to it at any time: whoever reads takes
 * a copy.  Memory that changes (a front-end's matter) is looked up again, backing_move().
 */
#ifndef GPU_BACKING_H
#define GPU_BACKING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Where guest addresses are: as vu_memory_map(), of the memory that there is now. */
struct backing_map {
	int (*map)(void *opaque, uint64_t addr, uint64_t len, struct iovec *iov, uint32_t max);
	void *opaque;
};

struct backing_piece {
	uint64_t addr, len;
	uint64_t at; /* in the whole */
	unsigned char *host;
};

/* All zero: there is none. */
struct backing {
	struct backing_piece *pieces; /* in order, without gaps */
	uint32_t n, room;
	uint64_t len;
	bool lost; /* memory changed, and a part of it is no more */
};

/* Append a range; one of no bytes adds nothing.  -EFAULT: no guest memory; -ENOMEM. */
int backing_add(struct backing *backing, const struct backing_map *map, uint64_t addr,
		uint64_t len);
void backing_free(struct backing *backing);
/* Look everything up again; what is not there any more makes it lost. */
void backing_move(struct backing *backing, const struct backing_map *map);

/* Are there len bytes at that place? */
bool backing_holds(const struct backing *backing, uint64_t at, uint64_t len);
/* Where len bytes are that backing_holds(), if they are in one piece; else NULL. */
const void *backing_view(const struct backing *backing, uint64_t at, uint64_t len);
/* Copy from it, what backing_holds(). */
void backing_read(const struct backing *backing, uint64_t at, void *data, uint64_t len);
/* And to it. */
void backing_write(const struct backing *backing, uint64_t at, const void *data, uint64_t len);

#endif
