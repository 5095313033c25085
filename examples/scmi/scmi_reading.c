/* SPDX-License-Identifier: MIT */
/*
 * What sensors measure, and when that is reported: trip points and regular updates.
 *
 * A simulated sensor's trip points are looked at when it gets new values; those of one that
 * measures, whenever it is read, and once in its update interval while the agent waits for them.
 */
#include "scmi.h"

enum { TRIP_POINT = 0, UPDATE = 1, RISING = 1, FALLING = 2 };

static const uint64_t ms = 1000000; /* in nanoseconds */

uint32_t scmi_sensor_n_values(const struct scmi_sensor *sensor)
{
	return sensor->n_axes ? sensor->n_axes : 1;
}

void scmi_sensor_init(struct scmi_sensor *sensor)
{
	for (uint32_t i = 0; i < SCMI_MAX_TRIPS; i++)
		sensor->trips[i] = (struct scmi_trip){0};
	sensor->interval_ms = sensor->intervals_ms[0];
	sensor->enabled = true;
	sensor->stamped = sensor->notify_trips = sensor->notify_updates = false;
	sensor->tick = 0;
}

uint64_t scmi_sensor_stamp(const struct scmi_platform *p, const struct scmi_sensor *sensor)
{
	return sensor->stamped ? p->now : 0;
}

/* The trip points that lie between what was and what is; SCMI has them for sensors of one value. */
static void reading_trip(struct scmi_platform *p, uint32_t id, int64_t before)
{
	const struct scmi_sensor *sensor = &p->sensors[id];
	int64_t now = sensor->values[0];

	for (uint32_t i = 0; i < sensor->n_trips && sensor->notify_trips; i++) {
		const struct scmi_trip *trip = &sensor->trips[i];
		bool rose = before < trip->level && now >= trip->level;
		bool fell = before >= trip->level && now < trip->level;
		const uint32_t words[] = {SCMI_AGENT_PLATFORM, id, i | (uint32_t)rose << 16};

		if ((rose && trip->mode & RISING) || (fell && trip->mode & FALLING))
			scmi_notify(p, SCMI_SENSOR, TRIP_POINT, words, 3);
	}
}

int scmi_sensor_measure(struct scmi_platform *p, uint32_t id)
{
	struct scmi_sensor *sensor = &p->sensors[id];
	int64_t before = sensor->values[0];
	int ret;

	if (!sensor->measure)
		return 0;
	ret = sensor->measure(sensor);
	if (!ret)
		reading_trip(p, id, before);
	return ret;
}

void scmi_sensor_set(struct scmi_platform *p, uint32_t id, const int64_t *values)
{
	struct scmi_sensor *sensor = &p->sensors[id];
	int64_t before = sensor->values[0];

	for (uint32_t i = 0; i < scmi_sensor_n_values(sensor); i++)
		sensor->values[i] = values[i];
	reading_trip(p, id, before);
}

static void reading_update(struct scmi_platform *p, uint32_t id)
{
	const struct scmi_sensor *sensor = &p->sensors[id];
	uint64_t stamp = scmi_sensor_stamp(p, sensor);
	uint32_t words[SCMI_EVENT_WORDS] = {SCMI_AGENT_PLATFORM, id}, n = 2;

	for (uint32_t i = 0; i < scmi_sensor_n_values(sensor); i++) {
		words[n++] = (uint32_t)sensor->values[i];
		words[n++] = (uint32_t)((uint64_t)sensor->values[i] >> 32);
		words[n++] = (uint32_t)stamp;
		words[n++] = (uint32_t)(stamp >> 32);
	}
	/* The driver may be slow: it gets the latest, not all. */
	scmi_notify_latest(p, SCMI_SENSOR, UPDATE, words, n);
}

static bool reading_reports(const struct scmi_sensor *sensor)
{
	return sensor->notify_updates && sensor->enabled;
}

void scmi_sensor_watch(struct scmi_platform *p, struct scmi_sensor *sensor)
{
	bool trips = sensor->notify_trips && sensor->measure;

	if (!p->p2a || (!trips && !reading_reports(sensor)))
		sensor->tick = 0;
	else
		sensor->tick = p->now + sensor->interval_ms * ms;
}

uint64_t scmi_sensors_run(struct scmi_platform *p)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < p->n_sensors; i++) {
		struct scmi_sensor *sensor = &p->sensors[i];

		if (!sensor->tick)
			continue;
		if (sensor->tick <= p->now) {
			if (!scmi_sensor_measure(p, i) && reading_reports(sensor))
				reading_update(p, i);
			sensor->tick = p->now + sensor->interval_ms * ms;
		}
		if (!next || sensor->tick < next)
			next = sensor->tick;
	}
	return next;
}
