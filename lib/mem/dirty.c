/* SPDX-License-Identifier: MIT */
/* Marks in the dirty log.  Owns nothing; any thread. */
#include "mem/dirty.h"

#include "mem/region.h"

enum { PAGES_PER_BYTE = 8 };

/*
 * Whole words from this byte on, none of which reaches beyond end: how many bytes that were.  All
 * ones lose nobody's bits, so these are stores; release as below.  It is for what is large: all of
 * a guest's memory.
 */
static uint64_t dirty_mark_words(unsigned char *bytes, uint64_t byte, uint64_t end)
{
	uint64_t at = byte;

	if ((uintptr_t)(bytes + at) % sizeof(uint64_t))
		return 0;
	for (; end - at >= sizeof(uint64_t); at += sizeof(uint64_t))
		__atomic_store_n((uint64_t *)(void *)(bytes + at), UINT64_MAX, __ATOMIC_RELEASE);
	return at - byte;
}

bool dirty_mark(const struct region *log, uint64_t addr, uint64_t len)
{
	uint64_t first = addr / DIRTY_PAGE, last, size = log->info.size, first_byte, last_byte;
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
	first_byte = first / PAGES_PER_BYTE;
	last_byte = last / PAGES_PER_BYTE;
	for (uint64_t byte = first_byte; byte <= last_byte; byte++) {
		unsigned int mask = 0xff;

		if (byte == first_byte)
			mask &= 0xffu << first % PAGES_PER_BYTE;
		else
			byte += dirty_mark_words(log->host, byte, last_byte);
		if (byte == last_byte)
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
