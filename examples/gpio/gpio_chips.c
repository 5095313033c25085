/* SPDX-License-Identifier: MIT */
/*
 * Lines of the machine's own chips.  A line is requested while the driver uses it: as an output, as
 * an input, or as an input with events; never more than that, so that other lines and other
 * programs are left alone.
 */
#include "gpio.h"
#include "gpio_chip.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct chips_line {
	struct chip *chip;
	uint32_t offset;
	uint8_t edges;		  /* watched */
	struct chip_line *active; /* NULL: not requested */
	struct vu_source *source; /* while there are edges */
	struct gpio *gpio;
	uint32_t line;
};

struct chips {
	struct chip **open;
	uint32_t n_open;
	struct chips_line **lines; /* each stays where it is: a source knows it */
	uint32_t n_lines;
};

static struct chips_line *chips_line(struct gpio *gpio, uint32_t line)
{
	const struct chips *chips = gpio->opaque;

	return chips->lines[line];
}

/* --- using a line --- */

static void chips_release(struct chips_line *l)
{
	vu_source_remove(l->source);
	l->source = NULL;
	if (l->active)
		chip_release(l->active);
	l->active = NULL;
}

static void chips_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct chips_line *l = opaque;
	int edge = chip_read_event(l->active);

	if (edge > 0)
		gpio_irq_edge(l->gpio, l->line, (uint8_t)edge);
	else if (edge != -EAGAIN && edge != -EINTR) /* the chip is gone */
		vu_source_set_events(source, 0);
}

/* Request the line anew for what it is to be now. */
static int chips_request(struct chips_line *l, uint8_t direction, uint8_t edges, uint8_t value)
{
	bool output = direction == VIRTIO_GPIO_DIRECTION_OUT;
	int ret;

	chips_release(l);
	if (!direction && !edges)
		return 0;
	ret = chip_request(l->chip, l->offset, output ? CHIP_OUTPUT : CHIP_INPUT, edges, value,
			   &l->active);
	if (!ret && edges)
		ret = vu_group_add_fd(vu_device_group(l->gpio->dev), chip_fd(l->active), EPOLLIN,
				      chips_event, l, &l->source);
	if (ret)
		chips_release(l);
	return ret;
}

/* As chips_request(); if it can't be, it remains what it was. */
static int chips_change(struct chips_line *l, uint8_t direction, uint8_t edges, uint8_t value)
{
	const struct gpio_line *now = &l->gpio->lines[l->line];
	int ret = chips_request(l, direction, edges, value);

	if (ret && chips_request(l, now->direction, l->edges, now->value)) {
		vu_device_log_peer(l->gpio->dev, VU_LOG_WARNING,
				   "a line was lost to another program");
		l->edges = 0;
	}
	if (!ret)
		l->edges = edges;
	return ret;
}

static int chips_set_direction(struct gpio *gpio, uint32_t line, uint8_t direction, uint8_t value)
{
	struct chips_line *l = chips_line(gpio, line);

	return chips_change(l, direction, l->edges, value);
}

static int chips_watch(struct gpio *gpio, uint32_t line, uint8_t edges)
{
	struct chips_line *l = chips_line(gpio, line);

	if (edges == l->edges)
		return 0;
	return chips_change(l, gpio->lines[line].direction, edges, 0);
}

static int chips_set_value(struct gpio *gpio, uint32_t line, uint8_t value)
{
	struct chips_line *l = chips_line(gpio, line);

	return l->active ? chip_set(l->active, value) : -ENODEV;
}

/* A line that is not in use is asked as it is. */
static int chips_get_value(struct gpio *gpio, uint32_t line)
{
	struct chips_line *l = chips_line(gpio, line);
	struct chip_line *briefly;
	int ret;

	if (l->active)
		return chip_get(l->active);
	ret = chip_request(l->chip, l->offset, CHIP_AS_IS, 0, 0, &briefly);
	if (ret)
		return ret;
	ret = chip_get(briefly);
	chip_release(briefly);
	return ret;
}

static void chips_free(struct gpio *gpio)
{
	struct chips *chips = gpio->opaque;

	for (uint32_t i = 0; i < chips->n_lines; i++) {
		chips_release(chips->lines[i]);
		free(chips->lines[i]);
	}
	for (uint32_t i = 0; i < chips->n_open; i++)
		chip_close(chips->open[i]);
	free(chips->lines);
	free(chips->open);
	free(chips);
}

/* --- finding chips and lines --- */

static int chips_open_label(const char *label, struct chip **chip)
{
	glob_t found;
	int ret = -ENOENT;

	if (glob("/dev/gpiochip*", 0, NULL, &found))
		return -ENOENT;
	for (size_t i = 0; i < found.gl_pathc && ret; i++) {
		if (chip_open(found.gl_pathv[i], chip))
			continue;
		if (!strcmp(chip_label(*chip), label))
			ret = 0;
		else
			chip_close(*chip);
	}
	globfree(&found);
	return ret;
}

