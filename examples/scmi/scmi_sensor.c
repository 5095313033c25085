/* SPDX-License-Identifier: MIT */
/* The sensor management protocol (DEN0056D §4.7). */
#include "scmi.h"

enum { MANY = 0xfff, STAMP_SCALE = 0x17 /* nanoseconds: -9 in five bits */, MAX_ASYNC = 8 };

/* Bits of descriptions, of sensors and axes. */
enum {
	LOW_EXTENDED = 1 << 8,
	LOW_STAMPS = 1 << 9,
	LOW_AXIS_LONG = 1 << 9,
	LOW_LONG = 1 << 29,
	LOW_UPDATES = 1 << 30,
	HIGH_AXES = 1 << 8,
};

/* Bits of a configuration. */
enum { ENABLED = 1, STAMPED = 2, ROUND_UP = 1, ROUND_AUTO = 2, RESERVED = 0x1fc };

static const uint32_t milliseconds = 0x1d; /* 10^-3 seconds: -3 in five bits */

static uint32_t sensor_count(const struct scmi_platform *p)
{
	return p->n_sensors;
}

static struct scmi_sensor *sensor_find(struct scmi_call *call, uint32_t id)
{
	return id < call->platform->n_sensors ? &call->platform->sensors[id] : NULL;
}

static int32_t sensor_attributes(struct scmi_call *call)
{
	const struct scmi_platform *p = call->platform;
	bool async = false;

	for (uint32_t i = 0; i < p->n_sensors; i++)
		async |= p->sensors[i].async;
	scmi_put(call, p->n_sensors | (async && p->p2a ? MAX_ASYNC : 0) << 16);
	scmi_put64(call, 0); /* no shared memory */
	scmi_put(call, 0);
	return SCMI_SUCCESS;
}

/* Type and scale, as sensors and axes have them. */
static uint32_t sensor_unit(const struct scmi_sensor *sensor)
{
	return sensor->type | ((uint32_t)sensor->scale & 0x1f) << 11;
}

static void sensor_put_range(struct scmi_call *call, const struct scmi_sensor *sensor)
{
	/* Values are whole numbers: the resolution is one, of the sensor's scale. */
	scmi_put(call, 1 | ((uint32_t)sensor->scale & 0x1f) << 27);
	scmi_put64(call, (uint64_t)sensor->min);
	scmi_put64(call, (uint64_t)sensor->max);
}

static void sensor_put_description(struct scmi_call *call, uint32_t id)
{
	const struct scmi_sensor *sensor = &call->platform->sensors[id];
	uint32_t low = 0, high = sensor_unit(sensor);

	if (call->platform->p2a)
		low |= LOW_UPDATES | (uint32_t)sensor->async << 31 | sensor->n_trips;
	if (scmi_is_long(sensor->name))
		low |= LOW_LONG;
	if (sensor->stamps)
		low |= LOW_STAMPS | STAMP_SCALE << 10;
	if (sensor->n_axes)
		high |= HIGH_AXES | (uint32_t)sensor->n_axes << 16;
	else if (sensor->has_range)
		low |= LOW_EXTENDED;
	scmi_put(call, id);
	scmi_put(call, low);
	scmi_put(call, high);
	scmi_put_text(call, sensor->name, SCMI_SHORT_NAME);
	if (low & LOW_EXTENDED) {
		scmi_put(call, 0); /* power: unknown */
		sensor_put_range(call, sensor);
	}
}

static uint32_t sensor_words(const struct scmi_sensor *sensor)
{
	return !sensor->n_axes && sensor->has_range ? 13 : 7;
}

static int32_t sensor_descriptions(struct scmi_call *call)
{
	const struct scmi_platform *p = call->platform;
	uint32_t first = call->args[0], n = 0;
	size_t at = call->len;

	if (first >= p->n_sensors)
		return SCMI_OUT_OF_RANGE;
	scmi_put(call, 0);
	for (; first + n < p->n_sensors && n < MANY; n++) {
		if (!scmi_fits(call, sensor_words(&p->sensors[first + n])))
			break;
		sensor_put_description(call, first + n);
	}
	scmi_set(call, at, n | (p->n_sensors - first - n) << 16);
	return n ? SCMI_SUCCESS : SCMI_PROTOCOL_ERROR; /* else the agent would ask for ever */
}

/* The sensor that is asked for, from one of its axes on. */
static int32_t sensor_with_axes(struct scmi_call *call, const struct scmi_sensor **sensor)
{
	*sensor = sensor_find(call, call->args[0]);
	if (!*sensor)
		return SCMI_NOT_FOUND;
	if (!(*sensor)->n_axes)
		return SCMI_NOT_SUPPORTED;
	return call->args[1] < (*sensor)->n_axes ? SCMI_SUCCESS : SCMI_OUT_OF_RANGE;
}

