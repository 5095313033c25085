/* SPDX-License-Identifier: MIT */
/*
 * The in-flight log of a packed ring.  It copies every descriptor, because a used one overwrites
 * those of others that are still in flight.  Entries not in a chain are on a free list; the `old_`
 * fields are what was true before the batch that is being published.  The order of the writes is
 * the specification's.
 */
#include <errno.h>
#include <string.h>

#include "ring/chain.h"
#include "ring/inflight.h"
#include "ring/packed.h"

struct log_entry {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

struct log_packed {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	uint16_t used_idx;
	uint16_t old_used_idx;
	uint8_t used_wrap_counter;
	uint8_t old_used_wrap_counter;
	uint8_t padding[7];
	struct log_entry entries[];
};

enum { LOG_VERSION = 1 };

static struct log_packed *log_of(const struct ring *r)
{
	return r->log->base;
}

/* Another process reads these after we died: the compiler must keep their order. */
static void log_set8(uint8_t *p, uint8_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static void log_set16(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static int log_refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

/* The batch is over: what is new becomes what is old. */
static void log_settle(struct log_packed *log)
{
	log_set16(&log->old_free_head, log->free_head);
	log_set16(&log->old_used_idx, log->used_idx);
	log_set8(&log->old_used_wrap_counter, log->used_wrap_counter);
}

/* Was the slot that the batch began with given back to the driver? */
static bool log_was_published(const struct ring *r, const struct log_packed *log)
{
	uint16_t flags = le16_read_once(&packed_ring(r)[log->old_used_idx].flags);
	bool avail = flags & PACKED_F_AVAIL, used = flags & PACKED_F_USED;
	bool wrap = log->old_used_wrap_counter;

	return !(avail == wrap && used != wrap);
}

/* Died while publishing: forward if the driver can see the batch, else back. */
static void log_finish_batch(const struct ring *r)
{
	struct log_packed *log = log_of(r);

	if (log->used_idx == log->old_used_idx &&
	    log->used_wrap_counter == log->old_used_wrap_counter)
		return;
	if (log_was_published(r, log)) {
		log_settle(log);
	} else {
		log_set16(&log->free_head, log->old_free_head);
		log_set16(&log->used_idx, log->old_used_idx);
		log_set8(&log->used_wrap_counter, log->old_used_wrap_counter);
	}
}

/* Entries on the free list are not in flight, whatever they say. */
static void log_clear_free(const struct ring *r)
{
	struct log_packed *log = log_of(r);
	uint16_t at = log->free_head;

	/* The last one's next leads nowhere: at most `entries` steps. */
	for (uint32_t i = 0; i < r->log->entries && at < r->log->entries; i++) {
		log_set8(&log->entries[at].inflight, 0);
		at = log->entries[at].next;
	}
}

/*
 * Check a chain in flight, note how it goes on, and mark its entries as taken.  Returns its number
 * of entries, or -EINVAL.
 */
static int log_adopt_chain(const struct ring *r, uint16_t head, bool *taken)
{
	const struct log_packed *log = log_of(r);
	uint16_t num = log->entries[head].num, last = log->entries[head].last, at = head;

	if (!num || num > r->size || last >= r->log->entries)
		return -EINVAL;
	for (uint16_t i = 0;; i++) {
		uint16_t next = log->entries[at].next;

		if (taken[at])
			return -EINVAL;
		taken[at] = true;
		if (i + 1 == num)
			break;
		if (next >= r->log->entries)
			return -EINVAL;
		r->log->next[at] = next;
		at = next;
	}
	r->log->num[head] = num;
	return at == last ? num : -EINVAL;
}

/* Everything that no chain has becomes the free list. */
static void log_rebuild_free(const struct ring *r, const bool *taken)
{
	struct log_packed *log = log_of(r);
	uint32_t head = r->log->entries;

	for (uint32_t i = r->log->entries; i-- > 0;) {
		if (taken[i])
			continue;
		r->log->next[i] = (uint16_t)head;
		log->entries[i].next = (uint16_t)head;
		log->entries[i].inflight = 0;
		head = i;
	}
	r->log->free_head = (uint16_t)head;
	log_set16(&log->free_head, (uint16_t)head);
	log_settle(log);
}

static int log_check(const struct ring *r, const char **why)
{
	const struct log_packed *log = log_of(r);

	if (log->version != LOG_VERSION || log->features || log->desc_num != r->log->entries)
		return log_refuse(why, "its in-flight log is of another version or size");
	if (log->used_idx >= r->size || log->old_used_idx >= r->size ||
	    log->used_wrap_counter > 1 || log->old_used_wrap_counter > 1)
		return log_refuse(why, "its in-flight log has a position beyond the ring");
	return 0;
}

static int log_gather(struct ring *r, bool *taken, struct inflight_found *found, uint32_t *n,
		      const char **why)
{
	const struct log_packed *log = log_of(r);
	uint32_t slots = 0;

	for (uint32_t i = 0; i < r->log->entries; i++) {
		int num;

		if (log->entries[i].inflight != 1)
			continue;
		num = log_adopt_chain(r, (uint16_t)i, taken);
		if (num < 0 || (slots += (uint32_t)num) > r->size)
			return log_refuse(why, "its in-flight log has chains that cannot be");
		found[*n].counter = log->entries[i].counter;
		found[(*n)++].entry = (uint16_t)i;
	}
	/* What was taken is what was used and what is in flight. */
	r->used = (struct packed_pos){log->used_idx, log->used_wrap_counter};
	r->avail = r->used;
	packed_advance(r, &r->avail, slots);
	r->seen = r->avail;
	r->outstanding_slots = slots;
	return 0;
}

int inflight_packed_open(struct ring *r, struct inflight_found *found, uint32_t *n,
			 const char **why)
{
	struct log_packed *log = log_of(r);
	bool *taken = r->log->taken;
	int err;

	*n = 0;
	if (!log->version) {
		log->features = 0;
		log->desc_num = (uint16_t)r->log->entries;
		log->used_idx = (uint16_t)r->used.slot;
		log->used_wrap_counter = r->used.wrap;
		log_rebuild_free(r, taken);
		log_set16(&log->version, LOG_VERSION);
		return 0;
	}
	err = log_check(r, why);
	if (err)
		return err;
	log_finish_batch(r);
	log_clear_free(r);
	err = log_gather(r, taken, found, n, why);
	if (!err)
		log_rebuild_free(r, taken);
	return err;
}

int inflight_packed_walk(struct ring *r, uint16_t entry, struct req **out)
{
	const struct log_packed *log = log_of(r);
	uint16_t at = entry, num = r->log->num[entry];

	/* Into private memory, each once: the region is shared. */
	for (uint16_t i = 0;; at = r->log->next[at]) {
		const struct log_entry *e = &log->entries[at];

		r->log->noted[i].addr = LE64(e->addr);
		r->log->noted[i].len = LE32(e->len);
		r->log->noted[i].id = LE16(e->id);
		r->log->noted[i].flags = LE16(e->flags);
		if (++i == num)
			break;
	}
	return packed_take_noted(r, num, entry, at, out);
}

void inflight_packed_taken(struct ring *r, struct req *req)
{
	struct log_packed *log = log_of(r);
	uint16_t head = r->log->free_head, at = head, last = head;

	/* The chain takes the first entries of the free list. */
	for (uint32_t i = 0; i < req->slots; i++) {
		const struct packed_desc *d = &r->log->noted[i];
		struct log_entry *e = &log->entries[at];

		e->addr = LE64(d->addr);
		e->len = LE32(d->len);
		e->id = LE16(d->id);
		e->flags = LE16(d->flags);
		last = at;
		at = r->log->next[at];
	}
	log->entries[head].num = req->slots;
	log->entries[head].last = last;
	log->entries[head].counter = r->log->counter++;
	log_set8(&log->entries[head].inflight, 1);
	req->log_entry = head;
	req->log_last = last;
	r->log->free_head = at;
	log_set16(&log->free_head, at);
	/* Until here the chain is on the old free list: a crash forgets it. */
	log_set16(&log->old_free_head, at);
}

void inflight_packed_pushed(struct ring *r, const struct req *req)
{
	struct log_packed *log = log_of(r);

	r->log->next[req->log_last] = r->log->free_head;
	log->entries[req->log_last].next = r->log->free_head;
	r->log->free_head = req->log_entry;
	log_set16(&log->free_head, req->log_entry);
	log_set16(&log->used_idx, (uint16_t)r->used.slot);
	log_set8(&log->used_wrap_counter, r->used.wrap);
}

void inflight_packed_published(struct ring *r)
{
	struct log_packed *log = log_of(r);

	for (uint32_t i = 0; i < r->log->n_batch; i++)
		log_set8(&log->entries[r->log->batch[i]].inflight, 0);
	log_settle(log);
}

void inflight_packed_put_back(struct ring *r, const struct req *req)
{
	struct log_packed *log = log_of(r);

	log_set8(&log->entries[req->log_entry].inflight, 0);
	r->log->next[req->log_last] = r->log->free_head;
	log->entries[req->log_last].next = r->log->free_head;
	r->log->free_head = req->log_entry;
	log_set16(&log->free_head, req->log_entry);
	log_set16(&log->old_free_head, req->log_entry);
}
