/* SPDX-License-Identifier: MIT */
/* A GPIO driver for tests of vu-gpio: requests, and buffers for interrupts. */
#ifndef DEVICES_GPIO_H
#define DEVICES_GPIO_H

#include "rig.h"

#include <linux/virtio_gpio.h>

enum { REQUESTQ, EVENTQ };
enum {
	NONE = VIRTIO_GPIO_DIRECTION_NONE,
	OUT = VIRTIO_GPIO_DIRECTION_OUT,
	IN = VIRTIO_GPIO_DIRECTION_IN,
	IRQ_NONE = VIRTIO_GPIO_IRQ_TYPE_NONE,
	RISING = VIRTIO_GPIO_IRQ_TYPE_EDGE_RISING,
	FALLING = VIRTIO_GPIO_IRQ_TYPE_EDGE_FALLING,
	BOTH = VIRTIO_GPIO_IRQ_TYPE_EDGE_BOTH,
	HIGH = VIRTIO_GPIO_IRQ_TYPE_LEVEL_HIGH,
	LOW = VIRTIO_GPIO_IRQ_TYPE_LEVEL_LOW,
	VALID = VIRTIO_GPIO_IRQ_STATUS_VALID,
	INVALID = VIRTIO_GPIO_IRQ_STATUS_INVALID,
	REFUSED = -1,
};

/* A buffer for an interrupt. */
struct gpio_event {
	struct rig_buffer request, response;
};

/* The value answered, or REFUSED. */
int gpio_ask(struct rig *rig, uint16_t type, uint16_t line, uint32_t value);
int gpio_direction(struct rig *rig, uint16_t line);
int gpio_set_direction(struct rig *rig, uint16_t line, uint32_t direction);
int gpio_value(struct rig *rig, uint16_t line);
int gpio_set_value(struct rig *rig, uint16_t line, uint32_t value);
int gpio_irq_type(struct rig *rig, uint16_t line, uint32_t type);

/* Offer a buffer for a line. */
void gpio_unmask(struct rig *rig, struct gpio_event *event, uint16_t line);
/* The next buffer that comes back is this one: its status. */
int gpio_wait(struct rig *rig, struct gpio_event *event);
/* It is there already. */
int gpio_collect(struct rig *rig, struct gpio_event *event);

/* Start vu-gpio with --control and these options; on packed rings if that is so. */
void gpio_start(struct rig *rig, bool packed, const char *option);

#endif
