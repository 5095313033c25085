/* SPDX-License-Identifier: MIT */
/* Indirect tables.  Queue thread. */
#include "ring/indirect.h"

#include <errno.h>
#include <string.h>

#include "ring/chain.h"

/* Collect a table that lies in several regions, or at an odd address.  As space_translate(). */
static int indirect_copy(struct ring *r, uint64_t addr, uint32_t len, uint64_t *missed)
{
	unsigned char *to = r->scratch;

	/* There may be memory on both sides of 2^64. */
	if (addr + (len - 1) < addr)
		return -EFAULT;
	while (len) {
		struct space_run run;
		int err = r->space.find(&r->space, addr, SPACE_READ, &run);
		uint64_t piece;

		*missed = addr;
		if (err)
			return err;
		piece = run.span.size - (addr - run.span.start);
		if (piece > len)
			piece = len;
		memcpy(to, run.span.host + (addr - run.span.start), piece);
		to += piece;
		addr += piece;
		len -= (uint32_t)piece;
	}
	return 0;
}

/* A look-up's answer that is none. */
static int indirect_fail(struct ring *r, int err, uint64_t missed)
{
	if (err != SPACE_MISS)
		return ring_break(r, "an indirect table outside guest memory");
	ring_miss(r, missed, SPACE_READ);
	return CHAIN_WAITS;
}

int indirect_open_slow(struct ring *r, uint64_t addr, uint32_t len, const void **table, uint32_t *n)
{
	uint64_t missed = 0;
	void *host = NULL;
	int err;

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
	err = space_translate(&r->space, addr, len, SPACE_READ, &host, &missed);
	if (err == SPACE_MISS)
		return indirect_fail(r, err, missed);
	*table = host;
	if (likely(!err && (uintptr_t)host % sizeof(uint64_t) == 0))
		return 0;
	/* More entries of it cannot be of use. */
	if (*n > ring_walk_limit(r))
		return ring_break(r, "an indirect table across regions, far longer than max_segs");
	*table = r->scratch;
	err = indirect_copy(r, addr, len, &missed);
	return err ? indirect_fail(r, err, missed) : 0;
}
