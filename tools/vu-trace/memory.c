/* SPDX-License-Identifier: MIT */
/* Reading guest memory: see memory.h.  Owns duplicates of the regions' files. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"

enum { IOTLB_UPDATE = 2, IOTLB_INVALIDATE = 3 };

void memory_init(struct memory *m)
{
	m->n_regions = 0;
	m->n_iotlb = m->iotlb_next = 0;
	m->iommu = false;
}

void memory_clear(struct memory *m)
{
	for (uint32_t i = 0; i < m->n_regions; i++)
		if (m->regions[i].fd >= 0)
			close(m->regions[i].fd);
	m->n_regions = 0;
}

static bool region_is_sane(const struct wire_region *r)
{
	return r->size && r->guest_addr + r->size - 1 >= r->guest_addr &&
	       r->user_addr + r->size - 1 >= r->user_addr && r->mmap_offset <= INT64_MAX &&
	       r->size <= INT64_MAX - r->mmap_offset;
}

bool memory_add(struct memory *m, const struct wire_region *region, int fd)
{
	struct memory_region *r = &m->regions[m->n_regions];

	if (m->n_regions == MEMORY_REGIONS || !region_is_sane(region))
		return false;
	r->where = *region;
	/* Reading from other files may take as long as somebody likes. */
	r->fd = descriptor_kind(fd) == DESCRIPTOR_MEMORY ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	m->n_regions++;
	return r->fd >= 0;
}

void memory_remove(struct memory *m, const struct wire_region *region)
{
	for (uint32_t i = 0; i < m->n_regions; i++) {
		struct wire_region *r = &m->regions[i].where;

		if (r->guest_addr != region->guest_addr || r->size != region->size ||
		    r->user_addr != region->user_addr)
			continue;
		if (m->regions[i].fd >= 0)
			close(m->regions[i].fd);
		m->regions[i] = m->regions[--m->n_regions];
		return;
	}
}

/* The last byte of a translation; one over everything wraps. */
static uint64_t iotlb_last(const struct wire_iotlb *t)
{
	uint64_t last = t->iova + t->size - 1;

	return last < t->iova ? UINT64_MAX : last;
}

static void memory_forget(struct memory *m, const struct wire_iotlb *msg)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n_iotlb; i++)
		if (iotlb_last(&m->iotlb[i]) < msg->iova || m->iotlb[i].iova > iotlb_last(msg))
			m->iotlb[kept++] = m->iotlb[i];
	m->n_iotlb = kept;
}

void memory_translate(struct memory *m, const struct wire_iotlb *msg)
{
	if (!msg->size || (msg->type != IOTLB_UPDATE && msg->type != IOTLB_INVALIDATE))
		return;
	memory_forget(m, msg);
	if (msg->type == IOTLB_INVALIDATE)
		return;
	if (m->n_iotlb < MEMORY_IOTLB)
		m->iotlb[m->n_iotlb++] = *msg;
	else
		m->iotlb[m->iotlb_next++ % MEMORY_IOTLB] = *msg;
}

/* Where addr is by its user address; *len is cut to what is known to follow it. */
static bool memory_walk(const struct memory *m, uint64_t *addr, size_t *len)
{
	for (uint32_t i = 0; i < m->n_iotlb; i++) {
		const struct wire_iotlb *t = &m->iotlb[i];

		if (*addr < t->iova || *addr > iotlb_last(t))
			continue;
		if (*len - 1 > iotlb_last(t) - *addr)
			*len = (size_t)(iotlb_last(t) - *addr + 1);
		*addr = t->user_addr + (*addr - t->iova);
		return true;
	}
	return false;
}

/* How much of it could be read, or -1 with errno. */
static ssize_t memory_read_part(const struct memory *m, enum memory_space space, uint64_t addr,
				void *to, size_t len)
{
	if (m->iommu) {
		if (!memory_walk(m, &addr, &len))
			return 0;
		space = MEMORY_USER;
	}
	for (uint32_t i = 0; i < m->n_regions; i++) {
		const struct wire_region *r = &m->regions[i].where;
		uint64_t start = space == MEMORY_GUEST ? r->guest_addr : r->user_addr;
		uint64_t offset = addr - start;

		if (addr < start || offset >= r->size)
			continue;
		if (len > r->size - offset)
			len = (size_t)(r->size - offset);
		return m->regions[i].fd < 0
			       ? 0
			       : pread(m->regions[i].fd, to, len, (off_t)(r->mmap_offset + offset));
	}
	return 0;
}

bool memory_read(const struct memory *m, enum memory_space space, uint64_t addr, void *to,
		 size_t len)
{
	unsigned char *at = to;

	while (len) {
		ssize_t n = memory_read_part(m, space, addr, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* 0: there is nothing, or the file ends before the region */
			return false;
		addr += (uint64_t)n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}
