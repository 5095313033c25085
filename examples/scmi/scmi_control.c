/* SPDX-License-Identifier: MIT */
/* See scmi_control.h.  Device thread. */
#include "scmi_control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int parse_id(struct vu_script *script, const char *word, uint32_t count, uint32_t *id)
{
	uint64_t number;

	if (!count || vu_number_parse(word, 0, count - 1, &number))
		return vu_script_fail(script, "there is none with this number");
	*id = (uint32_t)number;
	return 0;
}

static int parse_switch(const char *word, bool *on)
{
	*on = !strcmp(word, "on");
	return *on || !strcmp(word, "off") ? 0 : -1;
}

static int done(const struct scmi_control *control)
{
	control->changed(control->opaque);
	return 0;
}

static int command_clock(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	const struct scmi_control *control = opaque;
	struct scmi_platform *p = control->platform;
	uint64_t rate;
	uint32_t id = 0;
	int ret = parse_id(script, words[0], p->n_clocks, &id);

	if (ret)
		return ret;
	if (n == 2 && !parse_switch(words[1], &p->clocks[id].on))
		return 0;
	if (n != 3 || strcmp(words[1], "rate") || vu_number_parse(words[2], 0, INT64_MAX, &rate))
		return vu_script_fail(script, "the clock's number, then on, off, or rate HERTZ");
	if (scmi_clock_set(p, id, rate, SCMI_AGENT_PLATFORM))
		return vu_script_fail(script, "the clock does not have this rate");
	return done(control);
}

static int command_power(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	const struct scmi_control *control = opaque;
	uint32_t id = 0;
	bool on;
	int ret = parse_id(script, words[0], control->platform->n_powers, &id);

	(void)n;
	if (ret)
		return ret;
	if (parse_switch(words[1], &on))
		return vu_script_fail(script, "on or off");
	scmi_power_set(control->platform, id, on ? SCMI_POWER_ON : SCMI_POWER_OFF,
		       SCMI_AGENT_PLATFORM);
	return done(control);
}

static int command_perf(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	const struct scmi_control *control = opaque;
	struct scmi_platform *p = control->platform;
	uint64_t first, second = 0;
	uint32_t id = 0;
	int ret = parse_id(script, words[0], p->n_perfs, &id);

	if (ret)
		return ret;
	if (vu_number_parse(words[2], 1, UINT32_MAX, &first) ||
	    (n == 4 && vu_number_parse(words[3], 1, UINT32_MAX, &second)))
		return vu_script_fail(script, "a level is a number");
	if (n == 3 && !strcmp(words[1], "level"))
		ret = scmi_perf_set_level(p, id, (uint32_t)first, SCMI_AGENT_PLATFORM);
	else if (n == 4 && !strcmp(words[1], "limits"))
		ret = scmi_perf_set_limits(p, id, (uint32_t)first, (uint32_t)second,
					   SCMI_AGENT_PLATFORM);
	else
		return vu_script_fail(script, "level LEVEL, or limits MIN MAX");
	if (ret)
		return vu_script_fail(script, "the domain cannot do this");
	return done(control);
}

static int command_sensor(struct vu_script *script, uint32_t n, const char *const *words,
			  void *opaque)
{
	const struct scmi_control *control = opaque;
	struct scmi_platform *p = control->platform;
	int64_t values[SCMI_MAX_AXES];
	uint32_t id = 0;
	int ret = parse_id(script, words[0], p->n_sensors, &id);

	(void)n;
	if (ret)
		return ret;
	if (p->sensors[id].measure)
		return vu_script_fail(script, "this sensor is a real one");
	if (scmi_parse_values(words[1], values, SCMI_MAX_AXES) !=
	    (int)scmi_sensor_n_values(&p->sensors[id]))
		return vu_script_fail(script, "a whole number for each axis, with commas");
	scmi_sensor_set(p, id, values);
	return done(control);
}

static int command_reset(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	const struct scmi_control *control = opaque;
	uint32_t id = 0;
	int ret = parse_id(script, words[0], control->platform->n_resets, &id);

	(void)n;
	if (ret)
		return ret;
	scmi_reset_issue(control->platform, id, 1, 0, SCMI_AGENT_PLATFORM);
	return done(control);
}

static int command_error(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	const struct scmi_control *control = opaque;

	if (n && strcmp(words[0], "fatal"))
		return vu_script_fail(script, "only \"fatal\" may follow");
	scmi_base_error(control->platform, n);
	return done(control);
}

static void list_sensor(struct vu_script *script, struct scmi_platform *p, uint32_t id)
{
	const struct scmi_sensor *sensor = &p->sensors[id];
	char line[512];
	size_t len;

	len = (size_t)snprintf(line, sizeof(line), "sensor %u %s", id, sensor->name);
	if (scmi_sensor_measure(p, id)) {
		strcpy(line + len, " fails");
	} else {
		for (uint32_t i = 0; i < scmi_sensor_n_values(sensor); i++)
			len += (size_t)snprintf(line + len, sizeof(line) - len, "%c%" PRId64,
						i ? ',' : ' ', sensor->values[i]);
		snprintf(line + len, sizeof(line) - len, " 10^%d", sensor->scale);
	}
	vu_script_answer(script, line);
}

static int command_list(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	const struct scmi_control *control = opaque;
	struct scmi_platform *p = control->platform;
	char line[256];

	for (uint32_t i = 0; i < p->n_clocks; i++) {
		snprintf(line, sizeof(line), "clock %u %s rate %" PRIu64 " %s", i,
			 p->clocks[i].name, p->clocks[i].rate, p->clocks[i].on ? "on" : "off");
		vu_script_answer(script, line);
	}
	for (uint32_t i = 0; i < p->n_powers; i++) {
		snprintf(line, sizeof(line), "power %u %s %s", i, p->powers[i].name,
			 p->powers[i].state == SCMI_POWER_ON ? "on" : "off");
		vu_script_answer(script, line);
	}
	for (uint32_t i = 0; i < p->n_perfs; i++) {
		const struct scmi_perf *perf = &p->perfs[i];

		snprintf(line, sizeof(line), "perf %u %s level %u limits %u %u", i, perf->name,
			 perf->level, perf->min, perf->max);
		vu_script_answer(script, line);
	}
	for (uint32_t i = 0; i < p->n_resets; i++) {
		snprintf(line, sizeof(line), "reset %u %s %s", i, p->resets[i].name,
			 p->resets[i].asserted ? "asserted" : "deasserted");
		vu_script_answer(script, line);
	}
	for (uint32_t i = 0; i < p->n_sensors; i++)
		list_sensor(script, p, i);
	(void)n;
	(void)words;
	return done(control);
}

const struct vu_command scmi_commands[] = {
	{"list", NULL, "everything, as it is", 0, 0, command_list},
	{"clock", "ID on|off|rate HERTZ", "switch a clock, or change its rate", 2, 3,
	 command_clock},
	{"power", "ID on|off", "switch a power domain", 2, 2, command_power},
	{"perf", "ID level LEVEL | ID limits MIN MAX", "change a performance domain", 3, 4,
	 command_perf},
	{"sensor", "ID VALUE[,VALUE]...", "what a simulated sensor measures", 2, 2, command_sensor},
	{"reset", "ID", "reset a domain", 1, 1, command_reset},
	{"error", "[fatal]", "report an error of the platform", 0, 1, command_error},
	{NULL, NULL, NULL, 0, 0, NULL},
};
