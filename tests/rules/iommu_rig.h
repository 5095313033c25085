/* SPDX-License-Identifier: MIT */
/* A rig behind an IOMMU: the device offers ACCESS_PLATFORM, and its peer accepts it. */
#ifndef RULES_IOMMU_RIG_H
#define RULES_IOMMU_RIG_H

#include "frontend/iommu.h"
#include "rules/rig.h"

/* Of all the peer's addresses. */
#define IOMMU_RIG_OFFSET UINT64_C(0x5000000000)

extern const struct rig_config behind, behind_grouped;
extern const struct guest_region third_region;

/* Connected; its rings are started, and nothing is translated. */
struct iommu *open_iommu(struct rig *rig, const struct rig_config *how);
/* All known but what the buffers of queue 0 need. */
struct iommu *open_without_buffers(struct rig *rig, const struct rig_config *how);
/* Answer until nothing more is asked: how much that was. */
uint32_t serve(struct rig *rig, struct iommu *iommu);
/* n requests, with as many answers as it takes. */
void pass(struct rig *rig, struct iommu *iommu, uint32_t q, uint32_t n);
void done(struct rig *rig, struct iommu *iommu);

#endif
