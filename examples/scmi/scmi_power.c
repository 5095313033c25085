/* SPDX-License-Identifier: MIT */
/* The power domain management protocol (DEN0056D §4.3). */
#include "scmi.h"

enum { STATE_SET = 4, STATE_CHANGED = 0 };

static uint32_t power_count(const struct scmi_platform *p)
{
	return p->n_powers;
}

static struct scmi_power *power_find(struct scmi_call *call, uint32_t id)
{
	return id < call->platform->n_powers ? &call->platform->powers[id] : NULL;
}

static int32_t power_attributes(struct scmi_call *call)
{
	scmi_put(call, call->platform->n_powers);
	scmi_put64(call, 0); /* no statistics */
	scmi_put(call, 0);
	return SCMI_SUCCESS;
}

static int32_t power_domain_attributes(struct scmi_call *call)
{
	const struct scmi_power *power = power_find(call, call->args[0]);
	uint32_t flags = 1 << 29; /* may be set synchronously */

	if (!power)
		return SCMI_NOT_FOUND;
	if (call->platform->p2a)
		flags |= UINT32_C(1) << 31 | (uint32_t)power->async << 30;
	if (scmi_is_long(power->name))
		flags |= 1 << 27;
	scmi_put(call, flags);
	scmi_put_text(call, power->name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

int scmi_power_set(struct scmi_platform *p, uint32_t id, uint32_t state, uint32_t agent)
{
	const uint32_t words[] = {agent, id, state};
	struct scmi_power *power = &p->powers[id];

	if (state != SCMI_POWER_ON && state != SCMI_POWER_OFF)
		return -1;
	if (state == power->state)
		return 0;
	power->state = state;
	if (agent == SCMI_AGENT_GUEST)
		scmi_say(p, "power %u %s", id, state == SCMI_POWER_ON ? "on" : "off");
	if (power->notify)
		scmi_notify(p, SCMI_POWER, STATE_CHANGED, words, 3);
	return 0;
}

static int32_t power_set_finish(struct scmi_platform *p, const struct scmi_delayed *delayed,
				struct scmi_event *event)
{
	scmi_power_set(p, delayed->id, delayed->flags, SCMI_AGENT_GUEST);
	scmi_event_put(event, delayed->id);
	scmi_event_put(event, delayed->flags);
	return SCMI_SUCCESS;
}

static int32_t power_state_set(struct scmi_call *call)
{
	uint32_t flags = call->args[0], id = call->args[1], state = call->args[2];
	const struct scmi_power *power = power_find(call, id);

	if (!power)
		return SCMI_NOT_FOUND;
	if (flags > 1 || (state != SCMI_POWER_ON && state != SCMI_POWER_OFF))
		return SCMI_INVALID_PARAMETERS;
	if (!flags) {
		scmi_power_set(call->platform, id, state, SCMI_AGENT_GUEST);
		return SCMI_SUCCESS;
	}
	if (!power->async || !call->platform->p2a)
		return SCMI_NOT_SUPPORTED;
	return scmi_delay(
		call, &(struct scmi_delayed){.id = id, .flags = state, .finish = power_set_finish},
		power->delay_ms);
}

static int32_t power_state_get(struct scmi_call *call)
{
	const struct scmi_power *power = power_find(call, call->args[0]);

	if (!power)
		return SCMI_NOT_FOUND;
	scmi_put(call, power->state);
	return SCMI_SUCCESS;
}

static int32_t power_state_notify(struct scmi_call *call)
{
	struct scmi_power *power = power_find(call, call->args[0]);

	return power ? scmi_set_flag(call->args[1], &power->notify) : SCMI_NOT_FOUND;
}

static int32_t power_name(struct scmi_call *call)
{
	const struct scmi_power *power = power_find(call, call->args[0]);

	return power ? scmi_put_name(call, power->name) : SCMI_NOT_FOUND;
}

/*
 * POWER_STATE_CHANGE_REQUESTED_NOTIFY (7) is optional: with a single agent no request is ever
 * outweighed by another's.
 */
static const struct scmi_message power_messages[] = {
	{1, 0, 4, false, power_attributes},
	{3, 1, 5, false, power_domain_attributes},
	{STATE_SET, 3, 0, false, power_state_set},
	{5, 1, 1, false, power_state_get},
	{6, 2, 0, true, power_state_notify},
	{8, 1, 17, false, power_name},
	{0},
};

const struct scmi_protocol scmi_power = {SCMI_POWER, 0x30000, power_count, power_messages};
