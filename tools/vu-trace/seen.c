/* SPDX-License-Identifier: MIT */
/* Requests, from descriptors: see seen.h.  No state of its own. */
#include "seen.h"

#include <endian.h>
#include <string.h>

static void pieces_add(struct seen_pieces *p, uint32_t most, uint64_t addr, uint32_t len)
{
	if (p->len >= most || p->n == SEEN_PIECES)
		return;
	if (len > most - p->len)
		len = most - p->len;
	p->piece[p->n].addr = addr;
	p->piece[p->n++].len = len;
	p->len += len;
}

/* Keep the last bytes: let go of what is before them. */
static void pieces_add_tail(struct seen_pieces *p, uint64_t addr, uint32_t len)
{
	uint32_t gone = 0;

	if (len > SEEN_TAIL) {
		addr += len - SEEN_TAIL;
		len = SEEN_TAIL;
	}
	while (gone < p->n &&
	       (p->len - p->piece[gone].len + len >= SEEN_TAIL || p->n - gone == SEEN_PIECES))
		p->len -= p->piece[gone++].len;
	memmove(p->piece, p->piece + gone, (p->n - gone) * sizeof(p->piece[0]));
	p->n -= gone;
	p->piece[p->n].addr = addr;
	p->piece[p->n++].len = len;
	p->len += len;
}

void seen_add(struct seen *s, uint64_t addr, uint32_t len, bool write)
{
	s->segments++;
	if (!len)
		return;
	if (write) {
		s->in += len;
		pieces_add(&s->written, SEEN_WRITTEN, addr, len);
		pieces_add_tail(&s->tail, addr, len);
	} else {
		s->out += len;
		pieces_add(&s->head, SEEN_HEAD, addr, len);
	}
}

void seen_add_table(struct seen *s, const struct memory *m, uint64_t addr, uint32_t len,
		    bool packed, uint32_t *budget)
{
	uint32_t n = len / sizeof(struct seen_desc), at = 0;
	const struct seen before = *s;

	if (!n || len % sizeof(struct seen_desc)) {
		s->flaw = "its indirect table has an odd length";
		return;
	}
	for (uint32_t steps = 0; steps < n && *budget; steps++, --*budget) {
		struct seen_desc d;
		uint16_t flags;

		if (!memory_read(m, MEMORY_GUEST, addr + at * sizeof(d), &d, sizeof(d))) {
			*s = before;
			s->table.addr = addr;
			s->table.len = len;
			s->table.packed = packed;
			s->flaw = "its indirect table cannot be read";
			return;
		}
		flags = le16toh(packed ? d.second : d.first);
		seen_add(s, le64toh(d.addr), le32toh(d.len), flags & SEEN_WRITE);
		at = packed ? at + 1 : le16toh(d.second);
		if (!packed && !(flags & SEEN_NEXT))
			return;
		if (at >= n) {
			s->flaw = packed ? s->flaw : "its indirect table leads beyond its end";
			return;
		}
	}
	s->flaw = "its indirect table is a loop, or too long to be looked at";
}

void seen_read_table(struct seen *s, const struct memory *m, uint32_t *budget)
{
	uint32_t len = s->table.len;

	if (!len)
		return;
	s->table.len = 0;
	s->flaw = NULL;
	seen_add_table(s, m, s->table.addr, len, s->table.packed, budget);
}

size_t seen_pieces_read(const struct seen_pieces *p, const struct memory *m, void *to, size_t len)
{
	size_t done = 0;

	for (uint32_t i = 0; i < p->n && done < len; i++) {
		size_t n = p->piece[i].len < len - done ? p->piece[i].len : len - done;

		if (!memory_read(m, MEMORY_GUEST, p->piece[i].addr, (char *)to + done, n))
			break;
		done += n;
	}
	return done;
}

void seen_read(struct seen *s, const struct memory *m)
{
	if (!s->n_head)
		s->n_head = (uint32_t)seen_pieces_read(&s->head, m, s->bytes, SEEN_HEAD);
}
