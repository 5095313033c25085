/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory, read and never mapped: pread(2) cannot fault, whatever becomes of the file.
 * Knows the table of regions, and with an IOMMU the translations that the front-end sent.
 */
#ifndef TRACE_MEMORY_H
#define TRACE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/spec.h"

enum { MEMORY_REGIONS = 1024, MEMORY_IOTLB = 4096 };

struct memory_region {
	struct wire_region where;
	int fd; /* owned; -1: not one to be read */
};

struct memory {
	uint32_t n_regions;
	struct memory_region regions[MEMORY_REGIONS];
	bool iommu;		      /* addresses are IOVAs */
	uint32_t n_iotlb, iotlb_next; /* next: to be replaced when it is full */
	struct wire_iotlb iotlb[MEMORY_IOTLB];
};

/* What an address is one of. */
enum memory_space {
	MEMORY_GUEST, /* in descriptors */
	MEMORY_USER,  /* in SET_VRING_ADDR */
};

void memory_init(struct memory *m);
void memory_clear(struct memory *m);
/* fd is duplicated.  False: there is no room. */
bool memory_add(struct memory *m, const struct wire_region *region, int fd);
void memory_remove(struct memory *m, const struct wire_region *region);
/* Update or invalidate. */
void memory_translate(struct memory *m, const struct wire_iotlb *msg);
/* All len bytes, or false. */
bool memory_read(const struct memory *m, enum memory_space space, uint64_t addr, void *to,
		 size_t len);

#endif