/* A path, a name in /dev, a number, or a label. */
static int chips_open_one(const char *name, struct chip **chip)
{
	char path[256];
	uint64_t number;
	int ret;

	if (strchr(name, '/'))
		return chip_open(name, chip);
	if (!vu_number_parse(name, 0, UINT32_MAX, &number))
		snprintf(path, sizeof(path), "/dev/gpiochip%u", (uint32_t)number);
	else
		snprintf(path, sizeof(path), "/dev/%s", name);
	ret = chip_open(path, chip);
	return ret == -ENOENT ? chips_open_label(name, chip) : ret;
}

/* A label may contain a colon: so the whole is tried first. */
static int chips_open(struct chips *chips, char *spec, char **selection)
{
	struct chip **more;
	struct chip *chip;
	char *colon = strrchr(spec, ':');
	int ret = chips_open_one(spec, &chip);

	*selection = NULL;
	if (ret && colon) {
		*colon = '\0';
		*selection = colon + 1;
		ret = chips_open_one(spec, &chip);
	}
	if (ret)
		return ret;
	more = realloc(chips->open, (chips->n_open + 1) * sizeof(struct chip *));
	if (!more) {
		chip_close(chip);
		return -ENOMEM;
	}
	chips->open = more;
	chips->open[chips->n_open++] = chip;
	return 0;
}

/* Names are unique in a device: of two lines with the same one, the second has none. */
static int chips_add(struct gpio *gpio, uint32_t offset)
{
	struct chips *chips = gpio->opaque;
	struct chip *chip = chips->open[chips->n_open - 1];
	struct chips_line **more = realloc(chips->lines, (chips->n_lines + 1) * sizeof(*more));
	struct chips_line *l = calloc(1, sizeof(*l));
	int ret;

	if (more)
		chips->lines = more;
	ret = more && l ? gpio_add_line(gpio, chip_line_name(chip, offset)) : -ENOMEM;
	if (ret == -EEXIST || ret == -EINVAL)
		ret = gpio_add_line(gpio, NULL);
	if (ret) {
		free(l);
		return ret;
	}
	*l = (struct chips_line){
		.chip = chip, .offset = offset, .gpio = gpio, .line = chips->n_lines};
	chips->lines[chips->n_lines++] = l;
	return 0;
}

static int chips_find_name(struct chip *chip, const char *name, uint64_t *offset)
{
	for (uint32_t i = 0; i < chip_n_lines(chip); i++) {
		const char *other = chip_line_name(chip, i);

		if (other && !strcmp(other, name)) {
			*offset = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* "LED", "7" or "0-3" */
static int chips_add_range(struct gpio *gpio, char *range)
{
	const struct chips *chips = gpio->opaque;
	struct chip *chip = chips->open[chips->n_open - 1];
	uint64_t first, last, max = chip_n_lines(chip);
	char *dash = strchr(range, '-');
	int ret = 0;

	if (!max)
		return -ENOENT;
	if (!chips_find_name(chip, range, &first) || !vu_number_parse(range, 0, max - 1, &first)) {
		last = first;
	} else {
		if (!dash)
			return -ENOENT;
		*dash = '\0';
		if (vu_number_parse(range, 0, max - 1, &first) ||
		    vu_number_parse(dash + 1, first, max - 1, &last))
			return -ENOENT;
	}
	for (; first <= last && !ret; first++)
		ret = chips_add(gpio, (uint32_t)first);
	return ret;
}

static int chips_add_spec(struct gpio *gpio, const char *spec)
{
	struct chips *chips = gpio->opaque;
	char *copy = strdup(spec);
	char *selection, *word;
	int ret;

	if (!copy)
		return -ENOMEM;
	ret = chips_open(chips, copy, &selection);
	if (!ret && !selection) {
		uint32_t n = chip_n_lines(chips->open[chips->n_open - 1]);

		for (uint32_t i = 0; i < n && !ret; i++)
			ret = chips_add(gpio, i);
	}
	while (!ret && (word = strsep(&selection, ",")))
		ret = chips_add_range(gpio, word);
	free(copy);
	return ret;
}

int gpio_chips_new(struct gpio *gpio, const char *const *specs, uint32_t n)
{
	static const struct gpio_backend backend = {
		.set_direction = chips_set_direction,
		.set_value = chips_set_value,
		.get_value = chips_get_value,
		.watch = chips_watch,
		.free = chips_free,
	};
	int ret = 0;

	gpio->opaque = calloc(1, sizeof(struct chips));
	if (!gpio->opaque)
		return -ENOMEM;
	gpio->backend = &backend;
	for (uint32_t i = 0; i < n && !ret; i++) {
		ret = chips_add_spec(gpio, specs[i]);
		if (ret)
			fprintf(stderr, "vu-gpio: %s: %s\n", specs[i], strerror(-ret));
	}
	return ret;
}
