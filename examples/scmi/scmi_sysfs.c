/* SPDX-License-Identifier: MIT */
/*
 * Sensors of the host, from sysfs: hwmon chips and IIO devices.
 *
 * Found once, at the start; each is read anew when the guest asks.  IIO's values are raw numbers
 * with an offset and a scale that may have a fraction: they become millionths of IIO's unit.
 */
#include "scmi.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LEN = 512, CHANNEL_LEN = 40, NANO_DIGITS = 9, MICRO_DIGITS = 6 };

/* A kind of measurement: its name in sysfs, SCMI's unit and power of ten. */
struct kind {
	const char *name;
	uint8_t type;
	int8_t scale;
	bool axes;
};

static const struct kind hwmon_kinds[] = {
	{"temp", 0x02, -3, false},     {"in", 0x05, -3, false},	    {"curr", 0x06, -3, false},
	{"power", 0x07, -6, false},    {"energy", 0x08, -6, false}, {"fan", 0x13, 0, false},
	{"humidity", 0x41, -3, false}, {NULL, 0, 0, false},
};

/* Six digits more than the units of the kernel's Documentation/ABI/testing/sysfs-bus-iio. */
static const struct kind iio_kinds[] = {
	{"accel", 0x59, -6, true},     {"anglvel", 0x57, -6, true},
	{"magn", 0x2d, -6, true},      {"temp", 0x02, -9, false},
	{"voltage", 0x05, -9, false},  {"current", 0x06, -9, false},
	{"power", 0x07, -9, false},    {"illuminance", 0x0d, -6, false},
	{"pressure", 0x0f, -6, false}, {"humidityrelative", 0x41, -9, false},
	{NULL, 0, 0, false},
};

/* Where a sensor's values come from. */
struct source {
	char dir[PATH_LEN];
	char kind[CHANNEL_LEN];			   /* "in_accel" */
	char channels[SCMI_MAX_AXES][CHANNEL_LEN]; /* "temp1", "in_accel_x" */
	bool raw;
};

