/* SPDX-License-Identifier: MIT */
/* Mappings between pages that nobody may touch.  See guarded.h. */
#include "mem/guarded.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	HUGE_PAGE = 2 << 20, /* to be backed by huge pages, address and offset have to agree */
	TRIES = 8,
};

/* Room for the mapping and its two guards, which are left of it; or MAP_FAILED. */
static unsigned char *guarded_room(uint64_t offset, size_t len, size_t align, size_t guard)
{
	size_t size = len + 2 * guard + align;
	unsigned char *all, *map, *behind;

	all = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return MAP_FAILED;
	map = all + guard;
	map += (size_t)(offset - (uintptr_t)map) & (align - 1);
	behind = map + len + guard;
	if (map - guard > all)
		munmap(all, (size_t)(map - guard - all));
	munmap(map, len);
	if (behind < all + size)
		munmap(behind, (size_t)(all + size - behind));
	return map;
}

void *guarded_map(int fd, uint64_t offset, size_t len, size_t page)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	size_t align = len >= HUGE_PAGE && page < HUGE_PAGE ? HUGE_PAGE : page;

	for (int i = 0; i < TRIES; i++) {
		unsigned char *room = guarded_room(offset, len, align, guard);
		void *map;
		int err;

		if (room == MAP_FAILED)
			return MAP_FAILED;
		/* Another thread may have mapped something in between: never replace that. */
		map = mmap(room, len, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, (off_t)offset);
		if (map == room)
			return map;
		err = errno;
		/* Before Linux 4.17 the address is but a wish. */
		if (map != MAP_FAILED) {
			munmap(map, len);
			err = EEXIST;
		}
		munmap(room - guard, guard);
		munmap(room + len, guard);
		errno = err;
		if (err != EEXIST)
			return MAP_FAILED;
	}
	return MAP_FAILED;
}

void guarded_unmap(void *map, size_t len)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);

	munmap((unsigned char *)map - guard, len + 2 * guard);
}

void *guarded_reserve(size_t len)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *all = mmap(NULL, len + 2 * guard, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return all == MAP_FAILED ? MAP_FAILED : all + guard;
}

void guarded_unmap_but(void *map, size_t len, void *lost, size_t lost_len)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *first = (unsigned char *)map - guard, *behind = (unsigned char *)map + len;
	unsigned char *end = (unsigned char *)lost + lost_len;

	munmap(first, (size_t)((unsigned char *)lost - first));
	munmap(end, (size_t)(behind + guard - end));
}
