/* SPDX-License-Identifier: MIT */
/*
 * The split layout: virtio 1.3 §2.7.  Queue thread.
 *
 * driver area (§2.7.6):  flags, idx, ring[size], used_event
 * device area (§2.7.8):  flags, idx, {id, len}[size], avail_event
 */
#include "ring/split.h"

#include <errno.h>
#include <string.h>

#include "base/atomics.h"
#include "base/probe.h"
#include "ring/chain.h"
#include "ring/indirect.h"

uint64_t split_desc_bytes(uint32_t size)
{
	return (uint64_t)size * sizeof(struct split_desc);
}

uint64_t split_driver_bytes(uint32_t size)
{
	return sizeof(uint16_t) * (SPLIT_RING + (uint64_t)size + 1);
}

uint64_t split_device_bytes(uint32_t size)
{
	return sizeof(uint16_t) * (SPLIT_RING + 1) + (uint64_t)size * sizeof(struct split_used);
}

void split_begin(struct ring *r)
{
	r->next_pos = (uint16_t)r->config.base;
	r->avail_idx = (uint16_t)r->next_pos;
	if (!r->is_live)
		return;
	/* vhost-user SET_VRING_BASE: the used position is read from the ring itself. */
	r->used_pos = le16_read_once(&r->device[SPLIT_IDX]);
	r->signal_pos = r->used_pos;
}

int split_bad_index(struct ring *r)
{
	return ring_break(r, "an available index that moved by more than the ring's size");
}

/*
 * A descriptor's fields are read once each: the flags when it is come to, as they say what it is,
 * the others where they are used.
 */
static inline uint32_t split_flags(const struct split_desc *d)
{
	return le16_read_once(&d->flags);
}

static int split_go_indirect(struct chain *begun, const struct split_desc *d, uint32_t flags,
			     bool in_table, uint32_t part);

/*
 * Walk descriptors from p on, number `at`, whose flags were read: readable ones, then writable
 * ones.  part is what is being walked, 0 or DESC_F_WRITE; that, the order and indirection are one
 * comparison: in flags, WRITE means that a descriptor is of the other part.  0, CHAIN_STARVED,
 * -EIO.
 *
 * Outside of a table it is the ring's own that is walked; it is looked up there each time, because
 * there are too few registers.  Loops need no count of their own: every descriptor adds a segment,
 * and chain_add() stops some way beyond max_segs.
 */
static inline __attribute__((always_inline)) int
split_walk(struct chain *c, const struct split_desc *table, size_t limit,
	   const struct split_desc *p, size_t at, uint32_t flags, bool in_table, uint32_t part)
{
	size_t next;
	int err;

	for (;;) {
		if (flags & (DESC_F_WRITE | DESC_F_INDIRECT)) {
			if (unlikely(flags & DESC_F_INDIRECT)) {
				/* A copy: so that c itself can stay in registers. */
				struct chain begun = *c;

				return split_go_indirect(&begun, p, flags, in_table, part);
			}
			if (unlikely(part))
				return ring_break(c->ring,
						  "a readable buffer after a writable one");
			chain_end_readable(c);
			part = DESC_F_WRITE;
		}
		err = chain_add(c, le64_read_once(&p->addr), le32_read_once(&p->len), part);
		if (unlikely(err))
			return err;
		if (!(flags & DESC_F_NEXT))
			break;
		next = le16_read_once(&p->next);
		if (unlikely(in_table ? next >= limit : (uint32_t)next >= c->ring->size))
			return ring_break(c->ring, "a next field beyond the descriptor table");
		/*
		 * Mostly it is the following one: as a guess of the branch predictor's, that need
		 * not wait for the field to be read.
		 */
		p++;
		if (unlikely(next != ++at)) {
			p = &(in_table ? table : (const struct split_desc *)c->ring->desc)[next];
			at = next;
		}
		flags = split_flags(p) ^ part;
	}
	if (unlikely(!part))
		chain_end_readable(c);
	chain_end(c);
	return 0;
}

/* A whole chain in the table that d points to: the usual case, kept in line. */
static inline __attribute__((always_inline)) int split_walk_table(struct ring *r, struct req *req,
								  const struct split_desc *d)
{
	const void *memory;
	const struct split_desc *table;
	struct chain c;
	uint32_t n;
	int err = indirect_open(r, le64_read_once(&d->addr), le32_read_once(&d->len), &memory, &n);

	if (unlikely(err))
		return err;
	table = memory;
	chain_begin(&c, r, req);
	return split_walk(&c, table, n, table, 0, split_flags(table), true, 0);
}

