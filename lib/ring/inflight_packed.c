/* SPDX-License-Identifier: MIT */
/*
 * The in-flight log of a packed ring.  It copies every descriptor, because a used one overwrites
 * those of others that are still in flight.  Entries not in a chain are on a free list; the `old_`
 * fields are what was true before the batch that is being published.  The order of the writes is
 * the specification's.
 */
#include <stddef.h>
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

/* Written as one: half of a new position would be a wrong one. */
struct log_used {
	uint16_t idx;
	uint16_t old_idx;
	uint8_t wrap_counter;
	uint8_t old_wrap_counter;
	uint8_t padding[2];
};

struct log_packed {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	struct log_used used;
	uint64_t padding;
	struct log_entry entries[];
};

_Static_assert(offsetof(struct log_packed, used) == 16 && sizeof(struct log_used) == 8 &&
		       offsetof(struct log_packed, entries) == 32,
	       "the specification's QueueRegionPacked");

_Static_assert(offsetof(struct log_packed, desc_num) == offsetof(struct inflight_header, desc_num),
	       "what both layouts begin with");

static struct log_packed *log_of(const struct ring *r)
{
	return r->log->base;
}

static struct log_used log_get_used(const struct log_packed *log)
{
	uint64_t word = log_get64((const uint64_t *)(const void *)&log->used);
	struct log_used used;

	memcpy(&used, &word, sizeof(used));
	return used;
}

static void log_set_used(struct log_packed *log, struct packed_pos used, struct packed_pos old)
{
	const struct log_used parts = {
		(uint16_t)used.slot, (uint16_t)old.slot, packed_wrap(used), packed_wrap(old), {0}};
	uint64_t word;

	memcpy(&word, &parts, sizeof(word));
	log_set64((uint64_t *)(void *)&log->used, word);
}

/* What is new becomes what is old. */
static void log_settle(const struct ring *r)
{
	struct log_packed *log = log_of(r);

	log_set16(&log->old_free_head, r->log->free_head);
	log_set_used(log, r->used, r->used);
	r->log->old_used = r->used;
}

/* Was the slot that the batch began with given back to the driver? */
static bool log_was_published(const struct ring *r, struct packed_pos at)
{
	uint16_t flags = le16_read_once(&packed_ring(r)[at.slot].flags);
	bool avail = flags & PACKED_F_AVAIL, used = flags & PACKED_F_USED;

	return !(avail == packed_wrap(at) && used != packed_wrap(at));
}

/*
 * Whatever was being done when it died: forward if the driver can see the batch, else back, to
 * where a chain that was just being taken had not been taken.
 */
static void log_finish_batch(struct ring *r, struct log_used was)
{
	struct log_packed *log = log_of(r);
	struct packed_pos used = {was.idx, packed_lap(was.wrap_counter)};
	struct packed_pos old = {was.old_idx, packed_lap(was.old_wrap_counter)};

	r->log->free_head = log_get16(&log->old_free_head);
	r->used = old;
	if ((used.slot != old.slot || used.lap != old.lap) && log_was_published(r, old)) {
		r->log->free_head = log_get16(&log->free_head);
		r->used = used;
	}
	log_set16(&log->free_head, r->log->free_head);
	log_settle(r);
}

/* Entries on the free list are not in flight, whatever they say. */
static void log_clear_free(const struct ring *r)
{
	struct log_packed *log = log_of(r);
	uint16_t at = r->log->free_head;

	/* The last one's next leads nowhere: at most `entries` steps. */
	for (uint32_t i = 0; i < r->log->entries && at < r->log->entries; i++) {
		log_set8(&log->entries[at].inflight, 0);
		at = log_get16(&log->entries[at].next);
	}
}

/*
 * Check a chain in flight, note how it goes on, and mark its entries as taken.  Returns its number
 * of entries, or -EINVAL.
 */
static int log_adopt_chain(const struct ring *r, uint16_t head, bool *taken)
{
	const struct log_packed *log = log_of(r);
	uint16_t num = log_get16(&log->entries[head].num);
	uint16_t last = log_get16(&log->entries[head].last), at = head;

	if (!num || num > r->size || last >= r->log->entries)
		return -EINVAL;
	for (uint16_t i = 0;; i++) {
		uint16_t next = log_get16(&log->entries[at].next);

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
		log_set16(&log->entries[i].next, (uint16_t)head);
		log_set8(&log->entries[i].inflight, 0);
		head = i;
	}
	r->log->free_head = (uint16_t)head;
	log_set16(&log->free_head, (uint16_t)head);
	log_settle(r);
}

