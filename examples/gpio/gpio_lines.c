/* SPDX-License-Identifier: MIT */
/* The lines of a GPIO device: how many, their names, what they are in words. */
#include "gpio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINES = UINT16_MAX };

static int lines_check_name(const struct gpio *gpio, const char *name)
{
	for (const char *c = name; *c; c++)
		if (*c < ' ' || *c > '~')
			return -EINVAL;
	for (uint32_t i = 0; i < gpio->n_lines; i++)
		if (gpio->lines[i].name && !strcmp(gpio->lines[i].name, name))
			return -EEXIST;
	return 0;
}

bool gpio_must_grow(uint32_t n)
{
	return !(n & (n - 1));
}

size_t gpio_grown(uint32_t n)
{
	return n ? 2 * (size_t)n : 1;
}

int gpio_add_line(struct gpio *gpio, const char *name)
{
	struct gpio_line line = {.name = NULL};
	struct gpio_line *more;
	int ret;

	if (gpio->n_lines == MAX_LINES)
		return -ENOSPC;
	if (name && *name) {
		ret = lines_check_name(gpio, name);
		if (ret)
			return ret;
		line.name = strdup(name);
		if (!line.name)
			return -ENOMEM;
	}
	if (gpio_must_grow(gpio->n_lines)) {
		more = realloc(gpio->lines, gpio_grown(gpio->n_lines) * sizeof(*more));
		if (!more) {
			free(line.name);
			return -ENOMEM;
		}
		gpio->lines = more;
	}
	gpio->lines[gpio->n_lines++] = line;
	return 0;
}

/* One after the other, each with its NUL. */
int gpio_make_names(struct gpio *gpio)
{
	size_t size = 0;
	bool any = false;
	char *at;

	for (uint32_t i = 0; i < gpio->n_lines; i++) {
		const char *name = gpio->lines[i].name;

		size += name ? strlen(name) + 1 : 1;
		any |= name != NULL;
	}
	if (!any)
		return 0;
	gpio->names = calloc(1, size);
	if (!gpio->names)
		return -ENOMEM;
	gpio->names_size = (uint32_t)size;
	at = gpio->names;
	for (uint32_t i = 0; i < gpio->n_lines; i++) {
		const char *name = gpio->lines[i].name;

		if (name)
			at = stpcpy(at, name);
		at++;
	}
	return 0;
}

int gpio_find_line(const struct gpio *gpio, const char *word, uint32_t *line)
{
	uint64_t number;

	for (uint32_t i = 0; i < gpio->n_lines; i++) {
		if (gpio->lines[i].name && !strcmp(gpio->lines[i].name, word)) {
			*line = i;
			return 0;
		}
	}
	if (!gpio->n_lines || vu_number_parse(word, 0, gpio->n_lines - 1, &number))
		return -ENOENT;
	*line = (uint32_t)number;
	return 0;
}

/* As a word that scripts take: in quotes. */
static void lines_quote(const char *name, char *text, size_t size)
{
	size_t n = 0;

	text[n++] = '"';
	for (; *name && n + 4 < size; name++) {
		if (*name == '"' || *name == '\\')
			text[n++] = '\\';
		text[n++] = *name;
	}
	text[n++] = '"';
	text[n] = 0;
}

static const char *lines_irq_word(uint8_t type)
{
	switch (type) {
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_RISING:
		return " rising";
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_FALLING:
		return " falling";
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_BOTH:
		return " both";
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_HIGH:
		return " high";
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_LOW:
		return " low";
	default:
		return "";
	}
}

void gpio_describe(struct gpio *gpio, uint32_t line, char *text, size_t size)
{
	static const char *const directions[] = {"none", "out", "in"};
	const struct gpio_line *l = &gpio->lines[line];
	int value = gpio->backend->get_value(gpio, line);
	char name[80] = "-";

	if (l->name)
		lines_quote(l->name, name, sizeof(name));
	snprintf(text, size, "%u %s %s %s%s", line, name, directions[l->direction],
		 value < 0 ? "?" : (value ? "1" : "0"), lines_irq_word(l->irq_type));
}

void gpio_reset(struct gpio *gpio)
{
	for (uint32_t i = 0; i < gpio->n_lines; i++) {
		struct gpio_line *l = &gpio->lines[i];
		bool used = l->direction || l->irq_type;

		gpio_irq_set_type(gpio, i, VIRTIO_GPIO_IRQ_TYPE_NONE);
		if (l->direction)
			gpio->backend->set_direction(gpio, i, VIRTIO_GPIO_DIRECTION_NONE, 0);
		l->direction = VIRTIO_GPIO_DIRECTION_NONE;
		l->value = 0;
		if (used && gpio->changed)
			gpio->changed(gpio, i);
	}
}

void gpio_end(struct gpio *gpio)
{
	if (gpio->backend)
		gpio->backend->free(gpio);
	for (uint32_t i = 0; i < gpio->n_lines; i++)
		free(gpio->lines[i].name);
	free(gpio->lines);
	free(gpio->names);
}

void gpio_complain(struct gpio *gpio, const char *complaint)
{
	if (gpio->dev)
		vu_device_log_peer(gpio->dev, VU_LOG_WARNING, complaint);
}