/*
 * Go on in the indirect table that d points to (§2.7.5.3): the last of the direct descriptors,
 * whose WRITE flag means nothing.
 */
static __attribute__((noinline)) int split_go_indirect(struct chain *begun,
						       const struct split_desc *d, uint32_t flags,
						       bool in_table, uint32_t part)
{
	const struct split_desc *table;
	struct chain c = *begun;
	const void *memory;
	uint32_t n;
	int err;

	if (in_table)
		return ring_break(c.ring, "an indirect descriptor inside an indirect table");
	if (flags & DESC_F_NEXT)
		return ring_break(c.ring,
				  "an indirect descriptor that is not the last of its chain");
	err = indirect_open(c.ring, le64_read_once(&d->addr), le32_read_once(&d->len), &memory, &n);
	if (err)
		return err;
	table = memory;
	return split_walk(&c, table, n, table, 0, split_flags(table) ^ part, true, part);
}

/*
 * The chain that begins there: one descriptor, a table, or more.  What each of them is not sure of
 * is left to the walk, which begins with the flags that were read, and reads the rest itself.
 */
static inline __attribute__((always_inline)) int split_walk_chain(struct ring *r, struct req *req,
								  uint32_t head)
{
	const struct split_desc *d = &((const struct split_desc *)r->desc)[head];
	uint32_t flags = split_flags(d);
	struct chain c;

	if (!(flags & DESC_F_NEXT)) {
		if (unlikely(flags & DESC_F_INDIRECT))
			return split_walk_table(r, req, d);
		if (likely(chain_single(r, req, le64_read_once(&d->addr), le32_read_once(&d->len),
					flags & DESC_F_WRITE)))
			return 0;
	}
	chain_begin(&c, r, req);
	return split_walk(&c, NULL, 0, d, head, flags, false, 0);
}

/* Break the ring, unless it is a request that was never used. */
static __attribute__((noinline)) int split_not_free(struct ring *r, uint32_t head)
{
	if (ring_req(r, head)->state != REQ_NEW)
		return ring_break(r, "a descriptor made available that is still in use");
	pool_begin(r, head);
	return 0;
}

/* Take the chain that begins there.  0, CHAIN_STARVED, -EIO. */
static inline __attribute__((always_inline)) int split_take_one(struct ring *r, uint16_t head,
								struct req **out)
{
	struct req *req;
	int err;

	*out = NULL;
	if (unlikely(head >= r->size))
		return ring_break(r, "an available entry beyond the descriptor table");
	req = ring_req(r, head);
	if (unlikely(req->state != REQ_FREE) && split_not_free(r, head))
		return -EIO;
	err = split_walk_chain(r, req, head);
	if (unlikely(err)) {
		chain_release(r, req);
		return err;
	}
	if (unlikely(r->has_extras))
		ring_took(r, req);
	*out = req;
	return 0;
}

int split_take_head(struct ring *r, uint16_t head, struct req **req)
{
	int err = split_take_one(r, head, req);

	if (!err) {
		r->taken++;
		(*req)->pos = r->next_pos;
		(*req)->log_entry = head;
	}
	return err;
}

/* How many there are to be taken: seen before, or there by now. */
static inline uint32_t split_count(struct ring *r)
{
	uint16_t n = (uint16_t)(r->avail_idx - r->next_pos);

	return n ? n : split_see(r);
}

int split_take(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	uint32_t pos = r->next_pos, n = split_count(r), end;
	int err;

	if (n > max)
		n = max;
	if (unlikely(!n))
		return r->is_live ? 0 : -EIO;
	for (end = pos + n; pos != end; pos++) {
		const uint16_t *heads = r->driver + SPLIT_RING;
		struct req *req;

		err = split_take_one(r, le16_read_once(&heads[pos & r->mask]), &req);
		if (unlikely(err)) {
			/* If it is broken nothing more is to be taken. */
			if (err < 0)
				r->avail_idx = (uint16_t)pos;
			/* What was taken before is handed out; the next call tells of it. */
			if (pos == r->next_pos)
				return err < 0 ? err : 0;
			break;
		}
		req->pos = pos;
		*reqs++ = &req->pub;
		RING_PROBE(take, r, req, req->pub.readable_len);
	}
	n = pos - r->next_pos;
	r->next_pos = pos;
	r->taken += n;
	return (int)n;
}

uint32_t split_base(const struct ring *r)
{
	return (uint16_t)r->next_pos;
}