static int log_check(const struct ring *r, uint16_t version, struct log_used used, const char **why)
{
	const struct log_packed *log = log_of(r);

	if (version != INFLIGHT_VERSION || log_get64(&log->features) ||
	    log_get16(&log->desc_num) != r->log->entries)
		return log_refuse(why, "its in-flight log is of another version or size");
	if (used.idx >= r->size || used.old_idx >= r->size || used.wrap_counter > 1 ||
	    used.old_wrap_counter > 1)
		return log_refuse(why, "its in-flight log has a position beyond the ring");
	return 0;
}

/*
 * A batch's used descriptors are written before its first makes them visible.  Taken back, they
 * must not be there when others are used in front of them.
 */
static void log_hide_used(const struct ring *r, uint32_t slots)
{
	struct packed_pos at = r->used;

	for (uint32_t i = 0; i < slots; i++) {
		uint16_t *p = &packed_ring(r)[at.slot].flags, flags = le16_read_once(p);

		if (packed_flags_say(flags, at.lap))
			le16_write_once(p, (uint16_t)packed_flags_available(at.lap));
		packed_advance(r, &at, 1);
	}
}

static int log_gather(struct ring *r, bool *taken, struct inflight_found *found, uint32_t *n,
		      const char **why)
{
	const struct log_packed *log = log_of(r);
	uint32_t slots = 0;

	for (uint32_t i = 0; i < r->log->entries; i++) {
		int num;

		if (log_get8(&log->entries[i].inflight) != 1)
			continue;
		num = log_adopt_chain(r, (uint16_t)i, taken);
		if (num < 0 || (slots += (uint32_t)num) > r->size)
			return log_refuse(why, "its in-flight log has chains that cannot be");
		found[*n].counter = log_get64(&log->entries[i].counter);
		found[(*n)++].entry = (uint16_t)i;
	}
	/* What was taken is what was used and what is in flight. */
	r->avail = r->used;
	packed_advance(r, &r->avail, slots);
	r->seen = r->avail;
	r->outstanding_slots = slots;
	log_hide_used(r, slots);
	return 0;
}

int inflight_packed_open(struct ring *r, struct inflight_found *found, uint32_t *n,
			 const char **why)
{
	struct log_packed *log = log_of(r);
	bool *taken = r->log->taken;
	uint16_t version = log_get16(&log->version);
	struct log_used used;
	int err;

	*n = 0;
	if (!version) {
		log_set64(&log->features, 0);
		log_set16(&log->desc_num, (uint16_t)r->log->entries);
		log_rebuild_free(r, taken);
		log_set16(&log->version, INFLIGHT_VERSION);
		return 0;
	}
	r->log->is_resumed = true;
	used = log_get_used(log);
	err = log_check(r, version, used, why);
	if (err)
		return err;
	log_finish_batch(r, used);
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

		r->log->noted[i].addr = LE64(log_get64(&e->addr));
		r->log->noted[i].len = LE32(log_get32(&e->len));
		r->log->noted[i].id = LE16(log_get16(&e->id));
		r->log->noted[i].flags = LE16(log_get16(&e->flags));
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

		log_set64(&e->addr, LE64(d->addr));
		log_set32(&e->len, LE32(d->len));
		log_set16(&e->id, LE16(d->id));
		log_set16(&e->flags, LE16(d->flags));
		last = at;
		at = r->log->next[at];
	}
	log_set16(&log->entries[head].num, (uint16_t)req->slots);
	log_set16(&log->entries[head].last, last);
	log_set64(&log->entries[head].counter, r->log->counter++);
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
	log_set16(&log->entries[req->log_last].next, r->log->free_head);
	r->log->free_head = req->log_entry;
	log_set16(&log->free_head, req->log_entry);
	log_set_used(log, r->used, r->log->old_used);
}

void inflight_packed_published(struct ring *r)
{
	struct log_packed *log = log_of(r);

	for (uint32_t i = 0; i < r->log->n_batch; i++)
		log_set8(&log->entries[r->log->batch[i]].inflight, 0);
	log_settle(r);
}

void inflight_packed_put_back(struct ring *r, const struct req *req)
{
	struct log_packed *log = log_of(r);

	log_set8(&log->entries[req->log_entry].inflight, 0);
	r->log->next[req->log_last] = r->log->free_head;
	log_set16(&log->entries[req->log_last].next, r->log->free_head);
	r->log->free_head = req->log_entry;
	log_set16(&log->free_head, req->log_entry);
	log_set16(&log->old_free_head, req->log_entry);
}
