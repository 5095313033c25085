/* SPDX-License-Identifier: MIT */
/*
 * The performance domain management protocol (DEN0056D §4.5), without fast channels, which virtio
 * has not.
 */
#include "scmi.h"

enum { LIMITS_CHANGED = 0, LEVEL_CHANGED = 1, MANY = 0xfff };

static uint32_t perf_count(const struct scmi_platform *p)
{
	return p->n_perfs;
}

static struct scmi_perf *perf_find(struct scmi_call *call, uint32_t id)
{
	return id < call->platform->n_perfs ? &call->platform->perfs[id] : NULL;
}

static int32_t perf_attributes(struct scmi_call *call)
{
	scmi_put(call, call->platform->n_perfs | 1 << 16); /* power is in mW */
	scmi_put64(call, 0);				   /* no statistics */
	scmi_put(call, 0);
	return SCMI_SUCCESS;
}

static int32_t perf_domain_attributes(struct scmi_call *call)
{
	const struct scmi_perf *perf = perf_find(call, call->args[0]);
	uint32_t flags = UINT32_C(3) << 30; /* limits and level may be set */

	if (!perf)
		return SCMI_NOT_FOUND;
	if (call->platform->p2a)
		flags |= 3 << 28;
	if (scmi_is_long(perf->name))
		flags |= 1 << 26;
	scmi_put(call, flags);
	scmi_put(call, 0); /* no limit to how often */
	scmi_put(call, perf->sustained_khz);
	scmi_put(call, perf->sustained_level);
	scmi_put_text(call, perf->name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int32_t perf_levels(struct scmi_call *call)
{
	const struct scmi_perf *perf = perf_find(call, call->args[0]);
	uint32_t first = call->args[1], n = 0;
	size_t at = call->len;

	if (!perf)
		return SCMI_NOT_FOUND;
	if (first >= perf->n_levels)
		return SCMI_OUT_OF_RANGE;
	scmi_put(call, 0);
	for (; first + n < perf->n_levels && n < MANY && scmi_fits(call, 3); n++) {
		const struct scmi_level *level = &perf->levels[first + n];

		scmi_put(call, level->level);
		scmi_put(call, level->power);
		scmi_put(call, level->latency_us);
	}
	scmi_set(call, at, n | (perf->n_levels - first - n) << 16);
	return SCMI_SUCCESS;
}

static bool perf_has(const struct scmi_perf *perf, uint32_t level)
{
	for (uint32_t i = 0; i < perf->n_levels; i++)
		if (perf->levels[i].level == level)
			return true;
	return false;
}

static void perf_change(struct scmi_platform *p, uint32_t id, uint32_t level, uint32_t agent)
{
	const uint32_t words[] = {agent, id, level};
	struct scmi_perf *perf = &p->perfs[id];

	if (level == perf->level)
		return;
	perf->level = level;
	if (agent == SCMI_AGENT_GUEST)
		scmi_say(p, "perf %u level %u", id, level);
	if (perf->notify_level)
		scmi_notify(p, SCMI_PERF, LEVEL_CHANGED, words, 3);
}

int scmi_perf_set_level(struct scmi_platform *p, uint32_t id, uint32_t level, uint32_t agent)
{
	const struct scmi_perf *perf = &p->perfs[id];

	if (!perf_has(perf, level) || level < perf->min || level > perf->max)
		return -1;
	perf_change(p, id, level, agent);
	return 0;
}

/* The described level within the limits that is nearest to the present one. */
static uint32_t perf_clamp(const struct scmi_perf *perf)
{
	uint32_t highest = 0;

	for (uint32_t i = 0; i < perf->n_levels; i++) {
		uint32_t level = perf->levels[i].level;

		if (level < perf->min || level > perf->max)
			continue;
		highest = level;
		if (level >= perf->level)
			return level;
	}
	return highest;
}

int scmi_perf_set_limits(struct scmi_platform *p, uint32_t id, uint32_t min, uint32_t max,
			 uint32_t agent)
{
	const uint32_t words[] = {agent, id, max, min};
	struct scmi_perf *perf = &p->perfs[id];

	if (!perf_has(perf, min) || !perf_has(perf, max) || min > max)
		return -1;
	if (min == perf->min && max == perf->max)
		return 0;
	perf->min = min;
	perf->max = max;
	if (agent == SCMI_AGENT_GUEST)
		scmi_say(p, "perf %u limits %u %u", id, min, max);
	if (perf->notify_limits)
		scmi_notify(p, SCMI_PERF, LIMITS_CHANGED, words, 4);
	perf_change(p, id, perf_clamp(perf), agent);
	return 0;
}

static int32_t perf_limits_set(struct scmi_call *call)
{
	uint32_t id = call->args[0], max = call->args[1], min = call->args[2];
	const struct scmi_perf *perf = perf_find(call, id);

	if (!perf)
		return SCMI_NOT_FOUND;
	if (!max && !min)
		return SCMI_INVALID_PARAMETERS;
	/* 0 leaves one as it is. */
	max = max ? max : perf->max;
	min = min ? min : perf->min;
	if (min > max)
		return SCMI_INVALID_PARAMETERS;
	if (!perf_has(perf, min) || !perf_has(perf, max))
		return SCMI_OUT_OF_RANGE;
	return scmi_perf_set_limits(call->platform, id, min, max, SCMI_AGENT_GUEST)
		       ? SCMI_INVALID_PARAMETERS
		       : SCMI_SUCCESS;
}

static int32_t perf_limits_get(struct scmi_call *call)
{
	const struct scmi_perf *perf = perf_find(call, call->args[0]);

	if (!perf)
		return SCMI_NOT_FOUND;
	scmi_put(call, perf->max);
	scmi_put(call, perf->min);
	return SCMI_SUCCESS;
}

static int32_t perf_level_set(struct scmi_call *call)
{
	uint32_t id = call->args[0], level = call->args[1];

	if (!perf_find(call, id))
		return SCMI_NOT_FOUND;
	return scmi_perf_set_level(call->platform, id, level, SCMI_AGENT_GUEST) ? SCMI_OUT_OF_RANGE
										: SCMI_SUCCESS;
}

static int32_t perf_level_get(struct scmi_call *call)
{
	const struct scmi_perf *perf = perf_find(call, call->args[0]);

	if (!perf)
		return SCMI_NOT_FOUND;
	scmi_put(call, perf->level);
	return SCMI_SUCCESS;
}

static int32_t perf_notify_limits(struct scmi_call *call)
{
	struct scmi_perf *perf = perf_find(call, call->args[0]);

	return perf ? scmi_set_flag(call->args[1], &perf->notify_limits) : SCMI_NOT_FOUND;
}

static int32_t perf_notify_level(struct scmi_call *call)
{
	struct scmi_perf *perf = perf_find(call, call->args[0]);

	return perf ? scmi_set_flag(call->args[1], &perf->notify_level) : SCMI_NOT_FOUND;
}

static int32_t perf_name(struct scmi_call *call)
{
	const struct scmi_perf *perf = perf_find(call, call->args[0]);

	return perf ? scmi_put_name(call, perf->name) : SCMI_NOT_FOUND;
}

static const struct scmi_message perf_messages[] = {
	{1, 0, 4, false, perf_attributes},
	{3, 1, 8, false, perf_domain_attributes},
	{4, 2, 4, false, perf_levels},
	{5, 3, 0, false, perf_limits_set},
	{6, 1, 2, false, perf_limits_get},
	{7, 2, 0, false, perf_level_set},
	{8, 1, 1, false, perf_level_get},
	{9, 2, 0, true, perf_notify_limits},
	{10, 2, 0, true, perf_notify_level},
	{12, 1, 17, false, perf_name},
	{0},
};

const struct scmi_protocol scmi_perf = {SCMI_PERF, 0x30000, perf_count, perf_messages};
