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

/* A descriptor, read once into private memory. */
struct split_copy {
	uint64_t addr;
	uint32_t len;
	uint32_t rest; /* flags, next << 16 */
};

static inline struct split_copy split_read(const struct split_desc *d)
{
	return (struct split_copy){
		.addr = le64_read_once(&d->addr),
		.len = le32_read_once(&d->len),
		.rest = le16_read_pair(&d->flags),
	};
}

static int split_indirect(struct chain *c, struct split_copy d, bool in_table, uint32_t part);

/*
 * Walk descriptors from one on: readable ones, then writable ones.  part is what is being walked, 0
 * or DESC_F_WRITE; that, the order and indirection are one comparison.  0, CHAIN_STARVED, -EIO.
 *
 * Outside of a table it is the ring's own that is walked; it is looked up there each time, because
 * there are too few registers.  Loops need no count of their own: every descriptor adds a segment,
 * and chain_add() stops some way beyond max_segs.
 */
static inline __attribute__((always_inline)) int split_walk(struct chain *c,
							    const struct split_desc *table,
							    uint32_t limit, size_t at,
							    bool in_table, uint32_t part)
{
	const struct split_desc *p =
		&(in_table ? table : (const struct split_desc *)c->ring->desc)[at];
	struct split_copy d;
	uint32_t next;
	int err;

	for (;;) {
		d = split_read(p);
		if ((d.rest & (DESC_F_WRITE | DESC_F_INDIRECT)) != part) {
			if (unlikely(d.rest & DESC_F_INDIRECT))
				return split_indirect(c, d, in_table, part);
			if (unlikely(part))
				return ring_break(c->ring,
						  "a readable buffer after a writable one");
			chain_end_readable(c);
			part = DESC_F_WRITE;
		}
		err = chain_add(c, d.addr, d.len, part);
		if (unlikely(err))
			return err;
		if (!(d.rest & DESC_F_NEXT))
			break;
		next = d.rest >> 16;
		if (unlikely(next >= (in_table ? limit : c->ring->size)))
			return ring_break(c->ring, "a next field beyond the descriptor table");
		/*
		 * Mostly it is the next one: as a guess of the branch predictor's, that need not
		 * wait for the field to be read.
		 */
		if (likely(next == at + 1))
			p++;
		else
			p = &(in_table ? table : (const struct split_desc *)c->ring->desc)[next];
		at = next;
	}
	if (unlikely(!part))
		chain_end_readable(c);
	chain_end(c);
	return 0;
}

/* A whole chain in a table: the usual case, kept in line. */
static inline __attribute__((always_inline)) int
split_walk_table(struct ring *r, struct req *req, const struct split_desc *table, uint32_t n)
{
	struct chain c;

	chain_begin(&c, r, req);
	return split_walk(&c, table, n, 0, true, 0);
}

/* The rest of a chain in a table. */
static __attribute__((noinline)) int
split_walk_rest(struct chain *begun, const struct split_desc *table, uint32_t n, uint32_t part)
{
	struct chain c = *begun;

	return split_walk(&c, table, n, 0, true, part);
}

/*
 * Go on in the indirect table that d points to (§2.7.5.3): the last of the direct descriptors,
 * whose WRITE flag means nothing.
 */
static inline int split_indirect(struct chain *c, struct split_copy d, bool in_table, uint32_t part)
{
	const void *table;
	struct chain begun;
	uint32_t n;
	int err;

	if (unlikely(in_table))
		return ring_break(c->ring, "an indirect descriptor inside an indirect table");
	if (unlikely(d.rest & DESC_F_NEXT))
		return ring_break(c->ring,
				  "an indirect descriptor that is not the last of its chain");
	err = indirect_open(c->ring, d.addr, d.len, &table, &n);
	if (unlikely(err))
		return err;
	if (likely(c->seg == c->req->segs))
		return split_walk_table(c->ring, c->req, table, n);
	/* A copy: so that c itself can stay in registers. */
	begun = *c;
	return split_walk_rest(&begun, table, n, part);
}

/*
 * The chain that begins there: one descriptor is all of it at once.  If it is more, the walk begins
 * anew, and knows nothing of what was read here.
 */
static inline __attribute__((always_inline)) int split_walk_chain(struct ring *r, struct req *req,
								  uint32_t head)
{
	const struct split_desc *d = &((const struct split_desc *)r->desc)[head];
	uint32_t rest = le16_read_pair(&d->flags);
	struct chain c;

	if (!(rest & (DESC_F_NEXT | DESC_F_INDIRECT)) &&
	    likely(chain_single(r, req, le64_read_once(&d->addr), le32_read_once(&d->len),
				rest & DESC_F_WRITE)))
		return 0;
	chain_begin(&c, r, req);
	return split_walk(&c, NULL, 0, head, false, 0);
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
	if (unlikely(req->state != REQ_FREE)) {
		if (req->state != REQ_NEW)
			return ring_break(r, "a descriptor made available that is still in use");
		pool_begin(r, head);
	}
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

int split_take(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	uint32_t pos = r->next_pos, n = (uint16_t)(r->avail_idx - pos);
	struct vu_req **end;
	int err;

	if (!n) {
		err = likely(r->is_live) ? split_refresh(r) : -EIO;
		if (err <= 0)
			return err;
		n = (uint16_t)(r->avail_idx - pos);
	}
	if (n > max)
		n = max;
	for (end = reqs + n; reqs != end; reqs++) {
		const uint16_t *heads = r->driver + SPLIT_RING;
		struct req *req;

		err = split_take_one(r, le16_read_once(&heads[pos & (r->size - 1)]), &req);
		if (unlikely(err)) {
			/* If it is broken nothing more is to be taken. */
			if (err < 0)
				r->avail_idx = (uint16_t)pos;
			/* What was taken before is handed out; the next call tells of it. */
			if (pos == r->next_pos)
				return err < 0 ? err : 0;
			break;
		}
		req->pos = pos++;
		*reqs = &req->pub;
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
