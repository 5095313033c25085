/* SPDX-License-Identifier: MIT */
/* See gpu_backing.h.  Device thread. */
#include "gpu_backing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16, RANGE_SEGMENTS = 16 };

static int backing_append(struct backing *backing, uint64_t addr, const struct iovec *segment)
{
	struct backing_piece *last = backing->n ? &backing->pieces[backing->n - 1] : NULL;

	/* Pages that follow each other, as most do, are one piece. */
	if (last && last->addr + last->len == addr && last->host + last->len == segment->iov_base) {
		last->len += segment->iov_len;
	} else {
		if (backing->n == backing->room) {
			uint32_t room = backing->room ? 2 * backing->room : FIRST_ROOM;
			void *more = realloc(backing->pieces, room * sizeof(*backing->pieces));

			if (!more)
				return -ENOMEM;
			backing->pieces = more;
			backing->room = room;
		}
		backing->pieces[backing->n++] = (struct backing_piece){
			addr, segment->iov_len, backing->len, segment->iov_base};
	}
	backing->len += segment->iov_len;
	return 0;
}

int backing_add(struct backing *backing, const struct backing_map *map, uint64_t addr, uint64_t len)
{
	struct iovec segments[RANGE_SEGMENTS];
	int n = map->map(map->opaque, addr, len, segments, RANGE_SEGMENTS), ret = 0;

	if (n < 0)
		return -EFAULT;
	for (int i = 0; i < n && !ret; i++) {
		ret = backing_append(backing, addr, &segments[i]);
		addr += segments[i].iov_len;
	}
	return ret;
}

void backing_free(struct backing *backing)
{
	free(backing->pieces);
	*backing = (struct backing){0};
}

void backing_move(struct backing *backing, const struct backing_map *map)
{
	struct backing moved = {0};
	int ret = 0;

	for (uint32_t i = 0; i < backing->n && !ret; i++)
		ret = backing_add(&moved, map, backing->pieces[i].addr, backing->pieces[i].len);
	if (!ret) {
		backing_free(backing);
		*backing = moved;
		return;
	}
	/* The ranges are kept: memory may come back. */
	backing_free(&moved);
	backing->lost = true;
}

bool backing_holds(const struct backing *backing, uint64_t at, uint64_t len)
{
	return !backing->lost && at <= backing->len && len <= backing->len - at;
}

/* The piece that has this byte. */
static const struct backing_piece *backing_find(const struct backing *backing, uint64_t at)
{
	uint32_t low = 0, high = backing->n;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (backing->pieces[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	return &backing->pieces[low];
}

const void *backing_view(const struct backing *backing, uint64_t at, uint64_t len)
{
	const struct backing_piece *piece = backing_find(backing, at);

	return len <= piece->len - (at - piece->at) ? piece->host + (at - piece->at) : NULL;
}

void backing_read(const struct backing *backing, uint64_t at, void *data, uint64_t len)
{
	const struct backing_piece *piece = len ? backing_find(backing, at) : NULL;
	unsigned char *to = data;

	while (len) {
		uint64_t skip = at - piece->at;
		uint64_t part = piece->len - skip < len ? piece->len - skip : len;

		memcpy(to, piece->host + skip, part);
		to += part;
		at += part;
		len -= part;
		piece++;
	}
}

void backing_write(const struct backing *backing, uint64_t at, const void *data, uint64_t len)
{
	const struct backing_piece *piece = len ? backing_find(backing, at) : NULL;
	const unsigned char *from = data;

	while (len) {
		uint64_t skip = at - piece->at;
		uint64_t part = piece->len - skip < len ? piece->len - skip : len;

		memcpy(piece->host + skip, from, part);
		from += part;
		at += part;
		len -= part;
		piece++;
	}
}
