/* SPDX-License-Identifier: MIT */
/*
 * Interrupts (virtio 1.3 §5.18.7).  A line's interrupt is enabled by a request, which gives its
 * type, and unmasked by a buffer on the event queue, which goes back when it comes; with it the
 * interrupt is masked again.
 *
 * Held: at most one buffer a line; every way out of the enabled state gives it back as invalid.
 * Edges while masked are latched, as one; a level counts when it is looked at: when the interrupt
 * is enabled, unmasked, or the line changes.
 */
#include "gpio.h"

#include <endian.h>
#include <errno.h>

enum { LEVELS = VIRTIO_GPIO_IRQ_TYPE_LEVEL_HIGH | VIRTIO_GPIO_IRQ_TYPE_LEVEL_LOW };

static void irq_give_back(struct gpio *gpio, struct gpio_line *l, uint8_t status)
{
	struct vu_req *req = l->held;

	if (!req)
		return;
	l->held = NULL;
	gpio->finish(gpio, req, status);
}

/* Is there something to report? */
static bool irq_is_due(struct gpio *gpio, uint32_t line)
{
	struct gpio_line *l = &gpio->lines[line];
	int value;

	if (!(l->irq_type & LEVELS))
		return l->latched;
	value = gpio->backend->get_value(gpio, line);
	return value == (l->irq_type == VIRTIO_GPIO_IRQ_TYPE_LEVEL_HIGH);
}

static void irq_deliver(struct gpio *gpio, uint32_t line)
{
	struct gpio_line *l = &gpio->lines[line];

	if (!l->held || !l->irq_type || !irq_is_due(gpio, line))
		return;
	l->latched = false;
	irq_give_back(gpio, l, VIRTIO_GPIO_IRQ_STATUS_VALID);
}

/* Which edges the back-end has to report.  A level can only begin with one. */
static int irq_edges(uint8_t type)
{
	switch (type) {
	case VIRTIO_GPIO_IRQ_TYPE_NONE:
		return 0;
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_RISING:
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_HIGH:
		return GPIO_RISING;
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_FALLING:
	case VIRTIO_GPIO_IRQ_TYPE_LEVEL_LOW:
		return GPIO_FALLING;
	case VIRTIO_GPIO_IRQ_TYPE_EDGE_BOTH:
		return GPIO_RISING | GPIO_FALLING;
	default:
		return -EINVAL;
	}
}

int gpio_irq_set_type(struct gpio *gpio, uint32_t line, uint8_t type)
{
	struct gpio_line *l = &gpio->lines[line];
	int edges = irq_edges(type), ret;

	if (edges < 0 || (type && l->direction == VIRTIO_GPIO_DIRECTION_OUT))
		return -EINVAL;
	if (!type && !l->irq_type) {
		irq_give_back(gpio, l, VIRTIO_GPIO_IRQ_STATUS_INVALID);
		return 0;
	}
	/* Linux changes the type of an enabled interrupt without disabling it first. */
	l->latched = false;
	ret = gpio->backend->watch(gpio, line, (uint8_t)edges);
	if (!type || ret) {
		l->irq_type = VIRTIO_GPIO_IRQ_TYPE_NONE;
		irq_give_back(gpio, l, VIRTIO_GPIO_IRQ_STATUS_INVALID);
		return ret;
	}
	l->irq_type = type;
	irq_deliver(gpio, line);
	return 0;
}

bool gpio_irq_take(struct gpio *gpio, struct vu_req *req)
{
	struct virtio_gpio_irq_request request;
	uint32_t line;

	if (req->readable_len != sizeof(request) || !req->writable_len ||
	    vu_req_read(req, 0, &request, sizeof(request)) != sizeof(request)) {
		gpio_complain(gpio, "a buffer for an interrupt has not the size of one");
		gpio->finish(gpio, req, VIRTIO_GPIO_IRQ_STATUS_INVALID);
		return false;
	}
	line = le16toh(request.gpio);
	if (line >= gpio->n_lines || gpio->lines[line].held) {
		gpio_complain(gpio, line < gpio->n_lines ? "a second buffer for the same interrupt"
							 : "a buffer for an interrupt of no line");
		gpio->finish(gpio, req, VIRTIO_GPIO_IRQ_STATUS_INVALID);
		return false;
	}
	gpio->lines[line].held = req;
	irq_deliver(gpio, line);
	return gpio->lines[line].held && !gpio->lines[line].irq_type;
}

void gpio_irq_return_strays(struct gpio *gpio)
{
	for (uint32_t i = 0; i < gpio->n_lines; i++)
		if (!gpio->lines[i].irq_type)
			irq_give_back(gpio, &gpio->lines[i], VIRTIO_GPIO_IRQ_STATUS_INVALID);
}

void gpio_irq_return_all(struct gpio *gpio)
{
	for (uint32_t i = 0; i < gpio->n_lines; i++)
		irq_give_back(gpio, &gpio->lines[i], VIRTIO_GPIO_IRQ_STATUS_INVALID);
}

void gpio_irq_edge(struct gpio *gpio, uint32_t line, uint8_t edge)
{
	struct gpio_line *l = &gpio->lines[line];

	if (l->irq_type && !(l->irq_type & LEVELS) && (irq_edges(l->irq_type) & edge))
		l->latched = true;
	irq_deliver(gpio, line);
}
