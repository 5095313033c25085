/* SPDX-License-Identifier: MIT */
/* The clock management protocol (DEN0056D §4.6). */
#include "scmi.h"

enum { RATE_CHANGED = 0, MAX_ASYNC = 8, TRIPLET = 1 << 12, MANY = 0xfff };

/* of CLOCK_RATE_SET */
enum { ASYNC = 1, IGNORE_RESPONSE = 2, ROUND_UP = 4, ROUND_AUTO = 8, FLAGS = 15 };

static uint32_t clock_count(const struct scmi_platform *p)
{
	return p->n_clocks;
}

static struct scmi_clock *clock_find(struct scmi_call *call, uint32_t id)
{
	return id < call->platform->n_clocks ? &call->platform->clocks[id] : NULL;
}

/* SCMI says it of all clocks at once. */
static bool clock_may_wait(const struct scmi_platform *p)
{
	bool async = false;

	for (uint32_t i = 0; i < p->n_clocks; i++)
		async |= p->clocks[i].async;
	return async && p->p2a;
}

static int32_t clock_attributes(struct scmi_call *call)
{
	const struct scmi_platform *p = call->platform;

	scmi_put(call, p->n_clocks | (clock_may_wait(p) ? MAX_ASYNC : 0) << 16);
	return SCMI_SUCCESS;
}

static int32_t clock_describe(struct scmi_call *call)
{
	const struct scmi_clock *clock = clock_find(call, call->args[0]);
	uint32_t flags;

	if (!clock)
		return SCMI_NOT_FOUND;
	flags = clock->on;
	if (call->platform->p2a)
		flags |= UINT32_C(1) << 31;
	if (scmi_is_long(clock->name))
		flags |= 1 << 29;
	scmi_put(call, flags);
	scmi_put_text(call, clock->name, SCMI_SHORT_NAME);
	scmi_put(call, clock->latency_us);
	return SCMI_SUCCESS;
}

static int32_t clock_rates(struct scmi_call *call)
{
	const struct scmi_clock *clock = clock_find(call, call->args[0]);
	uint32_t first = call->args[1], n = 0;
	size_t at = call->len;

	if (!clock)
		return SCMI_NOT_FOUND;
	if (first >= clock->n_rates || (clock->range && first))
		return SCMI_OUT_OF_RANGE;
	scmi_put(call, 0);
	for (; first + n < clock->n_rates && n < MANY && scmi_fits(call, 2); n++)
		scmi_put64(call, clock->rates[first + n]);
	if (clock->range && n < clock->n_rates)
		return SCMI_PROTOCOL_ERROR; /* a triplet is not cut */
	scmi_set(call, at, n | (clock->range ? TRIPLET : 0) | (clock->n_rates - first - n) << 16);
	return SCMI_SUCCESS;
}

/* The supported rates around one that lies between the lowest and the highest. */
static void clock_neighbours(const struct scmi_clock *clock, uint64_t rate, uint64_t *below,
			     uint64_t *above)
{
	uint32_t i = 0;

	if (clock->range) {
		uint64_t step = clock->rates[2];

		*below = rate - (rate - clock->rates[0]) % step;
		*above = *below == rate || rate == clock->rates[1] ? rate : clock->rates[1];
		if (*above != rate && clock->rates[1] - *below > step)
			*above = *below + step;
		if (rate == clock->rates[1]) /* also where it is no multiple of the step */
			*below = rate;
		return;
	}
	while (clock->rates[i] < rate)
		i++;
	*above = clock->rates[i];
	*below = *above == rate ? rate : clock->rates[i - 1];
}

/* The rate that a request leads to; false: it is none of this clock's. */
static bool clock_round(const struct scmi_clock *clock, uint32_t flags, uint64_t *rate)
{
	uint64_t below, above;

	if (*rate < clock->rates[0] || *rate > clock->rates[clock->range ? 1 : clock->n_rates - 1])
		return false;
	clock_neighbours(clock, *rate, &below, &above);
	if (flags & ROUND_AUTO)
		*rate = above - *rate < *rate - below ? above : below;
	else
		*rate = flags & ROUND_UP ? above : below;
	return true;
}

