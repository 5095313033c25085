/* SPDX-License-Identifier: MIT */
/*
 * vu-scmi's messages and events: an input is a row of steps.  A step is a request (of any bytes, or
 * one that the protocols may have), time that passes, buffers for events, or something that the
 * platform does.  Answers go to memory of exactly their room.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scmi.h"

enum { MAX_REQUEST = SCMI_HEADER + 4 * SCMI_MAX_ARGS, UNTOUCHED = 0xee };

static int measure(struct scmi_sensor *sensor)
{
	sensor->values[0] = (int64_t)((uint64_t)sensor->values[0] * 3 + 1);
	return sensor->values[0] % 7 ? 0 : -1;
}

static void make_sensors(struct scmi_platform *p)
{
	static const struct scmi_sensor sensors[] = {
		{.name = "a", .type = 2, .scale = -3, .n_trips = 2},
		{.name = "one-with-a-long-name", .type = 0x59, .n_axes = 3, .has_range = true},
		{.name = "c", .type = 5, .has_range = true, .async = true, .delay_ms = 3},
		{.name = "d", .type = 7, .n_trips = SCMI_MAX_TRIPS, .measure = measure},
		{.name = "e", .type = 0x57, .n_axes = SCMI_MAX_AXES, .async = true, .stamps = true},
	};

	for (uint32_t i = 0; i < sizeof(sensors) / sizeof(sensors[0]); i++) {
		struct scmi_sensor *sensor = &p->sensors[p->n_sensors++];

		*sensor = sensors[i];
		for (uint32_t j = 0; j <= i; j++)
			sensor->intervals_ms[j] = (uint16_t)(10u << 2 * j);
		sensor->n_intervals = i + 1;
		for (uint32_t j = 0; j < sensor->n_axes; j++)
			strcpy(sensor->axes[j], j & 1 ? "an-axis-with-a-long-name" : "X");
		scmi_sensor_init(sensor);
	}
}

static void say(void *opaque, const char *line)
{
	*(size_t *)opaque += strlen(line);
}

static struct scmi_platform *make_platform(uint8_t kinds, size_t *said)
{
	struct scmi_platform *p = calloc(1, sizeof(*p));

	p->host = (struct scmi_host){say, say, said};
	p->p2a = kinds & 1;
	p->now = 1;
	if (kinds & 2) {
		p->clocks[0] =
			(struct scmi_clock){.rates = {100, 200, 400}, .n_rates = 3, .rate = 100};
		p->clocks[1] = (struct scmi_clock){.name = "a-range-with-a-long-name",
						   .rates = {100, UINT64_C(1) << 40, 7},
						   .n_rates = 3,
						   .range = true,
						   .async = kinds & 0x80,
						   .delay_ms = 1,
						   .rate = 107};
		p->n_clocks = 2;
	}
	if (kinds & 4) {
		p->powers[0] = (struct scmi_power){.name = "p", .async = true, .delay_ms = 2};
		p->n_powers = 2;
	}
	if (kinds & 8) {
		p->perfs[0] = (struct scmi_perf){.levels = {{1, 2, 3}, {5, 6, 7}, {9, 9, 9}},
						 .n_levels = 3,
						 .level = 5,
						 .min = 1,
						 .max = 9};
		p->n_perfs = 1;
	}
	if (kinds & 16) {
		p->resets[0] = (struct scmi_reset){.async = true, .delay_ms = 1};
		p->n_resets = SCMI_MAX_ITEMS;
	}
	if (kinds & 32)
		make_sensors(p);
	return p;
}

/* A word as a byte says it: small, one bit, or all. */
static uint32_t word_of(uint8_t code)
{
	if (code < 0xc0)
		return code;
	return code < 0xe0 ? UINT32_C(1) << (code & 31) : UINT32_MAX - (code & 31);
}

static void request(struct scmi_platform *p, const unsigned char *in, size_t len, size_t room)
{
	/* Not a byte more than there is. */
	unsigned char *copy = malloc(len ? len : 1), *out = malloc(room ? room : 1);
	size_t done;
	int32_t status;

	memcpy(copy, in, len);
	memset(out, UNTOUCHED, room);
	/* As a device does that has read no more than this. */
	done = scmi_serve(p, copy, len, out, room);
	require(done <= room && done % 4 == 0);
	require(done || len < SCMI_HEADER || room < SCMI_STATUS_END);
	for (size_t i = done; i < room && i < SCMI_STATUS_END; i++)
		require(out[i] == UNTOUCHED);
	if (done) {
		require(done >= SCMI_STATUS_END && !memcmp(out, in, SCMI_HEADER));
		memcpy(&status, out + SCMI_HEADER, sizeof(status));
		status = (int32_t)le32toh((uint32_t)status);
		require(status <= 0 && status >= SCMI_PROTOCOL_ERROR);
		require(!status || done == SCMI_STATUS_END);
	}
	free(copy);
	free(out);
}