static int32_t sensor_axes(struct scmi_call *call)
{
	const struct scmi_sensor *sensor;
	uint32_t first = call->args[1], n = 0;
	size_t at = call->len;
	int32_t status = sensor_with_axes(call, &sensor);

	if (status != SCMI_SUCCESS)
		return status;
	scmi_put(call, 0);
	for (; first + n < sensor->n_axes && scmi_fits(call, sensor->has_range ? 12 : 7); n++) {
		const char *name = sensor->axes[first + n];

		scmi_put(call, first + n);
		scmi_put(call, (sensor->has_range ? LOW_EXTENDED : 0) |
				       (scmi_is_long(name) ? LOW_AXIS_LONG : 0));
		scmi_put(call, sensor_unit(sensor));
		scmi_put_text(call, name, SCMI_SHORT_NAME);
		if (sensor->has_range)
			sensor_put_range(call, sensor);
	}
	scmi_set(call, at, n | (sensor->n_axes - first - n) << 26);
	return n ? SCMI_SUCCESS : SCMI_PROTOCOL_ERROR;
}

static int32_t sensor_axis_names(struct scmi_call *call)
{
	const struct scmi_sensor *sensor;
	uint32_t first = call->args[1], n = 0;
	size_t at = call->len;
	int32_t status = sensor_with_axes(call, &sensor);

	if (status != SCMI_SUCCESS)
		return status;
	scmi_put(call, 0);
	for (; first + n < sensor->n_axes && scmi_fits(call, 17); n++) {
		scmi_put(call, first + n);
		scmi_put_text(call, sensor->axes[first + n], SCMI_NAME);
	}
	scmi_set(call, at, n | (sensor->n_axes - first - n) << 26);
	return SCMI_SUCCESS;
}

static int32_t sensor_intervals(struct scmi_call *call)
{
	const struct scmi_sensor *sensor = sensor_find(call, call->args[0]);
	uint32_t first = call->args[1], n = 0;
	size_t at = call->len;

	if (!sensor)
		return SCMI_NOT_FOUND;
	if (first >= sensor->n_intervals)
		return SCMI_OUT_OF_RANGE;
	scmi_put(call, 0);
	for (; first + n < sensor->n_intervals && scmi_fits(call, 1); n++)
		scmi_put(call, (uint32_t)sensor->intervals_ms[first + n] << 5 | milliseconds);
	scmi_set(call, at, n | (sensor->n_intervals - first - n) << 16);
	return SCMI_SUCCESS;
}

static int32_t sensor_trip_notify(struct scmi_call *call)
{
	struct scmi_sensor *sensor = sensor_find(call, call->args[0]);
	int32_t status;

	if (!sensor)
		return SCMI_NOT_FOUND;
	if (!sensor->n_trips)
		return SCMI_NOT_SUPPORTED;
	status = scmi_set_flag(call->args[1], &sensor->notify_trips);
	/* What is crossed from now on counts: know where it is. */
	if (!status && sensor->notify_trips && sensor->measure)
		sensor->measure(sensor);
	scmi_sensor_watch(call->platform, sensor);
	return status;
}

static int32_t sensor_trip_config(struct scmi_call *call)
{
	struct scmi_sensor *sensor = sensor_find(call, call->args[0]);
	uint32_t control = call->args[1], trip = control >> 4 & 0xff;

	if (!sensor)
		return SCMI_NOT_FOUND;
	if (!sensor->n_trips)
		return SCMI_NOT_SUPPORTED;
	if (control & ~UINT32_C(0xff3) || trip >= sensor->n_trips)
		return SCMI_INVALID_PARAMETERS;
	sensor->trips[trip].mode = control & 3;
	sensor->trips[trip].level = (int64_t)(call->args[2] | (uint64_t)call->args[3] << 32);
	return SCMI_SUCCESS;
}

static int32_t sensor_read_finish(struct scmi_platform *p, const struct scmi_delayed *delayed,
				  struct scmi_event *event)
{
	const struct scmi_sensor *sensor = &p->sensors[delayed->id];

	if (scmi_sensor_measure(p, delayed->id))
		return SCMI_HARDWARE_ERROR;
	scmi_event_put(event, delayed->id);
	for (uint32_t i = 0; i < scmi_sensor_n_values(sensor); i++) {
		scmi_event_put64(event, (uint64_t)sensor->values[i]);
		scmi_event_put64(event, scmi_sensor_stamp(p, sensor));
	}
	return SCMI_SUCCESS;
}

