/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU of a peer: pages of I/O virtual addresses, and the front-end's side of the messages
 * about them.  At first it maps all guest memory, each page by one at iova_offset more; its rings
 * give the device such addresses.  A message and its ack go as one, like all of a front-end's, so a
 * test calls iommu_serve() where a real front-end would be idle.
 *
 * Functions return 0 (or a documented positive value) or -errno, and the front-end's error says
 * what was wrong.
 */
#ifndef FRONTEND_IOMMU_H
#define FRONTEND_IOMMU_H

#include "frontend/peer.h"

enum { IOMMU_PAGE = 4096, IOMMU_READ = 1, IOMMU_WRITE = 2 };

struct iommu_page {
	uint64_t gpa;
	uint8_t perm; /* 0: it is not mapped */
};

struct iommu {
	struct peer *peer;
	uint64_t offset;
	struct iommu_page *pages; /* by (iova - offset) / IOMMU_PAGE */
	uint64_t n;
	uint32_t asked, refused; /* misses so far */
	struct wire_iotlb last;	 /* the last one */
	bool is_silent;		 /* iommu_serve() takes what was asked and answers nothing */
};

/* Before the peer's rings are set up. */
int iommu_new(struct peer *peer, uint64_t iova_offset, struct iommu **iommu);
void iommu_free(struct iommu *iommu);

/* The page that iova is in; no message.  Permissions 0: unmap. */
int iommu_map(struct iommu *iommu, uint64_t iova, uint64_t gpa, uint8_t perm);
/* The message of any content; *ack is the back-end's answer. */
int iommu_tell(struct iommu *iommu, const struct wire_iotlb *msg, uint64_t *ack);
/* Tell of the page that iova is in: 0; -ENOENT: it is not mapped. */
int iommu_update(struct iommu *iommu, uint64_t iova);
int iommu_invalidate(struct iommu *iommu, uint64_t iova, uint64_t size);
/* Answer what was asked until now, as QEMU does: how much that was. */
int iommu_serve(struct iommu *iommu);

#endif
