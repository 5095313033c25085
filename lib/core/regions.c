/* SPDX-License-Identifier: MIT */
/* Guest memory for devices that want it by address: references are on tables. */
#include <errno.h>
#include <string.h>

#include <libvu/unstable.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "core/device.h"
#include "mem/table.h"

struct vu_memory *vu_device_memory(struct vu_device *dev)
{
	return (struct vu_memory *)(dev->table ? table_ref(dev->table) : NULL);
}

void vu_device_watch_memory(struct vu_device *dev, vu_memory_fn fn, void *opaque)
{
	dev->memory_changed = fn;
	dev->memory_opaque = opaque;
}

void vu_device_keep_memory_files(struct vu_device *dev, int keep)
{
	dev->keep_files = keep;
}

int vu_memory_file(const struct vu_memory *memory, uint64_t addr, uint64_t *offset)
{
	return table_file((const struct table *)memory, addr, offset);
}

int vu_memory_region(const struct vu_memory *memory, uint32_t index, struct vu_region *out)
{
	const struct table *table = (const struct table *)memory;
	const size_t size = out->size;
	struct vu_region region = {.size = size < sizeof(region) ? size : sizeof(region)};
	const struct span *span;

	if (size < FIRST_REGION || size > SIZE_STRUCT_MAX)
		return -EINVAL;
	if (index >= table_regions(table))
		return -ENOENT;
	span = table_span(table, TABLE_GUEST, index);
	region.guest_addr = span->start;
	region.len = span->size;
	region.host = span->host;
	memset(out, 0, size);
	memcpy(out, &region, region.size);
	return 0;
}

int vu_memory_map(const struct vu_memory *memory, uint64_t addr, uint64_t len, struct iovec *iov,
		  uint32_t max)
{
	const struct table *table = (const struct table *)memory;
	uint32_t n = 0;

	/* There may be memory on both sides of 2^64. */
	if (len && addr + (len - 1) < addr)
		return -EFAULT;
	while (len) {
		const struct span *span = table_find(table, TABLE_GUEST, addr);
		uint64_t room;

		if (!span)
			return -EFAULT;
		if (n == max)
			return -ENOSPC;
		room = span->size - (addr - span->start);
		if (room > len)
			room = len;
		iov[n++] = (struct iovec){span->host + (addr - span->start), room};
		addr += room;
		len -= room;
	}
	return (int)n;
}
