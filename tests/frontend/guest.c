/* SPDX-License-Identifier: MIT */
/* Guest memory, see guest.h.  Whoever leaves a region touches a page that faults. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/guest.h"

enum { GUEST_HUGE_PAGE = 2 << 20 };

int guest_new(struct guest **guest)
{
	*guest = calloc(1, sizeof(**guest));
	return *guest ? 0 : -ENOMEM;
}

/* Map the region's file between two pages that nobody may touch.  MAP_FAILED. */
static void *guest_map(const struct guest_region *r, uint64_t start)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), align = r->huge ? GUEST_HUGE_PAGE : page;
	size_t all = r->map_size + 2 * page + align;
	unsigned char *room = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *map;

	if (room == MAP_FAILED)
		return room;
	map = (unsigned char *)(((uintptr_t)room + page + align - 1) / align * align);
	if (mmap(map, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, r->fd,
		 (off_t)start) == MAP_FAILED) {
		munmap(room, all);
		return MAP_FAILED;
	}
	if (map - page > room)
		munmap(room, (size_t)(map - page - room));
	map += r->map_size;
	if (room + all > map + page)
		munmap(map + page, (size_t)(room + all - (map + page)));
	return map - r->map_size;
}

static void guest_release(struct guest_region *r)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	munmap((unsigned char *)r->map - page, r->map_size + 2 * page);
	close(r->fd);
}

void guest_free(struct guest *guest)
{
	uint32_t i;

	if (!guest)
		return;
	for (i = 0; i < guest->n_regions; i++)
		guest_release(&guest->regions[i]);
	free(guest);
}

int guest_add(struct guest *guest, const struct guest_region *config)
{
	uint64_t page = config->huge ? GUEST_HUGE_PAGE : (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t file_size = config->mmap_offset + config->size;
	uint64_t start = config->mmap_offset & ~(page - 1);
	struct guest_region *r;
	int ret;

	if (guest->n_regions == GUEST_REGIONS)
		return -ENOSPC;
	r = &guest->regions[guest->n_regions];
	*r = *config;
	r->used = 0;
	r->fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING | (config->huge ? MFD_HUGETLB : 0));
	if (r->fd < 0)
		return -errno;
	if (ftruncate(r->fd, (off_t)((file_size + page - 1) & ~(page - 1))) < 0)
		goto fail;
	r->map_size = (file_size - start + page - 1) & ~(page - 1);
	r->map = guest_map(r, start);
	if (r->map == MAP_FAILED)
		goto fail;
	r->host = (unsigned char *)r->map + (config->mmap_offset - start);
	return (int)guest->n_regions++;
fail:
	ret = -errno;
	close(r->fd);
	return ret;
}

void guest_remove(struct guest *guest, uint32_t region)
{
	guest_release(&guest->regions[region]);
	guest->n_regions--;
	memmove(&guest->regions[region], &guest->regions[region + 1],
		(guest->n_regions - region) * sizeof(guest->regions[0]));
}

uint64_t guest_alloc_in(struct guest *guest, uint32_t region, uint64_t size, uint64_t align)
{
	struct guest_region *r = &guest->regions[region];
	uint64_t gpa = (r->gpa + r->used + align - 1) & ~(align - 1);

	if (gpa - r->gpa > r->size || size > r->size - (gpa - r->gpa))
		return GUEST_NONE;
	r->used = gpa - r->gpa + size;
	memset(r->host + (gpa - r->gpa), 0, size);
	return gpa;
}

uint64_t guest_alloc(struct guest *guest, uint64_t size, uint64_t align)
{
	uint32_t i;

	for (i = 0; i < guest->n_regions; i++) {
		uint64_t gpa = guest_alloc_in(guest, i, size, align);

		if (gpa != GUEST_NONE)
			return gpa;
	}
	return GUEST_NONE;
}

void guest_free_all(struct guest *guest)
{
	uint32_t i;

	for (i = 0; i < guest->n_regions; i++)
		guest->regions[i].used = 0;
}

static const struct guest_region *guest_find(const struct guest *guest, uint64_t gpa, uint64_t size)
{
	uint32_t i;

	for (i = 0; i < guest->n_regions; i++) {
		const struct guest_region *r = &guest->regions[i];

		if (gpa >= r->gpa && gpa - r->gpa <= r->size && size <= r->size - (gpa - r->gpa))
			return r;
	}
	return NULL;
}

void *guest_ptr(const struct guest *guest, uint64_t gpa, uint64_t size)
{
	const struct guest_region *r = guest_find(guest, gpa, size);

	return r ? r->host + (gpa - r->gpa) : NULL;
}

uint64_t guest_uva(const struct guest *guest, uint64_t gpa)
{
	const struct guest_region *r = guest_find(guest, gpa, 1);

	return r ? r->uva + (gpa - r->gpa) : GUEST_NONE;
}

uint64_t guest_gpa(const struct guest *guest, const void *ptr)
{
	uint32_t i;

	for (i = 0; i < guest->n_regions; i++) {
		const struct guest_region *r = &guest->regions[i];
		uintptr_t at = (uintptr_t)ptr, start = (uintptr_t)r->host;

		if (at >= start && at - start < r->size)
			return r->gpa + (at - start);
	}
	return GUEST_NONE;
}

int guest_truncate(struct guest *guest, uint32_t region, uint64_t size)
{
	struct guest_region *r = &guest->regions[region];

	return ftruncate(r->fd, (off_t)(r->mmap_offset + size)) < 0 ? -errno : 0;
}

void guest_fill(struct guest *guest, uint32_t region, unsigned char byte)
{
	memset(guest->regions[region].host, byte, guest->regions[region].size);
}
