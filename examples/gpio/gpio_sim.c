/* SPDX-License-Identifier: MIT */
/*
 * Simulated lines.  Each has a level that comes from outside (control commands, a wire), and
 * carries it unless the driver made it an output.  A wire lets a line follow another one.
 */
#include "gpio.h"

#include <errno.h>
#include <stdlib.h>

enum { SOME_LINES = 8 };

static const uint32_t no_line = UINT32_MAX;

struct sim_line {
	uint8_t level;
	uint8_t edges; /* to be reported */
	uint32_t to;   /* the line that follows this one, or no_line */
};

struct sim {
	struct sim_line *lines;
};

static struct sim_line *sim_line(struct gpio *gpio, uint32_t line)
{
	const struct sim *sim = gpio->opaque;

	return &sim->lines[line];
}

static uint8_t sim_carries(struct gpio *gpio, uint32_t line, uint8_t direction, uint8_t value)
{
	return direction == VIRTIO_GPIO_DIRECTION_OUT ? value : sim_line(gpio, line)->level;
}

static void sim_edge(struct gpio *gpio, uint32_t line, uint8_t level)
{
	uint8_t edge = level ? GPIO_RISING : GPIO_FALLING;

	if (sim_line(gpio, line)->edges & edge)
		gpio_irq_edge(gpio, line, edge);
}

/* The line carries this now: so do those that follow it.  Each turn changes a level, so it ends. */
static void sim_follow(struct gpio *gpio, uint32_t line, uint8_t value)
{
	for (;;) {
		uint32_t to = sim_line(gpio, line)->to;

		if (to == no_line || sim_line(gpio, to)->level == value)
			return;
		sim_line(gpio, to)->level = value;
		if (gpio->lines[to].direction == VIRTIO_GPIO_DIRECTION_OUT)
			return;
		sim_edge(gpio, to, value);
		line = to;
	}
}

static int sim_set_direction(struct gpio *gpio, uint32_t line, uint8_t direction, uint8_t value)
{
	sim_follow(gpio, line, sim_carries(gpio, line, direction, value));
	return 0;
}

static int sim_set_value(struct gpio *gpio, uint32_t line, uint8_t value)
{
	sim_follow(gpio, line, value);
	return 0;
}

static int sim_get_value(struct gpio *gpio, uint32_t line)
{
	const struct gpio_line *l = &gpio->lines[line];

	return sim_carries(gpio, line, l->direction, l->value);
}

static int sim_watch(struct gpio *gpio, uint32_t line, uint8_t edges)
{
	sim_line(gpio, line)->edges = edges;
	return 0;
}

static int sim_drive(struct gpio *gpio, uint32_t line, uint8_t value)
{
	struct sim_line *l = sim_line(gpio, line);

	if (l->level == value)
		return 0;
	l->level = value;
	if (gpio->lines[line].direction == VIRTIO_GPIO_DIRECTION_OUT)
		return 0;
	sim_edge(gpio, line, value);
	sim_follow(gpio, line, value);
	return 0;
}

static void sim_free(struct gpio *gpio)
{
	struct sim *sim = gpio->opaque;

	free(sim->lines);
	free(sim);
}

static int sim_add(struct gpio *gpio, const char *name, uint8_t level)
{
	struct sim *sim = gpio->opaque;
	struct sim_line *more;
	int ret;

	if (gpio_must_grow(gpio->n_lines)) {
		more = realloc(sim->lines, gpio_grown(gpio->n_lines) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		sim->lines = more;
	}
	ret = gpio_add_line(gpio, name);
	if (!ret)
		sim->lines[gpio->n_lines - 1] = (struct sim_line){.level = level, .to = no_line};
	return ret;
}

static int sim_command_line(struct vu_script *script, uint32_t n, const char *const *words,
			    void *opaque)
{
	uint64_t level = 0;
	int ret;

	if (n > 1 && vu_number_parse(words[1], 0, 1, &level))
		return vu_script_fail(script, "a level is 0 or 1");
	ret = sim_add(opaque, n ? words[0] : NULL, (uint8_t)level);
	if (ret == -EEXIST)
		return vu_script_fail(script, "another line has this name");
	if (ret == -EINVAL)
		return vu_script_fail(script, "a name is made of printable ASCII");
	return ret;
}

static int sim_command_lines(struct vu_script *script, uint32_t n, const char *const *words,
			     void *opaque)
{
	uint64_t number;
	int ret = 0;

	if (vu_number_parse(words[0], 1, UINT16_MAX, &number))
		return vu_script_fail(script, "a device has 1 to 65535 lines");
	while (number-- && !ret)
		ret = sim_add(opaque, NULL, 0);
	return ret;
}

static int sim_command_wire(struct vu_script *script, uint32_t n, const char *const *words,
			    void *opaque)
{
	struct gpio *gpio = opaque;
	uint32_t from, to;

	if (gpio_find_line(gpio, words[0], &from) || gpio_find_line(gpio, words[1], &to))
		return vu_script_fail(script, "no such line (so far)");
	if (from == to || sim_line(gpio, from)->to != no_line)
		return vu_script_fail(script, "a line has one wire, to another one");
	sim_line(gpio, from)->to = to;
	sim_follow(gpio, from, sim_line(gpio, from)->level);
	return 0;
}

static int sim_describe(struct gpio *gpio, const char *file, uint32_t log_level)
{
	static const struct vu_command commands[] = {
		{"line", "[NAME [0|1]]", "one more line, and the level it begins with", 0, 2,
		 sim_command_line},
		{"lines", "N", "so many more lines without a name", 1, 1, sim_command_lines},
		{"wire", "FROM TO", "what one line carries is the other one's level", 2, 2,
		 sim_command_wire},
		{NULL, NULL, NULL, 0, 0, NULL},
	};
	const struct vu_script_info info = {
		.size = sizeof(info),
		.name = "lines",
		.commands = commands,
		.command_size = sizeof(commands[0]),
		.opaque = gpio,
		.log_level = log_level,
	};

	return vu_script_run_file(&info, file);
}

int gpio_sim_new(struct gpio *gpio, const char *file, uint32_t log_level)
{
	static const struct gpio_backend backend = {
		.set_direction = sim_set_direction,
		.set_value = sim_set_value,
		.get_value = sim_get_value,
		.watch = sim_watch,
		.drive = sim_drive,
		.free = sim_free,
	};
	int ret = 0;

	gpio->opaque = calloc(1, sizeof(struct sim));
	if (!gpio->opaque)
		return -ENOMEM;
	gpio->backend = &backend;
	if (file)
		return sim_describe(gpio, file, log_level);
	for (uint32_t i = 0; i < SOME_LINES && !ret; i++)
		ret = sim_add(gpio, NULL, 0);
	return ret;
}