static int32_t sensor_reading(struct scmi_call *call)
{
	uint32_t id = call->args[0], flags = call->args[1];
	const struct scmi_sensor *sensor = sensor_find(call, id);

	if (!sensor)
		return SCMI_NOT_FOUND;
	if (flags > 1)
		return SCMI_INVALID_PARAMETERS;
	if (flags && (!sensor->async || !call->platform->p2a))
		return SCMI_NOT_SUPPORTED;
	if (flags)
		return scmi_delay(call,
				  &(struct scmi_delayed){.id = id, .finish = sensor_read_finish},
				  sensor->delay_ms);
	if (!scmi_fits(call, 4 * scmi_sensor_n_values(sensor)))
		return SCMI_PROTOCOL_ERROR;
	if (scmi_sensor_measure(call->platform, id))
		return SCMI_HARDWARE_ERROR;
	for (uint32_t i = 0; i < scmi_sensor_n_values(sensor); i++) {
		scmi_put64(call, (uint64_t)sensor->values[i]);
		scmi_put64(call, scmi_sensor_stamp(call->platform, sensor));
	}
	return SCMI_SUCCESS;
}

static int32_t sensor_config_get(struct scmi_call *call)
{
	const struct scmi_sensor *sensor = sensor_find(call, call->args[0]);

	if (!sensor)
		return SCMI_NOT_FOUND;
	scmi_put(call, (uint32_t)sensor->interval_ms << 16 | milliseconds << 11 |
			       (sensor->stamped ? STAMPED : 0) | (sensor->enabled ? ENABLED : 0));
	return SCMI_SUCCESS;
}

/* Microseconds of an interval: seconds times ten to a power with a sign, in five bits. */
static uint64_t sensor_interval_us(uint32_t seconds, uint32_t exponent)
{
	int power = (int)(exponent & 0xf) - (int)(exponent & 0x10) + 6;
	uint64_t us = seconds;

	for (; power < 0; power++)
		us /= 10;
	for (; power > 0 && us < UINT32_MAX * UINT64_C(1000); power--)
		us *= 10;
	return us;
}

/* The supported interval that one leads to. */
static uint16_t sensor_round(const struct scmi_sensor *sensor, uint64_t us, uint32_t rounding)
{
	uint32_t above = 0, below;

	while (above < sensor->n_intervals - 1 && sensor->intervals_ms[above] * UINT64_C(1000) < us)
		above++;
	below = above && sensor->intervals_ms[above] * UINT64_C(1000) > us ? above - 1 : above;
	if (rounding == ROUND_AUTO)
		rounding = sensor->intervals_ms[above] * UINT64_C(1000) - us <
			   us - sensor->intervals_ms[below] * UINT64_C(1000);
	return sensor->intervals_ms[rounding == ROUND_UP ? above : below];
}

static int32_t sensor_config_set(struct scmi_call *call)
{
	struct scmi_sensor *sensor = sensor_find(call, call->args[0]);
	uint32_t config = call->args[1], rounding = config >> 9 & 3, seconds = config >> 16;

	if (!sensor)
		return SCMI_NOT_FOUND;
	if (config & RESERVED || rounding > ROUND_AUTO)
		return SCMI_INVALID_PARAMETERS;
	if (config & STAMPED && !sensor->stamps)
		return SCMI_NOT_SUPPORTED;
	if (seconds) /* else the interval stays */
		sensor->interval_ms = sensor_round(
			sensor, sensor_interval_us(seconds, config >> 11 & 0x1f), rounding);
	sensor->enabled = config & ENABLED;
	sensor->stamped = config & STAMPED;
	scmi_sensor_watch(call->platform, sensor);
	return SCMI_SUCCESS;
}

static int32_t sensor_update_notify(struct scmi_call *call)
{
	struct scmi_sensor *sensor = sensor_find(call, call->args[0]);
	int32_t status;

	if (!sensor)
		return SCMI_NOT_FOUND;
	status = scmi_set_flag(call->args[1], &sensor->notify_updates);
	scmi_sensor_watch(call->platform, sensor);
	return status;
}

static int32_t sensor_name(struct scmi_call *call)
{
	const struct scmi_sensor *sensor = sensor_find(call, call->args[0]);

	return sensor ? scmi_put_name(call, sensor->name) : SCMI_NOT_FOUND;
}

static const struct scmi_message sensor_messages[] = {
	{1, 0, 4, false, sensor_attributes},
	{3, 1, 1, false, sensor_descriptions},
	{4, 2, 0, true, sensor_trip_notify},
	{5, 4, 0, true, sensor_trip_config},
	{6, 2, 0, false, sensor_reading},
	{7, 2, 1, false, sensor_axes},
	{8, 2, 2, false, sensor_intervals},
	{9, 1, 1, false, sensor_config_get},
	{10, 2, 0, false, sensor_config_set},
	{11, 2, 0, true, sensor_update_notify},
	{12, 1, 17, false, sensor_name},
	{13, 2, 18, false, sensor_axis_names},
	{0},
};

const struct scmi_protocol scmi_sensor = {SCMI_SENSOR, 0x30000, sensor_count, sensor_messages};
