/* SPDX-License-Identifier: MIT */
/*
 * Requests of the driver (virtio 1.3 §5.18.6): read once, checked, done, answered.  What can't be
 * done is answered with VIRTIO_GPIO_STATUS_ERR and changes nothing.
 *
 * A request is 8 bytes, an answer 2 (that to GET_NAMES is longer).  Where there is less room for
 * the answer, nothing is done, and as much of the error as fits is written.
 */
#include "gpio.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A failure of the back-end, which the driver only sees as an error. */
static int request_failed(struct gpio *gpio, uint32_t line, const char *what, int error)
{
	char text[160];

	if (error < 0 && gpio->dev) {
		snprintf(text, sizeof(text), "line %u: cannot %s: %s", line, what,
			 strerror(-error));
		vu_device_log_peer(gpio->dev, VU_LOG_WARNING, text);
	}
	return error;
}

static void request_changed(struct gpio *gpio, uint32_t line)
{
	if (gpio->changed)
		gpio->changed(gpio, line);
}

static int request_get_direction(struct gpio *gpio, uint32_t line, uint32_t value)
{
	return gpio->lines[line].direction;
}

static int request_set_direction(struct gpio *gpio, uint32_t line, uint32_t value)
{
	struct gpio_line *l = &gpio->lines[line];
	int ret;

	if (value > VIRTIO_GPIO_DIRECTION_IN)
		return -EINVAL;
	/* An output has no interrupts; whoever wants one disables them first. */
	if (value == VIRTIO_GPIO_DIRECTION_OUT && l->irq_type)
		return -EBUSY;
	if (value == VIRTIO_GPIO_DIRECTION_NONE) {
		/* Nothing is remembered of a line that is not used. */
		gpio_irq_set_type(gpio, line, VIRTIO_GPIO_IRQ_TYPE_NONE);
		l->value = 0;
	}
	if (value == l->direction)
		return 0;
	ret = gpio->backend->set_direction(gpio, line, (uint8_t)value, l->value);
	if (request_failed(gpio, line, "set the direction", ret))
		return ret;
	l->direction = (uint8_t)value;
	request_changed(gpio, line);
	return 0;
}

static int request_get_value(struct gpio *gpio, uint32_t line, uint32_t value)
{
	return request_failed(gpio, line, "read", gpio->backend->get_value(gpio, line));
}

/* What is set before the line is an output is what it will begin with. */
static int request_set_value(struct gpio *gpio, uint32_t line, uint32_t value)
{
	struct gpio_line *l = &gpio->lines[line];
	int ret = 0;

	if (value > 1)
		return -EINVAL;
	if (l->direction == VIRTIO_GPIO_DIRECTION_OUT)
		ret = gpio->backend->set_value(gpio, line, (uint8_t)value);
	if (request_failed(gpio, line, "set the value", ret))
		return ret;
	l->value = (uint8_t)value;
	if (l->direction == VIRTIO_GPIO_DIRECTION_OUT)
		request_changed(gpio, line);
	return 0;
}

static int request_irq_type(struct gpio *gpio, uint32_t line, uint32_t value)
{
	int ret;

	if (!gpio->irqs || value > UINT8_MAX)
		return -EINVAL;
	ret = gpio_irq_set_type(gpio, line, (uint8_t)value);
	if (ret == -EINVAL)
		return ret;
	if (!request_failed(gpio, line, "watch", ret))
		request_changed(gpio, line);
	return ret;
}

/* By type: each returns the value to answer, or -errno. */
static int (*const request_types[])(struct gpio *gpio, uint32_t line, uint32_t value) = {
	[VIRTIO_GPIO_MSG_GET_DIRECTION] = request_get_direction,
	[VIRTIO_GPIO_MSG_SET_DIRECTION] = request_set_direction,
	[VIRTIO_GPIO_MSG_GET_VALUE] = request_get_value,
	[VIRTIO_GPIO_MSG_SET_VALUE] = request_set_value,
	[VIRTIO_GPIO_MSG_IRQ_TYPE] = request_irq_type,
};

static uint64_t request_write(const struct vu_req *req, uint8_t status, uint8_t value)
{
	const struct virtio_gpio_response response = {.status = status, .value = value};

	return vu_req_write(req, 0, &response, sizeof(response));
}

static uint64_t request_refuse(struct gpio *gpio, const struct vu_req *req, const char *complaint)
{
	gpio_complain(gpio, complaint);
	return request_write(req, VIRTIO_GPIO_STATUS_ERR, 0);
}

static uint64_t request_names(struct gpio *gpio, const struct vu_req *req)
{
	const uint8_t status = VIRTIO_GPIO_STATUS_OK;

	if (!gpio->names_size)
		return request_refuse(gpio, req, "the driver wants names, and there are none");
	if (req->writable_len < 1 + (uint64_t)gpio->names_size)
		return request_refuse(gpio, req, "a request has too little room for the names");
	return vu_req_write(req, 0, &status, 1) +
	       vu_req_write(req, 1, gpio->names, gpio->names_size);
}

uint64_t gpio_answer(struct gpio *gpio, const struct vu_req *req)
{
	struct virtio_gpio_request request;
	uint32_t type, line;
	int ret;

	if (req->readable_len != sizeof(request) ||
	    vu_req_read(req, 0, &request, sizeof(request)) != sizeof(request))
		return request_refuse(gpio, req, "a request has not the size of one");
	if (req->writable_len < sizeof(struct virtio_gpio_response))
		return request_refuse(gpio, req, "a request has no room for its answer");
	type = le16toh(request.type);
	line = le16toh(request.gpio);
	if (type == VIRTIO_GPIO_MSG_GET_NAMES)
		return request_names(gpio, req);
	if (type >= sizeof(request_types) / sizeof(request_types[0]) || !request_types[type])
		return request_refuse(gpio, req, "a request is of an unknown type");
	if (line >= gpio->n_lines)
		return request_refuse(gpio, req, "a request names a line that is not there");
	ret = request_types[type](gpio, line, le32toh(request.value));
	if (ret == -EINVAL)
		return request_refuse(gpio, req, "a request has a value that it can't have");
	if (ret < 0)
		return request_write(req, VIRTIO_GPIO_STATUS_ERR, 0);
	return request_write(req, VIRTIO_GPIO_STATUS_OK, (uint8_t)ret);
}
