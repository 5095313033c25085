/* SPDX-License-Identifier: MIT */
/*
 * vu-gpio: a GPIO controller (virtio 1.3 §5.18) with lines that are simulated, or lines of the
 * machine's own chips.
 *
 * A buffer of the event queue says which line it is for, so buffers are taken as they come and
 * held, one a line; queue_stop gives them back.
 *
 * Lines stay as they are while the device stops, for a guest that is paused does not know of it.
 * They are released when the device is reset, and when the front-end is gone.
 */
#include "gpio.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTQ, EVENTQ, N_QUEUES };
enum { DEVICE_ID = 41, MAX_CHIPS = 64, STRAY_MS = 20 };

struct settings {
	const char *lines;
	const char *control;
	const char *chips[MAX_CHIPS];
	uint32_t n_chips;
};

struct port {
	struct gpio gpio;
	struct vu_source *strays; /* runs while buffers of disabled interrupts are held */
	bool strays_wait;
};

/*
 * The driver is told at once: when it has the answer to the request that disabled an interrupt, the
 * buffer is to be back.  Linux loses the interrupt otherwise, if it enables it again.
 */
static void port_finish(struct gpio *gpio, struct vu_req *req, uint8_t status)
{
	struct vu_queue *queue = vu_req_queue(req);

	vu_req_complete(req, vu_req_write(req, 0, &status, 1));
	vu_queue_signal(queue);
}

/*
 * The driver may unmask before it enables, the specification says, and gets the buffer back, it
 * also says.  Both hold if it comes back a little later.  At once would also keep a driver that
 * offers it again, as Linux does, busy for ever with a device that was restarted.
 */
static void port_expect_strays(struct port *port)
{
	if (port->strays_wait)
		return;
	port->strays_wait = true;
	vu_source_set_timer(port->strays, STRAY_MS * UINT64_C(1000000), 0);
}

static void on_strays(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct port *port = opaque;

	port->strays_wait = false;
	gpio_irq_return_strays(&port->gpio);
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct port *port = opaque;
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		if (vu_queue_index(queue) == REQUESTQ)
			vu_req_complete(req, gpio_answer(&port->gpio, req));
		else if (gpio_irq_take(&port->gpio, req))
			port_expect_strays(port);
	}
}

static void queue_stop(struct vu_queue *queue, void *opaque)
{
	struct port *port = opaque;

	if (vu_queue_index(queue) == EVENTQ)
		gpio_irq_return_all(&port->gpio);
}

static int started(struct vu_device *dev, void *opaque)
{
	struct port *port = opaque;

	port->gpio.irqs = vu_device_features(dev) >> VIRTIO_GPIO_F_IRQ & 1;
	return 0;
}

static void reset(struct vu_device *dev, void *opaque)
{
	struct port *port = opaque;

	gpio_reset(&port->gpio);
}

static void session_end(struct vu_device *dev, int why, void *opaque)
{
	reset(dev, opaque);
}

static int port_make_device(struct port *port, struct vu_program *program, uint32_t index,
			    const struct settings *settings)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.reset = reset,
		.started = started,
		.queue_ready = queue_ready,
		.queue_stop = queue_stop,
	};
	const struct virtio_gpio_config config = {
		.ngpio = htole16((uint16_t)port->gpio.n_lines),
		.gpio_names_size = htole32(port->gpio.names_size),
	};
	struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = DEVICE_ID,
		.n_queues = N_QUEUES,
		.features = UINT64_C(1) << VIRTIO_GPIO_F_IRQ,
		.config = &config,
		.config_size = sizeof(config),
		.log_level = vu_program_log_level(program),
	};
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "gpio%u", index);
	info.name = name;
	ret = vu_device_new(&info, &ops, port, &port->gpio.dev);
	if (ret)
		return ret;
	ret = vu_group_add_timer(vu_device_group(port->gpio.dev), on_strays, port, &port->strays);
	if (!ret && settings->control)
		ret = gpio_control_new(&port->gpio, settings->control, index, info.log_level);
	return ret;
}

static void port_free(struct port *port)
{
	struct vu_device *dev = port->gpio.dev;

	gpio_control_free(&port->gpio);
	gpio_end(&port->gpio);
	vu_device_free(dev);
	free(port);
}

static int create(struct vu_program *program, uint32_t index, struct vu_device **dev, void *opaque)
{
	const struct settings *settings = opaque;
	struct port *port = calloc(1, sizeof(*port));
	int ret;

	if (!port)
		return -ENOMEM;
	port->gpio.finish = port_finish;
	if (settings->n_chips)
		ret = gpio_chips_new(&port->gpio, settings->chips, settings->n_chips);
	else
		ret = gpio_sim_new(&port->gpio, settings->lines, vu_program_log_level(program));
	if (!ret && !port->gpio.n_lines) {
		fprintf(stderr, "vu-gpio: no lines\n");
		ret = -EINVAL;
	}
	if (!ret)
		ret = gpio_make_names(&port->gpio);
	if (!ret)
		ret = port_make_device(port, program, index, settings);
	if (ret) {
		port_free(port);
		return ret;
	}
	*dev = port->gpio.dev;
	return 0;
}

static void destroy(struct vu_device *dev, uint32_t index, void *opaque)
{
	port_free(vu_device_opaque(dev));
}

static int set_chip(const char *value, void *opaque)
{
	struct settings *settings = opaque;

	if (settings->n_chips == MAX_CHIPS)
		return -E2BIG;
	settings->chips[settings->n_chips++] = value;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct vu_option options[] = {
		{.name = "lines",
		 .argument = "FILE",
		 .help = "description of simulated lines (default: 8 without names)",
		 .store = VU_STORE_STRING,
		 .offset = offsetof(struct settings, lines)},
		{.name = "chip",
		 .argument = "CHIP[:LINES]",
		 .help = "lines of this machine (\"gpiochip0:0-3,LED\"; repeatable); not simulated",
		 .set = set_chip},
		{.name = "control",
		 .argument = "PATH|-",
		 .help = "take commands from a socket or standard input (try \"help\")",
		 .store = VU_STORE_STRING,
		 .offset = offsetof(struct settings, control)},
		{.name = NULL},
	};
	struct settings settings = {.n_chips = 0};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "vu-gpio",
		.type = "gpio",
		.summary = "A vhost-user GPIO controller.",
		.options = options,
		.option_size = sizeof(options[0]),
		.create = create,
		.destroy = destroy,
		.opaque = &settings,
	};

	return vu_program_main(&info, argc, argv);
}