/* One whose protocol and message exist, with as many words as the input says. */
static void likely_request(struct scmi_platform *p, struct fuzz_input *in)
{
	static const uint8_t protocols[] = {SCMI_BASE,	SCMI_POWER,  SCMI_PERF,
					    SCMI_CLOCK, SCMI_SENSOR, SCMI_RESET};
	uint32_t words[1 + SCMI_MAX_ARGS + 1];
	uint8_t what = fuzz_u8(in), message = fuzz_u8(in), n = message >> 4;

	if (n > SCMI_MAX_ARGS + 1)
		n = SCMI_MAX_ARGS + 1;
	words[0] = htole32((message & 15u) | (uint32_t)protocols[what % 6] << 10);
	for (uint8_t i = 0; i < n; i++)
		words[1 + i] = htole32(word_of(fuzz_u8(in)));
	request(p, (const unsigned char *)words, 4 + 4u * n, what < 192 ? 136 : what - 192);
}

static void any_request(struct scmi_platform *p, struct fuzz_input *in)
{
	unsigned char bytes[MAX_REQUEST + 1] = {0};
	uint8_t len = fuzz_u8(in) % (MAX_REQUEST + 2), room = fuzz_u8(in);

	for (uint8_t i = 0; i < len; i++)
		bytes[i] = fuzz_u8(in);
	request(p, bytes, len, room == 255 ? SCMI_MAX_REPLY : room);
}

static void take_events(struct scmi_platform *p, uint8_t n)
{
	const struct scmi_event *event;

	while (n-- && (event = scmi_event_next(p))) {
		uint32_t type = event->words[0] >> 8 & 3;

		require(event->n >= 2 && event->n <= SCMI_EVENT_WORDS);
		require(type == SCMI_DELAYED || type == SCMI_NOTIFICATION);
		scmi_event_sent(p);
	}
}

static void pass_time(struct scmi_platform *p, uint8_t ms)
{
	uint64_t next;

	p->now += ms * UINT64_C(1000000);
	next = scmi_run(p);
	/* What is due has been done. */
	require(!next || next > p->now);
}

static void platform_does(struct scmi_platform *p, uint8_t what, uint8_t value)
{
	const int64_t values[SCMI_MAX_AXES] = {(int8_t)value, value};

	switch (what & 7) {
	case 0:
		if (p->n_clocks)
			scmi_clock_set(p, value & 1, value * UINT64_C(7) + 100,
				       SCMI_AGENT_PLATFORM);
		break;
	case 1:
		if (p->n_powers)
			scmi_power_set(p, 0, value & 1 ? SCMI_POWER_OFF : SCMI_POWER_ON,
				       SCMI_AGENT_PLATFORM);
		break;
	case 2:
		if (p->n_perfs)
			scmi_perf_set_limits(p, 0, value & 15, value >> 4, SCMI_AGENT_PLATFORM);
		break;
	case 3:
		if (p->n_resets)
			scmi_reset_issue(p, 0, value & 3, 0, SCMI_AGENT_PLATFORM);
		break;
	case 4:
		if (p->n_sensors)
			scmi_sensor_set(p, value % 3, values);
		break;
	case 5:
		scmi_base_error(p, value & 1);
		break;
	case 6:
		scmi_agent_away(p);
		break;
	default:
		p->p2a = value & 1;
		break;
	}
}

/* What must hold whatever the agent said. */
static void check(const struct scmi_platform *p)
{
	for (uint32_t i = 0; i < p->n_clocks; i++)
		require(p->clocks[i].rate >= 100);
	for (uint32_t i = 0; i < p->n_perfs; i++)
		require(p->perfs[i].level >= p->perfs[i].min &&
			p->perfs[i].level <= p->perfs[i].max);
	for (uint32_t i = 0; i < p->n_sensors; i++)
		require(p->sensors[i].interval_ms >= 10);
	require(p->n_notifications <= SCMI_MAX_NOTIFICATIONS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	size_t said = 0;
	struct scmi_platform *p = make_platform(fuzz_u8(&in), &said);

	while (in.at < in.end) {
		uint8_t step = fuzz_u8(&in);

		switch (step & 7) {
		case 0:
			any_request(p, &in);
			break;
		case 1:
			take_events(p, step >> 3);
			break;
		case 2:
			pass_time(p, step >> 3);
			break;
		case 3:
			platform_does(p, step >> 3, fuzz_u8(&in));
			break;
		default:
			likely_request(p, &in);
			break;
		}
		check(p);
	}
	free(p);
	return 0;
}
