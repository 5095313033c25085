/* SPDX-License-Identifier: MIT */
/*
 * Translations of an IOMMU (vhost-user "IOMMU support"): an immutable snapshot of ranges of I/O
 * virtual addresses, what front-end addresses they mean, and what may be done there.  Who looks up
 * holds a reference; a change makes a new snapshot.  Ranges name their last address, as one may end
 * at 2^64; neighbours that go on where the other ends are one.  NULL is a snapshot: an empty one.
 */
#ifndef MEM_IOTLB_H
#define MEM_IOTLB_H

#include <stdint.h>

/*
 * So many ranges are remembered at most, whatever the front-end sends; one more, and the others are
 * forgotten.  One request needs fewer: see ring_walk_limit().
 */
enum { IOTLB_MAX = 8192 };

struct iotlb_range {
	uint64_t first, last;
	uint64_t target; /* what first means */
	uint32_t access; /* enum space_access bits, or 0 */
};

struct iotlb;

/* What a change means for who holds the snapshot before it. */
enum iotlb_change {
	IOTLB_SAME,  /* it is the same one */
	IOTLB_MORE,  /* all that it knows is right still */
	IOTLB_OTHER, /* something of what it knows is not */
};

/*
 * old with a range, which replaces what it overlaps; without what is in first to last.  *out is a
 * reference of the caller's.  An enum iotlb_change; -EINVAL: a range that cannot be; -ENOMEM.
 */
int iotlb_with(struct iotlb *old, const struct iotlb_range *range, struct iotlb **out);
int iotlb_without(struct iotlb *old, uint64_t first, uint64_t last, struct iotlb **out);

struct iotlb *iotlb_ref(struct iotlb *iotlb);
void iotlb_unref(struct iotlb *iotlb);
uint32_t iotlb_ranges(const struct iotlb *iotlb);

/* The range that addr is in, or NULL. */
const struct iotlb_range *iotlb_find(const struct iotlb *iotlb, uint64_t addr);

#endif
