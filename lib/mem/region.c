/* SPDX-License-Identifier: MIT */
/*
 * Maps guest memory.  The mapping starts at the page that contains mmap_offset, whatever the
 * page size of the file is (a hugetlbfs file wants its own), and ends with the region's last page.
 */
#include "mem/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "mem/guarded.h"
#include "mem/mappings.h"

enum { HUGETLBFS = 0x958458f6 }; /* statfs(2): HUGETLBFS_MAGIC */

static uint64_t region_page_size(int fd)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == HUGETLBFS &&
	    (uint64_t)fs.f_bsize > page)
		page = (uint64_t)fs.f_bsize;
	return page;
}

/* Every sum of two of the region's values must stay below 2^64, its mapping below SIZE_MAX. */
static const char *region_check(const struct region_info *info, uint64_t page)
{
	uint64_t end;

	if (!info->size)
		return "its size is 0";
	if (info->guest_addr + (info->size - 1) < info->guest_addr)
		return "its guest addresses wrap around";
	if (info->user_addr + (info->size - 1) < info->user_addr)
		return "its user addresses wrap around";
	if (__builtin_add_overflow(info->mmap_offset, info->size, &end) || end > INT64_MAX - page)
		return "its offset in the file is too large";
	if (info->size > SIZE_MAX / 2 - page)
		return "it is larger than this process can map";
	return NULL;
}

/* Before anything is asked of the file. */
static int region_check_file(int fd, const char **why)
{
	enum descriptor_kind kind = descriptor_kind(fd);

	/* Slow ones do not get here unless they are allowed (wire/conn.c). */
	if (kind == DESCRIPTOR_MEMORY || kind == DESCRIPTOR_SLOW_FILE)
		return 0;
	*why = "its descriptor is no memory: no memfd, file or DAX device";
	return -EINVAL;
}

/* A page beyond the end of the file would be a SIGBUS at the first access. */
static int region_check_size(const struct region_info *info, int fd, struct stat *st,
			     const char **why)
{
	if (fstat(fd, st) < 0) {
		*why = "its file cannot be examined";
		return -errno;
	}
	if (S_ISREG(st->st_mode) && (uint64_t)st->st_size < info->mmap_offset + info->size) {
		*why = "it reaches beyond the end of its file";
		return -EINVAL;
	}
	return 0;
}

/* The mapping itself, accounted for and listed. */
static int region_map_pages(struct region *r, struct mappings *mappings, int fd, uint64_t start,
			    uint64_t page, const char **why)
{
	int err;

	if (!mappings_reserve(mappings, r->map_len)) {
		*why = "more memory than the device may map";
		return -EDQUOT;
	}
	r->map = guarded_map(fd, start, r->map_len, (size_t)page);
	if (r->map == MAP_FAILED) {
		err = -errno;
		*why = "it cannot be mapped";
		mappings_release(mappings, r->map_len);
		return err;
	}
	/* A guest's memory makes no useful part of our core dump. */
	(void)madvise(r->map, r->map_len, MADV_DONTDUMP);
	r->slot = mappings_add(mappings, r->map, r->map_len);
	if (r->slot)
		return 0;
	*why = "out of memory";
	guarded_unmap(r->map, r->map_len);
	mappings_release(mappings, r->map_len);
	return -ENOMEM;
}

int region_map(struct mappings *mappings, const struct region_info *info, int fd,
	       struct region **out, const char **why)
{
	uint64_t page, start, lead;
	struct region *r;
	struct stat st;
	int err;

	err = region_check_file(fd, why);
	if (err)
		return err;
	page = region_page_size(fd);
	*why = region_check(info, page);
	if (*why)
		return -EINVAL;
	err = region_check_size(info, fd, &st, why);
	if (err)
		return err;
	start = info->mmap_offset / page * page;
	lead = info->mmap_offset - start;
	r = calloc(1, sizeof(*r));
	if (!r) {
		*why = "out of memory";
		return -ENOMEM;
	}
	r->info = *info;
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	r->file = -1;
	r->refs = 1;
	r->map_len = (size_t)((lead + info->size + page - 1) / page * page);
	err = region_map_pages(r, mappings, fd, start, page, why);
	if (err) {
		free(r);
		return err;
	}
	r->mappings = mappings_ref(mappings);
	r->host = (unsigned char *)r->map + lead;
	*out = r;
	return 0;
}

void region_keep_file(struct region *region, int fd)
{
	if (descriptor_kind(fd) == DESCRIPTOR_MEMORY)
		region->file = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

bool region_is_same(const struct region *a, const struct region *b)
{
	return a->info.guest_addr == b->info.guest_addr && a->info.size == b->info.size &&
	       a->info.user_addr == b->info.user_addr &&
	       a->info.mmap_offset == b->info.mmap_offset && a->dev == b->dev && a->ino == b->ino;
}

struct region *region_ref(struct region *region)
{
	__atomic_fetch_add(&region->refs, 1, __ATOMIC_RELAXED);
	return region;
}

void region_unref(struct region *region)
{
	if (!region || __atomic_fetch_sub(&region->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	mappings_remove(region->slot);
	guarded_unmap(region->map, region->map_len);
	mappings_release(region->mappings, region->map_len);
	mappings_unref(region->mappings);
	if (region->file >= 0)
		close(region->file);
	free(region);
}
