/* SPDX-License-Identifier: MIT */
/*
 * vu-gpio's requests and interrupts: an input is a row of steps, each of them a request, a buffer
 * for an interrupt, a change of a simulated line, or an end of the queue or of the driver.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gpio.h"

enum { MAX_LEN = 48 };

/* The device, and how many buffers for interrupts it has. */
struct port {
	struct gpio gpio;
	uint32_t held;
};

/* natural: the length that its kind of request has, which an input byte changes a little. */
static uint32_t request_length(uint8_t code, uint32_t natural)
{
	return code < 0x80 ? natural : code % MAX_LEN;
}

static struct fuzz_request *request_new(struct fuzz_input *in, uint32_t out_natural,
					uint32_t in_natural)
{
	struct fuzz_request *c = malloc(sizeof(*c));
	uint32_t out_len = request_length(fuzz_u8(in), out_natural);
	uint32_t in_len = request_length(fuzz_u8(in), in_natural);

	require(c);
	fuzz_request_make(c, in, out_len, in_len);
	return c;
}

static void request_free(struct fuzz_request *c)
{
	fuzz_request_end(c);
	free(c);
}

static void port_finish(struct gpio *gpio, struct vu_req *req, uint8_t status)
{
	struct port *port = (struct port *)gpio;
	struct fuzz_request *c = (struct fuzz_request *)req;

	require(port->held && status <= VIRTIO_GPIO_IRQ_STATUS_VALID);
	if (status == VIRTIO_GPIO_IRQ_STATUS_VALID) {
		require(c->req.readable_len == sizeof(struct virtio_gpio_irq_request));
		require(c->out[0] < gpio->n_lines && !c->out[1] && gpio->irqs);
		require(gpio->lines[c->out[0]].irq_type);
	}
	port->held--;
	request_free(c);
}

static void port_request(struct port *port, struct fuzz_input *in)
{
	struct gpio *gpio = &port->gpio;
	struct fuzz_request *c = request_new(in, sizeof(struct virtio_gpio_request),
					     sizeof(struct virtio_gpio_response));
	uint64_t room = c->req.writable_len, written = gpio_answer(gpio, &c->req);

	require(written == (room < 2 ? room : 2) || written == 1 + gpio->names_size);
	require(written <= room);
	require(!written || c->in[0] <= VIRTIO_GPIO_STATUS_ERR);
	require(written != 1 || c->in[0] == VIRTIO_GPIO_STATUS_ERR);
	require(written == room || c->in[written] == FUZZ_UNTOUCHED);
	if (c->req.readable_len != sizeof(struct virtio_gpio_request) && written)
		require(c->in[0] == VIRTIO_GPIO_STATUS_ERR);
	request_free(c);
}

static void port_event(struct port *port, struct fuzz_input *in)
{
	struct fuzz_request *c = request_new(in, sizeof(struct virtio_gpio_irq_request),
					     sizeof(struct virtio_gpio_irq_response));

	port->held++;
	gpio_irq_take(&port->gpio, &c->req);
}

static void port_check(const struct port *port)
{
	const struct gpio *gpio = &port->gpio;
	uint32_t held = 0;

	for (uint32_t i = 0; i < gpio->n_lines; i++) {
		const struct gpio_line *l = &gpio->lines[i];

		held += l->held != NULL;
		require(l->direction <= VIRTIO_GPIO_DIRECTION_IN && l->value <= 1);
		require(!l->irq_type || l->direction != VIRTIO_GPIO_DIRECTION_OUT);
		require(!l->latched || l->irq_type);
		/* What is due has been delivered. */
		require(!l->held || !l->latched);
	}
	require(held == port->held);
}

static void port_step(struct port *port, struct fuzz_input *in)
{
	struct gpio *gpio = &port->gpio;
	uint8_t step = fuzz_u8(in);

	switch (step % 16) {
	case 0:
		gpio_irq_return_strays(gpio);
		break;
	case 1:
		gpio_irq_return_all(gpio);
		require(!port->held);
		break;
	case 2:
		gpio_reset(gpio);
		gpio->irqs = step & 0x80;
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		gpio->backend->drive(gpio, (step >> 4) % gpio->n_lines, step & 1);
		break;
	case 7:
	case 8:
	case 9:
		port_event(port, in);
		break;
	default:
		port_request(port, in);
	}
	port_check(port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct port port = {.gpio = {.finish = port_finish, .irqs = true}};

	require(!gpio_sim_new(&port.gpio, NULL, 0));
	port.gpio.lines[1].name = strdup("LED");
	port.gpio.lines[4].name = strdup("Reset 1");
	require(!gpio_make_names(&port.gpio));
	while (in.at < in.end)
		port_step(&port, &in);
	gpio_irq_return_all(&port.gpio);
	require(!port.held);
	gpio_end(&port.gpio);
	return 0;
}
