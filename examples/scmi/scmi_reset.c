/* SPDX-License-Identifier: MIT */
/* The reset domain management protocol (DEN0056D §4.8). */
#include "scmi.h"

enum { ISSUED = 0 };

enum { AUTONOMOUS = 1, ASSERT = 2, ASYNC = 4, FLAGS = AUTONOMOUS | ASSERT | ASYNC };

static uint32_t reset_count(const struct scmi_platform *p)
{
	return p->n_resets;
}

static struct scmi_reset *reset_find(struct scmi_call *call, uint32_t id)
{
	return id < call->platform->n_resets ? &call->platform->resets[id] : NULL;
}

static int32_t reset_attributes(struct scmi_call *call)
{
	scmi_put(call, call->platform->n_resets);
	return SCMI_SUCCESS;
}

static int32_t reset_domain_attributes(struct scmi_call *call)
{
	const struct scmi_reset *reset = reset_find(call, call->args[0]);
	uint32_t flags = 0;

	if (!reset)
		return SCMI_NOT_FOUND;
	if (call->platform->p2a)
		flags |= (uint32_t)reset->async << 31 | 1 << 30;
	if (scmi_is_long(reset->name))
		flags |= 1 << 29;
	scmi_put(call, flags);
	scmi_put(call, reset->latency_us ? reset->latency_us : UINT32_MAX); /* unknown */
	scmi_put_text(call, reset->name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

void scmi_reset_issue(struct scmi_platform *p, uint32_t id, uint32_t flags, uint32_t state,
		      uint32_t agent)
{
	const uint32_t words[] = {agent, id, state};
	struct scmi_reset *reset = &p->resets[id];

	reset->asserted = !(flags & AUTONOMOUS) && flags & ASSERT;
	if (agent == SCMI_AGENT_GUEST)
		scmi_say(p, "reset %u %s", id,
			 flags & AUTONOMOUS ? "done"
			 : reset->asserted  ? "asserted"
					    : "deasserted");
	/* The end of an explicit reset is none. */
	if (reset->notify && flags & (AUTONOMOUS | ASSERT))
		scmi_notify(p, SCMI_RESET, ISSUED, words, 3);
}

static int32_t reset_finish(struct scmi_platform *p, const struct scmi_delayed *delayed,
			    struct scmi_event *event)
{
	scmi_reset_issue(p, delayed->id, delayed->flags, (uint32_t)delayed->value,
			 SCMI_AGENT_GUEST);
	scmi_event_put(event, delayed->id);
	return SCMI_SUCCESS;
}

/* The architectural cold reset; the second is how Linux says it. */
static bool reset_knows(uint32_t state)
{
	return state == 0 || state == (UINT32_C(1) << 31 | 1);
}

static int32_t reset_run(struct scmi_call *call)
{
	uint32_t id = call->args[0], flags = call->args[1], state = call->args[2];
	const struct scmi_reset *reset = reset_find(call, id);

	if (!reset)
		return SCMI_NOT_FOUND;
	if (flags & ~(uint32_t)FLAGS || !reset_knows(state))
		return SCMI_INVALID_PARAMETERS;
	if (!(flags & ASYNC)) {
		scmi_reset_issue(call->platform, id, flags, state, SCMI_AGENT_GUEST);
		return SCMI_SUCCESS;
	}
	if (!reset->async || !call->platform->p2a)
		return SCMI_NOT_SUPPORTED;
	return scmi_delay(call,
			  &(struct scmi_delayed){
				  .id = id, .flags = flags, .value = state, .finish = reset_finish},
			  reset->delay_ms);
}

static int32_t reset_notify(struct scmi_call *call)
{
	struct scmi_reset *reset = reset_find(call, call->args[0]);

	return reset ? scmi_set_flag(call->args[1], &reset->notify) : SCMI_NOT_FOUND;
}

static int32_t reset_name(struct scmi_call *call)
{
	const struct scmi_reset *reset = reset_find(call, call->args[0]);

	return reset ? scmi_put_name(call, reset->name) : SCMI_NOT_FOUND;
}

static const struct scmi_message reset_messages[] = {
	{1, 0, 1, false, reset_attributes}, {3, 1, 6, false, reset_domain_attributes},
	{4, 3, 0, false, reset_run},	    {5, 2, 0, true, reset_notify},
	{6, 1, 17, false, reset_name},	    {0},
};

const struct scmi_protocol scmi_reset = {SCMI_RESET, 0x30000, reset_count, reset_messages};
