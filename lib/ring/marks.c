/* SPDX-License-Identifier: MIT */
/* Marks of a ring in the dirty log.  See marks.h. */
#include "ring/marks.h"

#include "mem/dirty.h"
#include "ring/packed.h"
#include "ring/split.h"

static void marks_guest(struct ring *r, uint64_t addr, uint64_t len)
{
	struct marks *m = &r->marks;

	m->has_news = true;
	if (likely(dirty_mark(m->config.log, addr, len)) || m->is_told)
		return;
	m->is_told = true;
	if (r->config.unmarked)
		r->config.unmarked(r->config.queue, addr, len);
}

/* len bytes that are mapped there, in one region of that table. */
static void marks_host(struct ring *r, const struct table *table, const void *host, uint64_t len)
{
	uint64_t addr;

	if (table_guest_addr(table, host, &addr))
		marks_guest(r, addr, len);
}

/* len bytes of an area that is mapped once more, and in several runs of guest memory. */
static __attribute__((noinline)) void marks_runs(struct ring *r, enum ring_area area,
						 const void *host, uint64_t len)
{
	while (len) {
		uint64_t piece = len;
		const void *origin = areas_origin(r, area, host, &piece);

		marks_host(r, r->areas_table, origin, piece);
		host = (const unsigned char *)host + piece;
		len -= piece;
	}
}

static void marks_area(struct ring *r, enum ring_area area, const void *host, uint64_t len)
{
	if (likely(!r->mirrors[area]))
		marks_host(r, r->areas_table, host, len);
	else
		marks_runs(r, area, host, len);
}

/* len bytes of the device area. */
static void marks_device(struct ring *r, uint64_t offset, uint64_t len)
{
	const struct marks_config *c = &r->marks.config;
	uint64_t at;

	if (c->is_in_place)
		marks_area(r, RING_DEVICE, (const unsigned char *)r->device + offset, len);
	else if (!__builtin_add_overflow(c->used_at, offset, &at))
		marks_guest(r, at, len);
}

/* n entries of what used entries are written to, from this one on. */
static void marks_entries(struct ring *r, uint32_t first, uint32_t n)
{
	if (r->packed)
		marks_area(r, RING_DESC, packed_ring(r) + first, n * sizeof(struct packed_desc));
	else
		marks_device(r, SPLIT_RING * sizeof(uint16_t) + first * sizeof(struct split_used),
			     n * sizeof(struct split_used));
}

/* Of a ring whose areas are nowhere nothing is written. */
static bool marks_used(const struct ring *r)
{
	return r->marks.config.log && r->marks.config.is_used_on && r->device;
}

void marks_whole_area(struct ring *r)
{
	uint64_t bytes = r->packed ? packed_event_bytes() : split_device_bytes(r->size);

	if (!marks_used(r))
		return;
	marks_device(r, 0, bytes);
	if (r->packed)
		marks_entries(r, 0, r->size);
}

/* Any page may have been written to, and nobody knows any more which. */
static void marks_all_memory(struct ring *r)
{
	for (uint32_t i = 0; i < table_regions(r->table); i++) {
		const struct span *span = table_span(r->table, TABLE_GUEST, i);

		marks_guest(r, span->start, span->size);
	}
}

static bool marks_are(const struct marks *m, const struct marks_config *c, const struct region *log)
{
	const struct marks_config *now = &m->config;

	return now->log == log && now->is_on == c->is_on && now->is_used_on == c->is_used_on &&
	       now->used_at == c->used_at && now->is_in_place == c->is_in_place;
}

void marks_set(struct ring *r, const struct marks_config *config)
{
	struct marks *m = &r->marks;
	struct region *log = config->is_on ? config->log : NULL, *old = m->config.log;

	if (marks_are(m, config, log))
		return;
	m->config = *config;
	m->config.log = log ? region_ref(log) : NULL;
	m->is_told = m->is_told && log == old;
	region_unref(old);
	m->from = r->used_pos;
	ring_choose_way(r);
	if (log) {
		marks_whole_area(r);
		if (m->owes)
			marks_all_memory(r);
	}
	m->owes = m->owes && config->is_on && !log;
}

void marks_end(struct ring *r)
{
	marks_set(r, &(struct marks_config){0});
}

void marks_request(struct ring *r, const struct req *req, uint64_t written)
{
	const struct iovec *seg = req->pub.writable, *end = seg + req->pub.n_writable;

	if (!r->marks.config.log) {
		r->marks.owes |= written > 0;
		return;
	}
	for (; written && seg < end; seg++) {
		uint64_t len = seg->iov_len < written ? seg->iov_len : written;

		marks_host(r, req->table, seg->iov_base, len);
		written -= len;
	}
}

/* Used entries that are not marked yet.  A packed ring's are the first slots of chains. */
static uint32_t marks_left(const struct ring *r, uint32_t *first)
{
	uint32_t n = r->used_pos - r->marks.from, end;

	if (n > r->size)
		n = r->size;
	end = r->packed ? r->used.slot : r->used_pos & r->mask;
	*first = end >= n ? end - n : end + r->size - n;
	return n;
}

void marks_pushed(struct ring *r)
{
	uint32_t first, n = marks_left(r, &first), room;

	if (!n || !marks_used(r))
		return;
	room = r->size - first;
	marks_entries(r, first, n < room ? n : room);
	if (n > room)
		marks_entries(r, 0, n - room);
}

void marks_published(struct ring *r)
{
	uint32_t first, n = marks_left(r, &first);

	r->marks.from = r->used_pos;
	if (!n || !marks_used(r))
		return;
	if (r->packed)
		marks_entries(r, first, 1); /* whose flags were kept back */
	else
		marks_device(r, SPLIT_IDX * sizeof(uint16_t), sizeof(uint16_t));
}

void marks_armed(struct ring *r)
{
	if (!marks_used(r))
		return;
	if (r->packed)
		marks_device(r, 0, packed_event_bytes());
	else if (r->event_idx)
		marks_device(r, split_device_bytes(r->size) - sizeof(uint16_t), sizeof(uint16_t));
	else
		marks_device(r, SPLIT_FLAGS * sizeof(uint16_t), sizeof(uint16_t));
}