/* A file's line without its end.  0 or -errno. */
static int read_line(const char *dir, const char *name, const char *suffix, char *line, size_t max)
{
	char path[PATH_LEN + 2 * CHANNEL_LEN];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, line, max - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

/* "-12.5" with so many digits after the point is -12500000000 for nine. */
static int parse_decimal(const char *text, int digits, int64_t *value)
{
	bool negative = *text == '-';
	int64_t number = 0;
	int seen = -1; /* digits after the point */

	if (!isdigit((unsigned char)text[negative]))
		return -EINVAL;
	for (text += negative; *text && seen < digits; text++) {
		if (*text == '.' && seen < 0) {
			seen = 0;
			continue;
		}
		if (!isdigit((unsigned char)*text) || number > INT64_MAX / 10 - 1)
			return -EINVAL;
		number = number * 10 + (*text - '0');
		seen += seen >= 0;
	}
	for (seen = seen < 0 ? 0 : seen; seen < digits; seen++) {
		if (number > INT64_MAX / 10)
			return -EINVAL;
		number *= 10;
	}
	*value = negative ? -number : number;
	return 0;
}

static int read_decimal(const char *dir, const char *name, const char *suffix, int digits,
			int64_t *value)
{
	char line[64];
	int ret = read_line(dir, name, suffix, line, sizeof(line));

	return ret ? ret : parse_decimal(line, digits, value);
}

static int hwmon_measure(struct scmi_sensor *sensor)
{
	const struct source *s = sensor->source;

	return read_decimal(s->dir, s->channels[0], "_input", 0, &sensor->values[0]);
}

/* An attribute of the channel, else of all channels of its kind, else what is assumed. */
static int iio_attribute(const struct source *s, const char *channel, const char *suffix,
			 int64_t *value)
{
	int ret = read_decimal(s->dir, channel, suffix, NANO_DIGITS, value);

	if (ret == -ENOENT)
		ret = read_decimal(s->dir, s->kind, suffix, NANO_DIGITS, value);
	return ret == -ENOENT ? 0 : ret;
}

static int iio_value(const struct source *s, const char *channel, int64_t *value)
{
	int64_t raw, scale = 1000000000, offset = 0;
	double product;
	int ret;

	if (!s->raw)
		return read_decimal(s->dir, channel, "_input", MICRO_DIGITS, value);
	ret = read_decimal(s->dir, channel, "_raw", NANO_DIGITS, &raw);
	if (!ret)
		ret = iio_attribute(s, channel, "_scale", &scale);
	if (!ret)
		ret = iio_attribute(s, channel, "_offset", &offset);
	if (ret)
		return ret;
	/* Nano times nano is to become micro; the product has too many bits for an integer. */
	product = ((double)raw + (double)offset) * (double)scale * 1e-12;
	if (product > 9e18 || product < -9e18)
		return -ERANGE;
	*value = (int64_t)(product < 0 ? product - 0.5 : product + 0.5);
	return 0;
}

static int iio_measure(struct scmi_sensor *sensor)
{
	int64_t values[SCMI_MAX_AXES];
	const struct source *s = sensor->source;
	int ret = 0;

	for (uint32_t i = 0; i < scmi_sensor_n_values(sensor) && !ret; i++)
		ret = iio_value(s, s->channels[i], &values[i]);
	if (!ret)
		memcpy(sensor->values, values, sizeof(values[0]) * scmi_sensor_n_values(sensor));
	return ret;
}

/* A new sensor at the end of the table, with a source; NULL if there is no room. */
static struct scmi_sensor *sensor_add(struct scmi_platform *p, const struct kind *kind,
				      const char *dir, int (*measure)(struct scmi_sensor *))
{
	struct scmi_sensor *sensor = &p->sensors[p->n_sensors];
	struct source *source;

	if (p->n_sensors == SCMI_MAX_ITEMS)
		return NULL;
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	snprintf(source->dir, sizeof(source->dir), "%s", dir);
	snprintf(source->kind, sizeof(source->kind), "in_%s", kind->name);
	*sensor = (struct scmi_sensor){
		.type = kind->type,
		.scale = kind->scale,
		.n_trips = kind->axes ? 0 : 2,
		.stamps = true,
		.intervals_ms = {100, 1000, 10000},
		.n_intervals = 3,
		.measure = measure,
		.source = source,
	};
	scmi_sensor_init(sensor);
	p->n_sensors++;
	return sensor;
}

/* What sensor_add() did not make is left out where there are as many as can be, and else an error.
 */
static int sensor_missing(const struct scmi_platform *p)
{
	return p->n_sensors == SCMI_MAX_ITEMS ? 0 : -ENOMEM;
}

/* Is a file's name PREFIX KIND [NUMBER] SUFFIX?  Its length without the suffix, or 0. */
static size_t channel_len(const char *file, const char *prefix, const char *kind,
			  const char *suffix)
{
	size_t len = strlen(prefix);

	if (strncmp(file, prefix, len) || strncmp(file + len, kind, strlen(kind)))
		return 0;
	len += strlen(kind);
	len += strspn(file + len, "0123456789");
	return strcmp(file + len, suffix) || len >= CHANNEL_LEN ? 0 : len;
}

static int hwmon_add_file(struct scmi_platform *p, const char *dir, const char *chip,
			  const char *file)
{
	char label[SCMI_NAME], channel[CHANNEL_LEN];
	struct scmi_sensor *sensor;
	size_t len = 0;
	const struct kind *kind;

	for (kind = hwmon_kinds; kind->name; kind++) {
		len = channel_len(file, "", kind->name, "_input");
		if (len)
			break;
	}
	if (!len)
		return 0;
	snprintf(channel, sizeof(channel), "%.*s", (int)len, file);
	sensor = sensor_add(p, kind, dir, hwmon_measure);
	if (!sensor)
		return sensor_missing(p);
	strcpy(((struct source *)sensor->source)->channels[0], channel);
	if (read_line(dir, channel, "_label", label, sizeof(label)))
		strcpy(label, channel);
	snprintf(sensor->name, sizeof(sensor->name), "%.20s-%.40s", chip, label);
	return 1;
}

static int iio_add_file(struct scmi_platform *p, const char *dir, const char *device,
			const char *file)
{
	struct scmi_sensor *sensor;
	struct source *source;
	size_t len = 0;
	bool raw = false;
	const struct kind *kind;

	for (kind = iio_kinds; kind->name; kind++) {
		if (kind->axes)
			continue;
		raw = (len = channel_len(file, "in_", kind->name, "_raw"));
		if (raw || (len = channel_len(file, "in_", kind->name, "_input")))
			break;
	}
	if (!len)
		return 0;
	sensor = sensor_add(p, kind, dir, iio_measure);
	if (!sensor)
		return sensor_missing(p);
	source = sensor->source;
	source->raw = raw;
	snprintf(source->channels[0], CHANNEL_LEN, "%.*s", (int)len, file);
	snprintf(sensor->name, sizeof(sensor->name), "%.20s-%.39s", device,
		 source->channels[0] + strlen("in_"));
	return 1;
}

/* The axes of a kind are one sensor.  Linux finds an axis by what follows the _ of its name. */
static int iio_add_axes(struct scmi_platform *p, const char *dir, const char *device,
			const struct kind *kind)
{
	struct scmi_sensor *sensor = NULL;
	char line[64], channel[CHANNEL_LEN];

	for (const char *axis = "xyz"; *axis; axis++) {
		snprintf(channel, sizeof(channel), "in_%s_%c", kind->name, *axis);
		if (read_line(dir, channel, "_raw", line, sizeof(line)))
			continue;
		if (!sensor)
			sensor = sensor_add(p, kind, dir, iio_measure);
		if (!sensor)
			return sensor_missing(p);
		strcpy(((struct source *)sensor->source)->channels[sensor->n_axes], channel);
		snprintf(sensor->axes[sensor->n_axes++], SCMI_NAME, "%s_%c", kind->name,
			 toupper(*axis));
	}
	if (!sensor)
		return 0;
	((struct source *)sensor->source)->raw = true;
	snprintf(sensor->name, sizeof(sensor->name), "%.20s-%s", device, kind->name);
	return 1;
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void free_names(struct dirent **names, int n)
{
	while (n > 0)
		free(names[--n]);
	free(names);
}

/* Add the sensors of one chip or device. */
static int add_folder(struct scmi_platform *p, const char *dir, const char *name, bool iio)
{
	struct dirent **files;
	int n = scandir(dir, &files, no_dots, versionsort), added = 0, ret = 0;

	if (n < 0)
		return -errno;
	for (const struct kind *kind = iio_kinds; iio && kind->name && ret >= 0; kind++)
		if (kind->axes && (ret = iio_add_axes(p, dir, name, kind)) > 0)
			added++;
	for (int i = 0; i < n && ret >= 0; i++) {
		ret = (iio ? iio_add_file : hwmon_add_file)(p, dir, name, files[i]->d_name);
		added += ret > 0;
	}
	free_names(files, n);
	return ret < 0 ? ret : added;
}

static int add_all(struct scmi_platform *p, const char *folder, const char *wanted, bool iio)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, no_dots, versionsort), added = 0, ret = 0;
	bool all = !strcmp(wanted, "all");

	if (n < 0)
		return -errno;
	for (int i = 0; i < n && ret >= 0; i++) {
		char dir[PATH_LEN], name[SCMI_NAME];

		if (strncmp(entries[i]->d_name, iio ? "iio:device" : "hwmon", iio ? 10 : 5) ||
		    snprintf(dir, sizeof(dir), "%s/%s", folder, entries[i]->d_name) >=
			    (int)sizeof(dir) ||
		    read_line(dir, "name", "", name, sizeof(name)) ||
		    (!all && strcmp(name, wanted)))
			continue;
		ret = add_folder(p, dir, name, iio);
		added += ret > 0 ? ret : 0;
	}
	free_names(entries, n);
	if (p->n_sensors == SCMI_MAX_ITEMS)
		fprintf(stderr, "vu-scmi: %s: there are %d sensors now, and no more are added\n",
			folder, SCMI_MAX_ITEMS);
	if (ret < 0)
		return ret;
	return added || all ? added : -ENOENT;
}

int scmi_add_hwmon(struct scmi_platform *p, const char *root, const char *chip)
{
	char folder[PATH_LEN];

	snprintf(folder, sizeof(folder), "%s/class/hwmon", root);
	return add_all(p, folder, chip, false);
}

int scmi_add_iio(struct scmi_platform *p, const char *root, const char *device)
{
	char folder[PATH_LEN];

	snprintf(folder, sizeof(folder), "%s/bus/iio/devices", root);
	return add_all(p, folder, device, true);
}
