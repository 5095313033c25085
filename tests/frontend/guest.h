/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: memfd regions at chosen guest addresses, user addresses and file offsets, with an
 * allocator.  Plain values, no messages: the ring and memory tests use it without a protocol.
 */
#ifndef FRONTEND_GUEST_H
#define FRONTEND_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUEST_REGIONS = 512 };

/* No guest address: 0 is a legal one. */
#define GUEST_NONE UINT64_MAX

struct guest_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva; /* what the front-end calls its user address; this process is not mapped there
		       */
	uint64_t mmap_offset;
	bool huge; /* on hugepages; sizes and offsets must fit */
	/* Set by guest_add(): */
	int fd;
	uint64_t used; /* bytes given out by the allocator */
	void *map;     /* the whole file from the start of the page (or hugepage) of mmap_offset */
	size_t map_size;
	unsigned char *host; /* first byte of the region */
};

struct guest {
	uint32_t n_regions;
	struct guest_region regions[GUEST_REGIONS];
};

int guest_new(struct guest **guest);
void guest_free(struct guest *guest);

/* Make the region described by the first five members; its index, or -errno. */
int guest_add(struct guest *guest, const struct guest_region *config);
/* Unmap and close the region; those behind it move down by one index. */
void guest_remove(struct guest *guest, uint32_t region);

/* size bytes, zeroed, at a multiple of align (a power of two): its address or GUEST_NONE. */
uint64_t guest_alloc(struct guest *guest, uint64_t size, uint64_t align);
uint64_t guest_alloc_in(struct guest *guest, uint32_t region, uint64_t size, uint64_t align);
/* Everything allocated is free again. */
void guest_free_all(struct guest *guest);

/* The bytes in this process, or NULL if they are not all in one region. */
void *guest_ptr(const struct guest *guest, uint64_t gpa, uint64_t size);
/* The user address of a guest address, or GUEST_NONE. */
uint64_t guest_uva(const struct guest *guest, uint64_t gpa);
/* The guest address of a pointer into a region, or GUEST_NONE. */
uint64_t guest_gpa(const struct guest *guest, const void *ptr);

/* Cut the file to size bytes of the region: beyond, everyone who mapped it gets SIGBUS. */
int guest_truncate(struct guest *guest, uint32_t region, uint64_t size);
/* Fill a region, allocated bytes included. */
void guest_fill(struct guest *guest, uint32_t region, unsigned char byte);

#endif
