/* SPDX-License-Identifier: MIT */
/* See gpio.h. */
#include "gpio.h"

int gpio_ask(struct rig *rig, uint16_t type, uint16_t line, uint32_t value)
{
	const struct virtio_gpio_request request = {htole16(type), htole16(line), htole32(value)};
	struct virtio_gpio_response response;

	assert_int_equal(
		rig_ask(rig, REQUESTQ, &request, sizeof(request), &response, sizeof(response)),
		sizeof(response));
	if (response.status == VIRTIO_GPIO_STATUS_OK)
		return response.value;
	assert_int_equal(response.status, VIRTIO_GPIO_STATUS_ERR);
	assert_int_equal(response.value, 0);
	return REFUSED;
}

int gpio_direction(struct rig *rig, uint16_t line)
{
	return gpio_ask(rig, VIRTIO_GPIO_MSG_GET_DIRECTION, line, 0);
}

int gpio_set_direction(struct rig *rig, uint16_t line, uint32_t direction)
{
	return gpio_ask(rig, VIRTIO_GPIO_MSG_SET_DIRECTION, line, direction);
}

int gpio_value(struct rig *rig, uint16_t line)
{
	return gpio_ask(rig, VIRTIO_GPIO_MSG_GET_VALUE, line, 0);
}

int gpio_set_value(struct rig *rig, uint16_t line, uint32_t value)
{
	return gpio_ask(rig, VIRTIO_GPIO_MSG_SET_VALUE, line, value);
}

int gpio_irq_type(struct rig *rig, uint16_t line, uint32_t type)
{
	return gpio_ask(rig, VIRTIO_GPIO_MSG_IRQ_TYPE, line, type);
}

void gpio_unmask(struct rig *rig, struct gpio_event *event, uint16_t line)
{
	const struct virtio_gpio_irq_request request = {htole16(line)};
	struct driver_seg segs[2];

	rig_buffer(rig, &event->request, sizeof(request));
	rig_buffer(rig, &event->response, sizeof(struct virtio_gpio_irq_response));
	memcpy(event->request.data, &request, sizeof(request));
	segs[0] = rig_read_seg(&event->request, event->request.len);
	segs[1] = rig_write_seg(&event->response, event->response.len);
	rig_offer(rig, EVENTQ, segs, 2, event);
}

int gpio_wait(struct rig *rig, struct gpio_event *event)
{
	uint32_t len;

	assert_ptr_equal(rig_wait(rig, EVENTQ, &len), event);
	assert_int_equal(len, 1);
	return event->response.data[0];
}

int gpio_collect(struct rig *rig, struct gpio_event *event)
{
	struct driver_used used;

	assert_int_equal(driver_collect(rig->peer->queues[EVENTQ], &used, 1), 1);
	assert_ptr_equal(used.cookie, event);
	assert_int_equal(used.len, 1);
	return event->response.data[0];
}

void gpio_start(struct rig *rig, bool packed, const char *option)
{
	const char *args[] = {"--control", rig->control, option, NULL};

	rig->config.n_queues = 2;
	rig->config.packed = packed;
	rig_start(rig, args);
}
