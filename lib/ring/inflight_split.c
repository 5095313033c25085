/* SPDX-License-Identifier: MIT */
/*
 * The in-flight log of a split ring.  The order of the writes is the specification's: a crash
 * between any two of them leaves a log that inflight_split_open() can set right.  All of it is
 * in this machine's byte order.
 */
#include <stddef.h>

#include "base/atomics.h"
#include "ring/chain.h"
#include "ring/inflight.h"
#include "ring/split.h"
#include "ring/split_big.h"

struct log_entry {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct log_split {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct log_entry entries[];
};

_Static_assert(offsetof(struct log_split, desc_num) == offsetof(struct inflight_header, desc_num),
	       "what both layouts begin with");

static struct log_split *log_of(const struct ring *r)
{
	return r->log->base;
}

/*
 * The back-end died between publishing a batch and clearing its entries: the list of the last batch
 * says which they are.
 */
static int log_finish_batch(struct ring *r, const char **why)
{
	struct log_split *log = log_of(r);
	uint16_t used_idx = (uint16_t)r->used_pos, head = log_get16(&log->last_batch_head);
	uint16_t n = (uint16_t)(used_idx - log_get16(&log->used_idx));

	if (n > r->size) {
		/* The guest can do that, and must not be able to end sessions. */
		ring_break(r, "a used index that its in-flight log does not know");
		return 0;
	}
	while (n--) {
		if (head >= r->log->entries)
			return log_refuse(why, "its in-flight log has a batch that leads outside");
		log_set8(&log->entries[head].inflight, 0);
		head = log_get16(&log->entries[head].next);
	}
	log_set16(&log->used_idx, used_idx);
	return 0;
}

static void log_begin(struct ring *r)
{
	struct log_split *log = log_of(r);

	log_set64(&log->features, 0);
	log_set16(&log->desc_num, (uint16_t)r->log->entries);
	log_set16(&log->last_batch_head, 0);
	log_set16(&log->used_idx, (uint16_t)r->used_pos);
	for (uint32_t i = 0; i < r->log->entries; i++)
		log_set8(&log->entries[i].inflight, 0);
	log_set16(&log->version, INFLIGHT_VERSION);
}

int inflight_split_open(struct ring *r, struct inflight_found *found, uint32_t *n, const char **why)
{
	struct log_split *log = log_of(r);
	uint16_t version = log_get16(&log->version);
	int err;

	*n = 0;
	if (!version) {
		log_begin(r);
		return 0;
	}
	r->log->is_resumed = true;
	if (version != INFLIGHT_VERSION || log_get64(&log->features) ||
	    log_get16(&log->desc_num) != r->log->entries)
		return log_refuse(why, "its in-flight log is of another version or size");
	err = log_finish_batch(r, why);
	if (err || !r->is_live)
		return err;
	for (uint32_t i = 0; i < r->log->entries; i++) {
		if (log_get8(&log->entries[i].inflight) != 1)
			continue;
		if (i >= r->size)
			return log_refuse(why,
					  "its in-flight log names a descriptor beyond the ring");
		found[*n].counter = log_get64(&log->entries[i].counter);
		found[(*n)++].entry = (uint16_t)i;
	}
	/* What was taken is what was used and what is in flight. */
	r->next_pos = (uint16_t)(r->used_pos + *n);
	r->avail_idx = (uint16_t)r->next_pos;
	return 0;
}

int inflight_split_walk(struct ring *r, uint16_t entry, struct req **req)
{
	return r->big_endian ? split_big_take_head(r, entry, req) : split_take_head(r, entry, req);
}

void inflight_split_taken(struct ring *r, struct req *req)
{
	struct log_entry *e = &log_of(r)->entries[req->id];

	req->log_entry = req->id;
	log_set64(&e->counter, r->log->counter++);
	log_set8(&e->inflight, 1);
}

void inflight_split_pushed(struct ring *r, const struct req *req)
{
	struct log_split *log = log_of(r);
	uint16_t last = r->log->n_batch > 1 ? r->log->batch[r->log->n_batch - 2] : req->id;

	/* The end of a batch's list is never followed. */
	log_set16(&log->entries[req->id].next, last);
	log_set16(&log->last_batch_head, req->id);
}

void inflight_split_published(struct ring *r)
{
	struct log_split *log = log_of(r);

	for (uint32_t i = 0; i < r->log->n_batch; i++)
		log_set8(&log->entries[r->log->batch[i]].inflight, 0);
	log_set16(&log->used_idx, (uint16_t)r->used_pos);
}

void inflight_split_put_back(struct ring *r, const struct req *req)
{
	log_set8(&log_of(r)->entries[req->id].inflight, 0);
}
