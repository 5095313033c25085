/* SPDX-License-Identifier: MIT */
/* See iommu_rig.h. */
#include "rules/iommu_rig.h"

const struct rig_config behind = {
	.device = {.features = RIG_BIT(VU_F_ACCESS_PLATFORM)},
	.peer = {.features = ~RIG_BIT(VU_F_LOG_ALL), .max_indirect = 4},
};
const struct rig_config behind_grouped = {
	.device = {.features = RIG_BIT(VU_F_ACCESS_PLATFORM)},
	.peer = {.features = ~RIG_BIT(VU_F_LOG_ALL), .max_indirect = 4},
	.groups = true,
};

const struct guest_region third_region = {
	.gpa = UINT64_C(1) << 32, .size = 1 << 20, .uva = UINT64_C(0x7d0000000000)};

struct iommu *open_iommu(struct rig *rig, const struct rig_config *how)
{
	struct iommu *iommu;

	rig_make(rig, how);
	assert_ok(iommu_new(rig->peer, IOMMU_RIG_OFFSET, &iommu));
	rig_connect(rig);
	if (peer_start(rig->peer))
		fail_msg("%s\n%s", rig->peer->frontend.error, rig->log.text);
	return iommu;
}

uint32_t serve(struct rig *rig, struct iommu *iommu)
{
	uint32_t before = iommu->asked;

	do {
		int ret;

		rig_pump(rig);
		ret = iommu_serve(iommu);
		if (ret < 0)
			fail_msg("%s\n%s", rig->peer->frontend.error, rig->log.text);
		if (!ret)
			break;
	} while (iommu->asked - before < 10000);
	return iommu->asked - before;
}

void pass(struct rig *rig, struct iommu *iommu, uint32_t q, uint32_t n)
{
	uint32_t got = 0;

	rig_submit(rig, q, n);
	for (int i = 0; i < 1000 && got < n; i++) {
		serve(rig, iommu);
		got += rig_collect(rig, q);
	}
	assert_int_equal(got, n);
}

void done(struct rig *rig, struct iommu *iommu)
{
	rig_close(rig);
	iommu_free(iommu);
}

struct iommu *open_without_buffers(struct rig *rig, const struct rig_config *how)
{
	struct iommu *iommu = open_iommu(rig, how);

	pass(rig, iommu, 0, 1);
	pass(rig, iommu, 1, 1);
	assert_ok(iommu_invalidate(iommu, IOMMU_RIG_OFFSET + (rig->queues[0].buffers & ~0xfffull),
				   rig->peer->queues[0]->size * 2 * RIG_BYTES));
	return iommu;
}
