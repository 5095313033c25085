/* SPDX-License-Identifier: MIT */
/* A group of libvu's, and who uses it. */
#include "crowd.h"

#include <libvu/vu.h>

struct crowd *crowd_new(int *ret)
{
	struct crowd *crowd = g_new0(struct crowd, 1);

	*ret = vu_group_new(&crowd->group);
	if (*ret < 0) {
		g_free(crowd);
		return NULL;
	}
	g_atomic_ref_count_init(&crowd->refs);
	gate_init(&crowd->gate);
	return crowd;
}

struct crowd *crowd_ref(struct crowd *crowd)
{
	g_atomic_ref_count_inc(&crowd->refs);
	return crowd;
}

void crowd_unref(struct crowd *crowd)
{
	if (!g_atomic_ref_count_dec(&crowd->refs))
		return;
	/* Who serves it has a reference: there is no turn. */
	vu_group_free(crowd->group);
	gate_clear(&crowd->gate);
	g_free(crowd);
}

/* Whoever is inside looks again after leaving, so that one of the two does it. */
static void crowd_settle(struct crowd *crowd)
{
	if (!g_atomic_int_get(&crowd->ending) || !gate_try_outside(&crowd->gate))
		return;
	vu_group_free(crowd->group);
	crowd->group = NULL;
	gate_leave(&crowd->gate);
}

void crowd_turn(struct crowd *crowd)
{
	int ret = -1;

	if (!gate_try(&crowd->gate))
		return;
	if (crowd->group && !g_atomic_int_get(&crowd->ending))
		ret = vu_group_process(crowd->group, 0);
	/* Whatever it returns: the descriptor stays readable for what is left. */
	if (ret == 0)
		ret = vu_group_arm(crowd->group);
	gate_leave(&crowd->gate);
	crowd_settle(crowd);
}

void crowd_end(struct crowd *crowd)
{
	g_atomic_int_set(&crowd->ending, 1);
	crowd_settle(crowd);
}
