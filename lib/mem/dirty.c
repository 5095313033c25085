/* SPDX-License-Identifier: MIT */
/* Marks in the dirty log.  Owns nothing; any thread. */
#include "mem/dirty.h"

#include "mem/region.h"

enum { PAGES_PER_BYTE = 8 };

bool dirty_mark(const struct region *log, uint64_t addr, uint64_t len)
{
	uint64_t first = addr / DIRTY_PAGE, last, size = log->info.size;
	bool is_all;

	if (!len)
		return true;
	/* What wraps around has no end that a log could have. */
	last = (addr + (len - 1) < addr ? UINT64_MAX : addr + (len - 1)) / DIRTY_PAGE;
	if (first / PAGES_PER_BYTE >= size)
		return false;
	is_all = last / PAGES_PER_BYTE < size;
	if (!is_all)
		last = size * PAGES_PER_BYTE - 1;
	for (uint64_t byte = first / PAGES_PER_BYTE; byte <= last / PAGES_PER_BYTE; byte++) {
		unsigned int mask = 0xff;

		if (byte == first / PAGES_PER_BYTE)
			mask &= 0xffu << first % PAGES_PER_BYTE;
		if (byte == last / PAGES_PER_BYTE)
			mask &= 0xffu >> (PAGES_PER_BYTE - 1 - last % PAGES_PER_BYTE);
		/*
		 * Release pairs with the front-end's acquire when it fetches and clears the bits
		 * (QEMU vhost_dev_sync_region): it then copies what was written before.  Never only
		 * a look whether the bit is set already: it may be cleared, and the page copied,
		 * before our write gets there.
		 */
		__atomic_fetch_or(&log->host[byte], (unsigned char)mask, __ATOMIC_RELEASE);
	}
	return is_all;
}
