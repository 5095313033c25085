/* SPDX-License-Identifier: MIT */
/* The description of a sensor: see scmi_describe.c. */
#include "scmi_describe.h"

#include <errno.h>
#include <string.h>

static const struct unit {
	const char *name;
	uint8_t type;
} units[] = {
	{"celsius", 0x02},     {"fahrenheit", 0x03}, {"kelvin", 0x04},	{"volts", 0x05},
	{"amperes", 0x06},     {"watts", 0x07},	     {"joules", 0x08},	{"lux", 0x0d},
	{"kilopascals", 0x0f}, {"rpm", 0x13},	     {"hertz", 0x14},	{"seconds", 0x15},
	{"gauss", 0x2d},       {"percent", 0x41},    {"pascals", 0x42}, {"counts", 0x43},
	{"rad/s", 0x57},       {"m/s2", 0x59},	     {NULL, 0},
};

static int sensor_type(void *item, const char *const *args)
{
	struct scmi_sensor *sensor = item;
	uint32_t type;

	for (const struct unit *u = units; u->name; u++)
		if (!strcmp(u->name, args[0])) {
			sensor->type = u->type;
			return 0;
		}
	if (scmi_parse_u32(args[0], UINT8_MAX, &type) || !type)
		return -EINVAL;
	sensor->type = (uint8_t)type;
	return 0;
}

static int sensor_scale(void *item, const char *const *args)
{
	int64_t scale;

	if (scmi_parse_values(args[0], &scale, 1) != 1 || scale < -16 || scale > 15)
		return -EINVAL;
	((struct scmi_sensor *)item)->scale = (int8_t)scale;
	return 0;
}

static int axis_name(void *sensor, uint32_t i, char *name)
{
	strcpy(((struct scmi_sensor *)sensor)->axes[i], name);
	return 0;
}

static int sensor_axes(void *item, const char *const *args)
{
	struct scmi_sensor *sensor = item;
	int n = scmi_parse_list(args[0], SCMI_MAX_AXES, axis_name, sensor);

	sensor->n_axes = n < 0 ? 0 : (uint32_t)n;
	return n < 0 ? n : 0;
}

/* One value stands for all axes. */
static int sensor_value(void *item, const char *const *args)
{
	struct scmi_sensor *sensor = item;
	int n = scmi_parse_values(args[0], sensor->values, SCMI_MAX_AXES);

	for (int i = n; n == 1 && i < SCMI_MAX_AXES; i++)
		sensor->values[i] = sensor->values[0];
	return n < 0 ? n : 0;
}

static int sensor_range(void *item, const char *const *args)
{
	struct scmi_sensor *sensor = item;

	sensor->has_range = true;
	if (scmi_parse_values(args[0], &sensor->min, 1) != 1 ||
	    scmi_parse_values(args[1], &sensor->max, 1) != 1)
		return -EINVAL;
	return sensor->min <= sensor->max ? 0 : -EINVAL;
}

static int sensor_trips(void *item, const char *const *args)
{
	return scmi_parse_u32(args[0], SCMI_MAX_TRIPS, &((struct scmi_sensor *)item)->n_trips);
}

static int sensor_intervals(void *item, const char *const *args)
{
	struct scmi_sensor *sensor = item;
	int64_t ms[SCMI_MAX_INTERVALS];
	int n = scmi_parse_ascending(args[0], 1, UINT16_MAX, ms, SCMI_MAX_INTERVALS);

	for (int i = 0; i < n; i++)
		sensor->intervals_ms[i] = (uint16_t)ms[i];
	sensor->n_intervals = n < 0 ? 0 : (uint32_t)n;
	return n < 0 ? n : 0;
}

static int sensor_stamps(void *item, const char *const *args)
{
	((struct scmi_sensor *)item)->stamps = true;
	(void)args;
	return 0;
}

static int sensor_async(void *item, const char *const *args)
{
	struct scmi_sensor *sensor = item;

	return scmi_set_async(&sensor->async, &sensor->delay_ms, args[0]);
}

int scmi_describe_sensor(struct vu_script *script, uint32_t n, const char *const *words, void *p_)
{
	static const struct scmi_keyword keywords[] = {
		{"type", 1, sensor_type, "a unit, or its number up to 255"},
		{"scale", 1, sensor_scale, "a power of ten, -16 to 15"},
		{"axes", 1, sensor_axes, "1 to 6 names with commas between"},
		{"value", 1, sensor_value, "1 to 6 values with commas between"},
		{"range", 2, sensor_range, "MIN MAX"},
		{"trips", 1, sensor_trips, "0 to 8"},
		{"intervals", 1, sensor_intervals,
		 "1 to 8 times in milliseconds with commas between, ascending"},
		{"timestamps", 0, sensor_stamps, "nothing"},
		{"async", 1, sensor_async, "up to 10000 milliseconds"},
		{NULL, 0, NULL, NULL},
	};
	struct scmi_platform *p = p_;
	struct scmi_sensor sensor = {.intervals_ms = {1000}, .n_intervals = 1};
	int ret = scmi_run_keywords(script, keywords, p->n_sensors, sensor.name, &sensor, n, words);

	if (ret)
		return ret;
	if (!sensor.type)
		return vu_script_fail(script, "a sensor has 'type UNIT'");
	if (sensor.n_axes && sensor.n_trips)
		return vu_script_fail(script, "trip points are for sensors without axes");
	scmi_sensor_init(&sensor);
	p->sensors[p->n_sensors++] = sensor;
	return 0;
}
