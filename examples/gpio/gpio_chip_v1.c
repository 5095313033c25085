/* SPDX-License-Identifier: MIT */
/* See gpio_chip.h: libgpiod 1. */
#include "gpio_chip.h"

#include <errno.h>
#include <stdlib.h>

#include <gpiod.h>

#include "gpio.h"

/* Both are only other names: the library's own types are incomplete here, as ours are elsewhere. */
static struct gpiod_chip *v1_chip(struct chip *chip)
{
	return (struct gpiod_chip *)chip;
}

static struct gpiod_line *v1_line(struct chip_line *line)
{
	return (struct gpiod_line *)line;
}

int chip_open(const char *path, struct chip **chip)
{
	*chip = (struct chip *)gpiod_chip_open(path);
	return *chip ? 0 : -errno;
}

void chip_close(struct chip *chip)
{
	gpiod_chip_close(v1_chip(chip));
}

const char *chip_label(struct chip *chip)
{
	return gpiod_chip_label(v1_chip(chip));
}

uint32_t chip_n_lines(struct chip *chip)
{
	return gpiod_chip_num_lines(v1_chip(chip));
}

const char *chip_line_name(struct chip *chip, uint32_t offset)
{
	struct gpiod_line *line = gpiod_chip_get_line(v1_chip(chip), offset);

	return line ? gpiod_line_name(line) : NULL;
}

static int v1_request_type(enum chip_mode mode, uint8_t edges)
{
	switch (edges) {
	case GPIO_RISING:
		return GPIOD_LINE_REQUEST_EVENT_RISING_EDGE;
	case GPIO_FALLING:
		return GPIOD_LINE_REQUEST_EVENT_FALLING_EDGE;
	case GPIO_RISING | GPIO_FALLING:
		return GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES;
	default:
		break;
	}
	if (mode == CHIP_OUTPUT)
		return GPIOD_LINE_REQUEST_DIRECTION_OUTPUT;
	return mode == CHIP_INPUT ? GPIOD_LINE_REQUEST_DIRECTION_INPUT
				  : GPIOD_LINE_REQUEST_DIRECTION_AS_IS;
}

int chip_request(struct chip *chip, uint32_t offset, enum chip_mode mode, uint8_t edges,
		 uint8_t value, struct chip_line **line)
{
	const struct gpiod_line_request_config config = {
		.consumer = "vu-gpio",
		.request_type = v1_request_type(mode, edges),
	};
	struct gpiod_line *v1 = gpiod_chip_get_line(v1_chip(chip), offset);

	if (!v1 || gpiod_line_request(v1, &config, value))
		return -errno;
	*line = (struct chip_line *)v1;
	return 0;
}

void chip_release(struct chip_line *line)
{
	gpiod_line_release(v1_line(line));
}

int chip_get(struct chip_line *line)
{
	int value = gpiod_line_get_value(v1_line(line));

	return value < 0 ? -errno : value;
}

int chip_set(struct chip_line *line, uint8_t value)
{
	return gpiod_line_set_value(v1_line(line), value) ? -errno : 0;
}

int chip_fd(struct chip_line *line)
{
	int fd = gpiod_line_event_get_fd(v1_line(line));

	return fd < 0 ? -errno : fd;
}

int chip_read_event(struct chip_line *line)
{
	struct gpiod_line_event event;

	if (gpiod_line_event_read(v1_line(line), &event))
		return -errno;
	return event.event_type == GPIOD_LINE_EVENT_RISING_EDGE ? GPIO_RISING : GPIO_FALLING;
}
