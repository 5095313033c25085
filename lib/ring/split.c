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
	/* vhost-user SET_VRING_BASE: the used position is read from the ring itself. */
	r->used_pos = le16_read_once(&r->device[SPLIT_IDX]);
	r->signal_pos = r->used_pos;
}

int split_bad_index(struct ring *r)
{
	return ring_break(r, "an available index that moved by more than the ring's size");
}

/*
 * A descriptor, read once into private memory.  The second half stays in one piece: its bits are
 * tested where they are, which costs an instruction less each.
 */
struct split_copy {
	uint64_t addr;
	uint64_t rest; /* len, flags << 32, next << 48 */
};

static inline struct split_copy split_read(const struct split_desc *d)
{
	return (struct split_copy){
		.addr = le64_read_once(&d->addr),
		.rest = le64_read_once((const uint64_t *)(const void *)&d->len),
	};
}

static inline uint32_t copy_len(struct split_copy d)
{
	return (uint32_t)d.rest;
}

static inline bool copy_has(struct split_copy d, uint64_t flag)
{
	return d.rest & flag << 32;
}

static inline uint32_t copy_next(struct split_copy d)
{
	return (uint32_t)(d.rest >> 48);
}

/* The descriptors being walked: the ring's own table, later perhaps an indirect one. */
struct split_walk {
	const struct split_desc *table;
	uint32_t limit; /* entries of the table */
	uint32_t at;
	bool is_indirect;
};

/*
 * Go on in the indirect table that d points to (§2.7.5.3): the last of the direct descriptors,
 * whose WRITE flag means nothing.
 */
static inline int split_enter_indirect(struct ring *r, struct split_walk *w, struct split_copy d)
{
	const void *table;
	uint32_t n;
	int err;

	if (unlikely(w->is_indirect))
		return ring_break(r, "an indirect descriptor inside an indirect table");
	if (unlikely(copy_has(d, DESC_F_NEXT)))
		return ring_break(r, "an indirect descriptor that is not the last of its chain");
	err = indirect_open(r, d.addr, copy_len(d), &table, &n);
	w->is_indirect = true;
	w->table = table;
	w->limit = n;
	w->at = 0;
	return err;
}

/*
 * Follow a next field; false if it leads out of the table.  Loops need no count of their own: every
 * descriptor adds a segment, and chain_add() stops at max_segs.
 */
static inline bool split_follow(struct split_walk *w, uint32_t next)
{
	w->at = next;
	return next < w->limit;
}

static int split_lost(struct ring *r)
{
	return ring_break(r, "a next field beyond the descriptor table");
}

/*
 * Walk a chain into its request: two loops, readable then writable, so that order and indirection
 * share one unlikely branch.  0, CHAIN_STARVED, -EIO.
 */
static inline __attribute__((always_inline)) int split_walk(struct ring *r, struct req *req,
							    uint16_t head)
{
	struct split_walk w = {(const struct split_desc *)r->desc, r->size, head, false};
	struct split_copy d;
	struct chain c;
	int err;

	chain_begin(&c, r, req);
	for (;;) {
		d = split_read(&w.table[w.at]);
		if (unlikely(copy_has(d, DESC_F_INDIRECT))) {
			err = split_enter_indirect(r, &w, d);
			if (err)
				return err;
			continue;
		}
		if (copy_has(d, DESC_F_WRITE))
			break;
		err = chain_add(&c, d.addr, copy_len(d));
		if (unlikely(err))
			return err;
		if (!copy_has(d, DESC_F_NEXT)) {
			chain_end_readable(&c);
			chain_end(&c);
			return 0;
		}
		if (unlikely(!split_follow(&w, copy_next(d))))
			return split_lost(r);
	}
	chain_end_readable(&c);
	for (;;) {
		if (unlikely(!copy_has(d, DESC_F_WRITE) || copy_has(d, DESC_F_INDIRECT))) {
			if (!copy_has(d, DESC_F_INDIRECT))
				return ring_break(r, "a readable buffer after a writable one");
			err = split_enter_indirect(r, &w, d);
			if (err)
				return err;
		} else {
			err = chain_add(&c, d.addr, copy_len(d));
			if (unlikely(err))
				return err;
			if (!copy_has(d, DESC_F_NEXT))
				break;
			if (unlikely(!split_follow(&w, copy_next(d))))
				return split_lost(r);
		}
		d = split_read(&w.table[w.at]);
	}
	chain_end(&c);
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
	if (unlikely(req->state != REQ_FREE))
		return ring_break(r, "a descriptor made available that is still in use");
	err = split_walk(r, req, head);
	if (unlikely(err))
		chain_release(r, req);
	*out = req;
	return err;
}

int split_take_head(struct ring *r, uint16_t head, struct req **req)
{
	int err = split_take_one(r, head, req);

	if (!err) {
		(*req)->pos = r->next_pos;
		(*req)->log_entry = head;
	}
	return err;
}

int split_take_ready(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	uint32_t mask = r->size - 1, n = 0, ready;
	int err = 0;

	ready = (uint16_t)(r->avail_idx - r->next_pos);
	if (max > ready)
		max = ready;
	for (; n < max; n++) {
		uint16_t head = le16_read_once(&r->driver[SPLIT_RING + (r->next_pos & mask)]);
		struct req *req;

		err = split_take_one(r, head, &req);
		if (unlikely(err))
			break;
		req->pos = r->next_pos++;
		reqs[n] = &req->pub;
	}
	/* What was taken before a broken chain is handed out; the next call tells of it. */
	return n ? (int)n : err < 0 ? err : 0;
}

uint32_t split_base(const struct ring *r)
{
	return (uint16_t)r->next_pos;
}
