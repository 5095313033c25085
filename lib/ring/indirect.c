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
	if (unlikely(!r->indirect && !r->config.indirect_offered))
		return ring_break(r, "an indirect descriptor, but the feature was not offered");
	if (unlikely(!r->indirect)) {
		/* A fault of the driver's, but it is clear what it means. */
		ring_warn(r, RING_WARN_INDIRECT,
			  "indirect descriptors without having accepted "
			  "VIRTIO_F_INDIRECT_DESC: they are served all the same");
		r->indirect = true;
	}
	if (unlikely(!len || len % DESC_BYTES))
		return ring_break(r, "an indirect table whose length is not a multiple of 16");
	*n = len / DESC_BYTES;
	*table = table_translate(r->table, TABLE_GUEST, addr, len);
	if (likely(*table && (uintptr_t)*table % sizeof(uint64_t) == 0))
		return 0;
	/* More entries of it cannot be of use. */
	if (*n > ring_walk_limit(r))
		return ring_break(r, "an indirect table across regions, far longer than max_segs");
	*table = r->scratch;
	return indirect_copy(r, addr, len)
		       ? 0
		       : ring_break(r, "an indirect table outside guest memory");
}
