/* SPDX-License-Identifier: MIT */
/* The base protocol (DEN0056D §4.2): who the platform is, which protocols it has. */
#include "scmi.h"

#include <string.h>

enum { ERROR_EVENT = 0, SELF = -1 };

static int32_t base_attributes(struct scmi_call *call)
{
	uint32_t n = 0;

	/* Without this one. */
	for (uint32_t i = 1; scmi_protocols[i]; i++)
		n += scmi_has(call->platform, scmi_protocols[i]);
	scmi_put(call, n | 1 << 8); /* and one agent */
	return SCMI_SUCCESS;
}

static int32_t base_vendor(struct scmi_call *call)
{
	scmi_put_text(call, call->platform->vendor, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int32_t base_sub_vendor(struct scmi_call *call)
{
	scmi_put_text(call, call->platform->sub_vendor, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int32_t base_implementation(struct scmi_call *call)
{
	scmi_put(call, 1);
	return SCMI_SUCCESS;
}

static int32_t base_protocols(struct scmi_call *call)
{
	size_t at = call->len;
	uint32_t skip = call->args[0], n = 0, seen = 0, word = 0;

	scmi_put(call, 0);
	for (uint32_t i = 1; scmi_protocols[i]; i++) {
		if (!scmi_has(call->platform, scmi_protocols[i]) || seen++ < skip)
			continue;
		if (!scmi_fits(call, 1))
			break;
		/* Four of them in a word, the first lowest. */
		word |= (uint32_t)scmi_protocols[i]->id << 8 * (n++ % 4);
		if (n % 4 == 0) {
			scmi_put(call, word);
			word = 0;
		}
	}
	if (n % 4)
		scmi_put(call, word);
	scmi_set(call, at, n);
	return skip > seen ? SCMI_INVALID_PARAMETERS : SCMI_SUCCESS;
}

static int32_t base_agent(struct scmi_call *call)
{
	uint32_t agent = call->args[0] == (uint32_t)SELF ? SCMI_AGENT_GUEST : call->args[0];

	if (agent > SCMI_AGENT_GUEST)
		return SCMI_NOT_FOUND;
	scmi_put(call, agent);
	scmi_put_text(call, agent == SCMI_AGENT_GUEST ? "guest" : "platform", SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int32_t base_notify_errors(struct scmi_call *call)
{
	return scmi_set_flag(call->args[0], &call->platform->notify_errors);
}

static int32_t base_reset_agent(struct scmi_call *call)
{
	if (call->args[1] > 1) /* its only flag: permissions as well; there are none to change */
		return SCMI_INVALID_PARAMETERS;
	if (call->args[0] != SCMI_AGENT_GUEST)
		return call->args[0] == SCMI_AGENT_PLATFORM ? SCMI_DENIED : SCMI_NOT_FOUND;
	scmi_forget_agent(call->platform);
	return SCMI_SUCCESS;
}

void scmi_base_error(struct scmi_platform *p, bool fatal)
{
	const uint32_t words[] = {SCMI_AGENT_PLATFORM, (uint32_t)fatal << 31};

	if (p->notify_errors)
		scmi_notify(p, SCMI_BASE, ERROR_EVENT, words, 2);
}

/* The commands that change permissions (9, 10) are optional, and there is no agent they were for.
 */
static const struct scmi_message base_messages[] = {
	{1, 0, 1, false, base_attributes},
	{3, 0, 4, false, base_vendor},
	{4, 0, 4, false, base_sub_vendor},
	{5, 0, 1, false, base_implementation},
	{6, 1, 2, false, base_protocols},
	{7, 1, 5, false, base_agent},
	{8, 1, 0, true, base_notify_errors},
	{11, 2, 0, false, base_reset_agent},
	{0},
};

const struct scmi_protocol scmi_base = {SCMI_BASE, 0x20000, NULL, base_messages};
