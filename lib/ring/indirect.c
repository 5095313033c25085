/* SPDX-License-Identifier: MIT */
/* Indirect tables.  Queue thread. */
#include "ring/indirect.h"

#include <string.h>

/* Collect a table that lies in several regions, or at an odd address.  False: outside memory. */
static bool indirect_copy(struct ring *r, uint64_t addr, uint32_t len)
{
	unsigned char *to = r->scratch;

	/* There may be memory on both sides of 2^64. */
	if (addr + (len - 1) < addr)
		return false;
	while (len) {
		const struct span *span = table_find(r->table, TABLE_GUEST, addr);
		uint64_t piece;

		if (!span)
			return false;
		piece = span->size - (addr - span->start);
		if (piece > len)
			piece = len;
		memcpy(to, span->host + (addr - span->start), piece);
		to += piece;
		addr += piece;
		len -= (uint32_t)piece;
	}
	return true;
}

int indirect_open_slow(struct ring *r, uint64_t addr, uint32_t len, const void **table, uint32_t *n)
{
	*n = 0;
	if (unlikely(!r->indirect))
		return ring_break(r, "an indirect descriptor, but the feature was not negotiated");
	if (unlikely(!len || len % DESC_BYTES))
		return ring_break(r, "an indirect table whose length is not a multiple of 16");
	*n = len / DESC_BYTES;
	*table = table_translate(r->table, TABLE_GUEST, addr, len);
	if (likely(*table && (uintptr_t)*table % sizeof(uint64_t) == 0))
		return 0;
	/* At most max_segs entries of it can be of use. */
	if (*n > r->max_segs)
		return ring_break(r, "an indirect table across regions, longer than max_segs");
	*table = r->scratch;
	return indirect_copy(r, addr, len)
		       ? 0
		       : ring_break(r, "an indirect table outside guest memory");
}
