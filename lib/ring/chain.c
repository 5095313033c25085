/* SPDX-License-Identifier: MIT */
/*
 * The chain walker's parts that are rarely needed: memory looked up, buffers across regions, blocks
 * of segments, and chains that are too long.  Queue thread.
 *
 * One that has more segments than max_segs is no broken ring: the driver may not know that limit.
 * It is walked to its end, so that its request can be failed alone: VU_REQ_TOO_LONG.
 */
#include "ring/chain.h"

#include <string.h>

#include "ring/indirect.h"

/* Of a chain that is too long: the first writable segment and the last one. */
enum { LONG_SEGS = 2 };

static bool chain_is_long(const struct chain *c)
{
	return c->req->pub.flags & VU_REQ_TOO_LONG;
}

/* Where its segments are: not where a chain begins, as that would look like one without any yet. */
static struct iovec *chain_long_segs(const struct chain *c)
{
	return c->req->segs + 1;
}

static __attribute__((noinline)) int chain_add_long(struct chain *c, struct iovec piece,
						    bool writable)
{
	struct ring *r = c->ring;
	uint32_t most = r->max_segs < LONG_SEGS ? r->max_segs : LONG_SEGS;

	if (!r->long_left--)
		return ring_break(r, "a chain that loops, or is far longer than max_segs");
	if (!writable)
		return 0;
	if (c->seg == chain_long_segs(c) + most) {
		c->seg--;
		c->len -= c->seg->iov_len;
	}
	*c->seg++ = piece;
	c->len += piece.iov_len;
	/* Each one comes here. */
	c->end = c->seg;
	return 0;
}

/* There is no room for one segment more: forget all of them but the first writable one. */
static __attribute__((noinline)) int chain_begin_long(struct chain *c, bool writable)
{
	struct vu_req *pub = &c->req->pub;
	bool has_first = writable && c->seg != pub->writable;
	struct iovec first = {NULL, 0};

	if (has_first)
		first = pub->writable[0];
	chain_release(c->ring, c->req);
	c->req->odd |= REQ_ODD;
	c->ring->long_left = RING_LONG_SEGS + has_first;
	c->seg = c->end = chain_long_segs(c);
	c->len = 0;
	pub->flags = VU_REQ_TOO_LONG;
	pub->readable = pub->writable = c->seg;
	pub->n_readable = 0;
	pub->readable_len = 0;
	ring_warn(c->ring, RING_WARN_LONG,
		  "requests of more segments than the device takes (max_segs): they fail");
	ring_choose_way(c->ring);
	return has_first ? chain_add_long(c, first, true) : 0;
}

/* Move to a larger block.  0; CHAIN_STARVED. */
static int chain_grow(struct chain *c)
{
	struct ring *r = c->ring;
	struct req *req = c->req;
	uint32_t n = (uint32_t)(c->seg - req->pub.readable);
	struct iovec *block = arena_take(&r->arena, req->block);

	if (!block) {
		r->starved = true;
		r->unstarved = false;
		return CHAIN_STARVED;
	}
	memcpy(block, req->pub.readable, n * sizeof(*block));
	if (req->block)
		arena_put(&r->arena, req->block - 1u,
			  c->end - r->arena.classes[req->block - 1u].segs);
	c->seg = block + n;
	c->end = block + r->arena.classes[req->block].segs;
	req->block++;
	req->odd |= REQ_ODD;
	/* n_readable means nothing yet if the readable part is being walked. */
	req->pub.readable = block;
	req->pub.writable = block + req->pub.n_readable;
	return 0;
}

static int chain_add_piece(struct chain *c, struct iovec piece, bool writable)
{
	struct ring *r = c->ring;
	int err = 0;

	if (c->seg == c->end && !chain_is_long(c)) {
		if ((uint32_t)(c->seg - c->req->pub.readable) >= r->max_segs ||
		    c->req->block >= r->arena.n_classes)
			err = chain_begin_long(c, writable);
		else
			err = chain_grow(c);
	}
	if (err)
		return err;
	if (chain_is_long(c))
		return chain_add_long(c, piece, writable);
	*c->seg++ = piece;
	c->len += piece.iov_len;
	return 0;
}

/*
 * Where addr is, and how much of len is there.  0; CHAIN_WAITS; -EIO: outside guest memory.  What
 * may be read and written is kept in the window, which is not asked about the direction.
 */
static int ring_look_up(struct ring *r, uint64_t addr, uint64_t len, bool writable,
			struct iovec *piece)
{
	struct ring_window w = r->window;
	uint64_t room = w.end - addr;

	if (!room || room > w.size) {
		struct space_run run;
		int err = r->space.find(&r->space, addr, writable ? SPACE_WRITE : SPACE_READ, &run);

		if (err == SPACE_MISS) {
			ring_miss(r, addr, writable ? SPACE_WRITE : SPACE_READ);
			return CHAIN_WAITS;
		}
		if (err)
			return ring_break(r, "a buffer outside guest memory");
		w.end = run.span.start + run.span.size;
		w.size = run.span.size;
		w.shift = (uintptr_t)run.span.host - run.span.start;
		if (run.access == SPACE_BOTH)
			r->window = w;
		room = w.end - addr;
	}
	piece->iov_base = (void *)(uintptr_t)(addr + w.shift);
	piece->iov_len = room < len ? room : len;
	return 0;
}

int chain_add_slow(struct chain *c, uint64_t addr, uint64_t len, bool writable)
{
	struct ring *r = c->ring;

	if (!len)
		return ring_break(r, "a buffer of length 0");
	/* There may be memory on both sides of 2^64. */
	if (addr + (len - 1) < addr)
		return ring_break(r, "a buffer outside guest memory");
	/* A buffer may continue in the next region: one segment for each piece. */
	while (len) {
		struct iovec piece = {NULL, 0};
		int err = ring_look_up(r, addr, len, writable, &piece);

		if (!err)
			err = chain_add_piece(c, piece, writable);
		if (err)
			return err;
		addr += piece.iov_len;
		len -= piece.iov_len;
	}
	return 0;
}

void chain_release(struct ring *r, struct req *req)
{
	struct iovec *block;

	if (req->block) {
		memcpy(&block, &req->pub.readable, sizeof(block));
		arena_put(&r->arena, req->block - 1u, block);
	}
	req->block = 0;
	req->odd = 0;
	req->pub.flags = 0;
	req->pub.readable = req->segs;
}
