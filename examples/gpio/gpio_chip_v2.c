/* SPDX-License-Identifier: MIT */
/* See gpio_chip.h: libgpiod 2. */
#include "gpio_chip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gpiod.h>

#include "gpio.h"

struct chip {
	struct gpiod_chip *v2;
	struct gpiod_chip_info *info;
	char **names; /* n_lines, NULL where there is none */
	uint32_t n_lines;
};

struct chip_line {
	struct gpiod_line_request *v2;
	struct gpiod_edge_event_buffer *events; /* room for one; NULL without edges */
	unsigned int offset;
};

/* A line's information goes with its object, so names are kept. */
static int v2_read_names(struct chip *chip)
{
	chip->n_lines = (uint32_t)gpiod_chip_info_get_num_lines(chip->info);
	chip->names = calloc(chip->n_lines + 1, sizeof(*chip->names));
	if (!chip->names)
		return -ENOMEM;
	for (uint32_t i = 0; i < chip->n_lines; i++) {
		struct gpiod_line_info *info = gpiod_chip_get_line_info(chip->v2, i);
		const char *name;
		int ret = 0;

		if (!info)
			return -errno;
		name = gpiod_line_info_get_name(info);
		if (name) {
			chip->names[i] = strdup(name);
			ret = chip->names[i] ? 0 : -ENOMEM;
		}
		gpiod_line_info_free(info);
		if (ret)
			return ret;
	}
	return 0;
}

int chip_open(const char *path, struct chip **chip)
{
	struct chip *new = calloc(1, sizeof(*new));
	int ret = 0;

	if (!new)
		return -ENOMEM;
	new->v2 = gpiod_chip_open(path);
	if (new->v2)
		new->info = gpiod_chip_get_info(new->v2);
	if (!new->info)
		ret = -errno;
	else
		ret = v2_read_names(new);
	if (ret) {
		chip_close(new);
		return ret;
	}
	*chip = new;
	return 0;
}

void chip_close(struct chip *chip)
{
	for (uint32_t i = 0; chip->names && i < chip->n_lines; i++)
		free(chip->names[i]);
	free(chip->names);
	if (chip->info)
		gpiod_chip_info_free(chip->info);
	if (chip->v2)
		gpiod_chip_close(chip->v2);
	free(chip);
}

const char *chip_label(struct chip *chip)
{
	return gpiod_chip_info_get_label(chip->info);
}

uint32_t chip_n_lines(struct chip *chip)
{
	return chip->n_lines;
}

const char *chip_line_name(struct chip *chip, uint32_t offset)
{
	return offset < chip->n_lines ? chip->names[offset] : NULL;
}

static int v2_edge(uint8_t edges)
{
	switch (edges) {
	case GPIO_RISING:
		return GPIOD_LINE_EDGE_RISING;
	case GPIO_FALLING:
		return GPIOD_LINE_EDGE_FALLING;
	case GPIO_RISING | GPIO_FALLING:
		return GPIOD_LINE_EDGE_BOTH;
	default:
		return GPIOD_LINE_EDGE_NONE;
	}
}

static int v2_set(struct gpiod_line_settings *settings, enum chip_mode mode, uint8_t edges,
		  uint8_t value)
{
	static const int directions[] = {
		[CHIP_AS_IS] = GPIOD_LINE_DIRECTION_AS_IS,
		[CHIP_INPUT] = GPIOD_LINE_DIRECTION_INPUT,
		[CHIP_OUTPUT] = GPIOD_LINE_DIRECTION_OUTPUT,
	};

	if (gpiod_line_settings_set_direction(settings, directions[mode]) ||
	    gpiod_line_settings_set_edge_detection(settings, v2_edge(edges)) ||
	    gpiod_line_settings_set_output_value(settings, value ? GPIOD_LINE_VALUE_ACTIVE
								 : GPIOD_LINE_VALUE_INACTIVE))
		return -errno;
	return 0;
}

static int v2_request(struct chip *chip, struct chip_line *line, enum chip_mode mode, uint8_t edges,
		      uint8_t value)
{
	struct gpiod_line_settings *settings = gpiod_line_settings_new();
	struct gpiod_request_config *request = gpiod_request_config_new();
	struct gpiod_line_config *config = gpiod_line_config_new();
	int ret = settings && request && config ? 0 : -ENOMEM;

	if (!ret)
		ret = v2_set(settings, mode, edges, value);
	if (!ret && gpiod_line_config_add_line_settings(config, &line->offset, 1, settings))
		ret = -errno;
	if (!ret) {
		gpiod_request_config_set_consumer(request, "vu-gpio");
		line->v2 = gpiod_chip_request_lines(chip->v2, request, config);
		ret = line->v2 ? 0 : -errno;
	}
	gpiod_line_config_free(config);
	gpiod_request_config_free(request);
	gpiod_line_settings_free(settings);
	return ret;
}

int chip_request(struct chip *chip, uint32_t offset, enum chip_mode mode, uint8_t edges,
		 uint8_t value, struct chip_line **line)
{
	struct chip_line *new = calloc(1, sizeof(*new));
	int ret = 0;

	if (!new)
		return -ENOMEM;
	new->offset = offset;
	if (edges) {
		new->events = gpiod_edge_event_buffer_new(1);
		ret = new->events ? 0 : -ENOMEM;
	}
	if (!ret)
		ret = v2_request(chip, new, mode, edges, value);
	if (ret) {
		chip_release(new);
		return ret;
	}
	*line = new;
	return 0;
}

void chip_release(struct chip_line *line)
{
	if (line->v2)
		gpiod_line_request_release(line->v2);
	if (line->events)
		gpiod_edge_event_buffer_free(line->events);
	free(line);
}

int chip_get(struct chip_line *line)
{
	int value = gpiod_line_request_get_value(line->v2, line->offset);

	if (value == GPIOD_LINE_VALUE_ERROR)
		return -errno;
	return value == GPIOD_LINE_VALUE_ACTIVE;
}

int chip_set(struct chip_line *line, uint8_t value)
{
	return gpiod_line_request_set_value(line->v2, line->offset,
					    value ? GPIOD_LINE_VALUE_ACTIVE
						  : GPIOD_LINE_VALUE_INACTIVE)
		       ? -errno
		       : 0;
}

int chip_fd(struct chip_line *line)
{
	return gpiod_line_request_get_fd(line->v2);
}

int chip_read_event(struct chip_line *line)
{
	struct gpiod_edge_event *event;

	if (gpiod_line_request_read_edge_events(line->v2, line->events, 1) < 0)
		return -errno;
	event = gpiod_edge_event_buffer_get_event(line->events, 0);
	return gpiod_edge_event_get_event_type(event) == GPIOD_EDGE_EVENT_RISING_EDGE
		       ? GPIO_RISING
		       : GPIO_FALLING;
}
