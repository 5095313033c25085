/* SPDX-License-Identifier: MIT */
/* See moving.h. */
#include "rules/moving.h"

static const struct guest_region regions[] = {
	[MOVING_RINGS] = {.gpa = 0, .size = 4 << 20, .uva = UINT64_C(0x7f0000000000)},
	[MOVING_BUFFERS] = {.gpa = MOVING_BUFFERS_GPA,
			    .size = 1 << 20,
			    .uva = UINT64_C(0x7e0000000000)},
};

const struct rig_config moving_config = {.peer = {.n_regions = 2, .regions = regions}};
const struct rig_config moving_grouped = {.peer = {.n_regions = 2, .regions = regions},
					  .groups = true};

void moving_open(struct rig *rig, struct peer_log *log, const struct rig_config *how)
{
	rig_open(rig, how);
	for (int i = 0; i < RIG_QUEUES; i++)
		rig->queues[i].region = MOVING_BUFFERS;
	assert_ok(peer_log_new(log, rig->peer->guest));
}

void moving_close(struct rig *rig, struct peer_log *log)
{
	peer_log_free(log);
	rig_close(rig);
}

void moving_expect_same(const struct peer_log *log)
{
	uint64_t gpa = peer_log_differs(log);

	if (gpa != GUEST_NONE)
		fail_msg("what was written at %#llx was not copied", (unsigned long long)gpa);
}
