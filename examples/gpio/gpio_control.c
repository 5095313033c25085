/* SPDX-License-Identifier: MIT */
/*
 * Control commands: look at lines, drive simulated ones, be told what the guest does with them.
 *
 * A pulse is two edges; one that takes time has a timer of its own, made at the first of its line.
 */
#include "gpio.h"

#include <errno.h>
#include <stdlib.h>

enum { LINE_TEXT = 160 };

struct control_pulse {
	struct gpio_control *control;
	uint32_t line;
	uint8_t after; /* level at the end */
	struct vu_source *timer;
	struct control_pulse *next;
};

struct gpio_control {
	struct gpio *gpio;
	struct vu_group *group;
	struct vu_script *script;
	bool watched;
	struct control_pulse *pulses;
};

static const uint64_t ms = 1000000; /* in nanoseconds */

static int control_find(struct gpio_control *control, const char *word, uint32_t *line)
{
	if (!gpio_find_line(control->gpio, word, line))
		return 0;
	return vu_script_fail(control->script, "no such line");
}

static int control_drive(struct gpio_control *control, uint32_t line, uint8_t level)
{
	struct gpio *gpio = control->gpio;

	if (!gpio->backend->drive)
		return vu_script_fail(control->script, "this line is not simulated");
	return gpio->backend->drive(gpio, line, level);
}

static void control_answer(struct gpio_control *control, uint32_t line)
{
	char text[LINE_TEXT];

	gpio_describe(control->gpio, line, text, sizeof(text));
	vu_script_answer(control->script, text);
}

static int control_get(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct gpio_control *control = opaque;
	uint32_t line;
	int ret = 0;

	for (uint32_t i = 0; i < n && !ret; i++) {
		ret = control_find(control, words[i], &line);
		if (!ret)
			control_answer(control, line);
	}
	return ret;
}

static int control_list(struct vu_script *script, uint32_t n, const char *const *words,
			void *opaque)
{
	struct gpio_control *control = opaque;

	for (uint32_t i = 0; i < control->gpio->n_lines; i++)
		control_answer(control, i);
	return 0;
}

static int control_set(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	struct gpio_control *control = opaque;
	uint64_t level;
	uint32_t line;
	int ret;

	if (vu_number_parse(words[1], 0, 1, &level))
		return vu_script_fail(script, "a level is 0 or 1");
	ret = control_find(control, words[0], &line);
	return ret ? ret : control_drive(control, line, (uint8_t)level);
}

static void control_end_pulse(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct control_pulse *pulse = opaque;
	struct gpio *gpio = pulse->control->gpio;

	gpio->backend->drive(gpio, pulse->line, pulse->after);
}

static struct control_pulse *control_pulse_of(struct gpio_control *control, uint32_t line)
{
	struct control_pulse *pulse = control->pulses;

	while (pulse && pulse->line != line)
		pulse = pulse->next;
	if (pulse)
		return pulse;
	pulse = calloc(1, sizeof(*pulse));
	if (!pulse)
		return NULL;
	if (vu_group_add_timer(control->group, control_end_pulse, pulse, &pulse->timer)) {
		free(pulse);
		return NULL;
	}
	pulse->control = control;
	pulse->line = line;
	pulse->next = control->pulses;
	control->pulses = pulse;
	return pulse;
}

static int control_pulse(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct gpio_control *control = opaque;
	struct control_pulse *pulse;
	uint64_t length = 0;
	uint32_t line;
	int ret, level;

	if (n > 1 && vu_number_parse(words[1], 0, UINT32_MAX, &length))
		return vu_script_fail(script, "a length is a number of milliseconds");
	ret = control_find(control, words[0], &line);
	if (ret)
		return ret;
	if (control->gpio->lines[line].direction == VIRTIO_GPIO_DIRECTION_OUT)
		return vu_script_fail(script, "the guest drives this line");
	level = control->gpio->backend->get_value(control->gpio, line);
	if (level < 0)
		return level;
	ret = control_drive(control, line, !level);
	if (ret || !length)
		return ret ? ret : control_drive(control, line, (uint8_t)level);
	pulse = control_pulse_of(control, line);
	if (!pulse)
		return -ENOMEM;
	pulse->after = (uint8_t)level;
	return vu_source_set_timer(pulse->timer, length * ms, 0);
}

static int control_watch(struct vu_script *script, uint32_t n, const char *const *words,
			 void *opaque)
{
	struct gpio_control *control = opaque;
	uint64_t on = 1;

	if (n && vu_number_parse(words[0], 0, 1, &on))
		return vu_script_fail(script, "0 or 1");
	control->watched = on;
	return 0;
}

/* The driver changed a line. */
static void control_changed(struct gpio *gpio, uint32_t line)
{
	char text[LINE_TEXT];

	if (!gpio->control->watched)
		return;
	gpio_describe(gpio, line, text, sizeof(text));
	vu_script_sayf(gpio->control->script, "line %s", text);
}

const struct vu_command gpio_commands[] = {
	{"list", NULL, "all lines: number, name, direction, value, interrupt", 0, 0, control_list},
	{"get", "LINE ...", "the same for some", 1, 63, control_get},
	{"set", "LINE 0|1", "drive a simulated line from outside", 2, 2, control_set},
	{"pulse", "LINE [MS]", "the other level, for so long or for no time at all", 1, 2,
	 control_pulse},
	{"watch", "[0|1]", "say \"line ...\" whenever the guest changes one", 0, 1, control_watch},
	{NULL, NULL, NULL, 0, 0, NULL},
};

int gpio_control_new(struct gpio *gpio, struct vu_program *program)
{
	struct gpio_control *control = calloc(1, sizeof(*control));

	if (!control)
		return -ENOMEM;
	control->gpio = gpio;
	control->group = vu_device_group(gpio->dev);
	gpio->control = control;
	gpio->changed = control_changed;
	return vu_program_add_control(program, NULL, control, &control->script);
}

void gpio_control_free(struct gpio *gpio)
{
	struct gpio_control *control = gpio->control;
	struct control_pulse *pulse;

	if (!control)
		return;
	gpio->changed = NULL;
	gpio->control = NULL;
	while ((pulse = control->pulses)) {
		control->pulses = pulse->next;
		vu_source_remove(pulse->timer);
		free(pulse);
	}
	free(control);
}