static void clock_change(struct scmi_platform *p, uint32_t id, uint64_t rate, uint32_t agent)
{
	const uint32_t words[] = {agent, id, (uint32_t)rate, (uint32_t)(rate >> 32)};
	struct scmi_clock *clock = &p->clocks[id];

	if (rate == clock->rate)
		return;
	clock->rate = rate;
	if (agent == SCMI_AGENT_GUEST)
		scmi_say(p, "clock %u rate %llu", id, (unsigned long long)rate);
	if (clock->notify)
		scmi_notify(p, SCMI_CLOCK, RATE_CHANGED, words, 4);
}

int scmi_clock_set(struct scmi_platform *p, uint32_t id, uint64_t rate, uint32_t agent)
{
	uint64_t possible = rate;

	if (!clock_round(&p->clocks[id], 0, &possible) || possible != rate)
		return -1;
	clock_change(p, id, rate, agent);
	return 0;
}

static int32_t clock_set_finish(struct scmi_platform *p, const struct scmi_delayed *delayed,
				struct scmi_event *event)
{
	clock_change(p, delayed->id, delayed->value, SCMI_AGENT_GUEST);
	scmi_event_put(event, delayed->id);
	scmi_event_put64(event, delayed->value);
	return SCMI_SUCCESS;
}

static int32_t clock_rate_set(struct scmi_call *call)
{
	uint32_t flags = call->args[0], id = call->args[1];
	uint64_t rate = call->args[2] | (uint64_t)call->args[3] << 32;
	const struct scmi_clock *clock = clock_find(call, id);

	if (!clock)
		return SCMI_NOT_FOUND;
	if (flags & ~(uint32_t)FLAGS || !clock_round(clock, flags, &rate))
		return SCMI_INVALID_PARAMETERS;
	if (!(flags & ASYNC)) {
		clock_change(call->platform, id, rate, SCMI_AGENT_GUEST);
		return SCMI_SUCCESS;
	}
	if (!clock_may_wait(call->platform))
		return SCMI_NOT_SUPPORTED;
	return scmi_delay(call,
			  &(struct scmi_delayed){.id = id,
						 .value = rate,
						 .silent = flags & IGNORE_RESPONSE,
						 .finish = clock_set_finish},
			  clock->delay_ms);
}

static int32_t clock_rate_get(struct scmi_call *call)
{
	const struct scmi_clock *clock = clock_find(call, call->args[0]);

	if (!clock)
		return SCMI_NOT_FOUND;
	scmi_put64(call, clock->rate);
	return SCMI_SUCCESS;
}

static int32_t clock_config_set(struct scmi_call *call)
{
	struct scmi_clock *clock = clock_find(call, call->args[0]);
	bool on;

	if (!clock)
		return SCMI_NOT_FOUND;
	if (scmi_set_flag(call->args[1], &on))
		return SCMI_INVALID_PARAMETERS;
	if (on != clock->on)
		scmi_say(call->platform, "clock %u %s", call->args[0], on ? "on" : "off");
	clock->on = on;
	return SCMI_SUCCESS;
}

static int32_t clock_name(struct scmi_call *call)
{
	const struct scmi_clock *clock = clock_find(call, call->args[0]);

	return clock ? scmi_put_name(call, clock->name) : SCMI_NOT_FOUND;
}

static int32_t clock_notify(struct scmi_call *call)
{
	struct scmi_clock *clock = clock_find(call, call->args[0]);

	return clock ? scmi_set_flag(call->args[1], &clock->notify) : SCMI_NOT_FOUND;
}

/*
 * CLOCK_RATE_CHANGE_REQUESTED_NOTIFY (10) is optional: with a single agent no request is ever
 * outweighed by another's.
 */
static const struct scmi_message clock_messages[] = {
	{1, 0, 1, false, clock_attributes},
	{3, 1, 6, false, clock_describe},
	{4, 2, 3, false, clock_rates},
	{5, 4, 0, false, clock_rate_set},
	{6, 1, 2, false, clock_rate_get},
	{7, 2, 0, false, clock_config_set},
	{8, 1, 17, false, clock_name},
	{9, 2, 0, true, clock_notify},
	{0},
};

const struct scmi_protocol scmi_clock = {SCMI_CLOCK, 0x20000, clock_count, clock_messages};
