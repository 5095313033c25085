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

#include "../common/shut_in.h"

enum { REQUESTQ, EVENTQ, N_QUEUES };
enum { DEVICE_ID = 41, MAX_CHIPS = 64, STRAY_MS = 20 };

struct settings {
	const char *lines;
	struct vu_option_list chips;
	struct shut_in shut_in;
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

static int port_make_device(struct port *port, struct vu_program *program)
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
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = DEVICE_ID,
		.n_queues = N_QUEUES,
		.features = UINT64_C(1) << VIRTIO_GPIO_F_IRQ,
		.config = &config,
		.config_size = sizeof(config),
	};

	return vu_program_add_device(program, &info, &ops, port, &port->gpio.dev);
}

static int port_make_lines(struct gpio *gpio, const struct settings *settings, uint32_t log_level)
{
	int ret = settings->chips.n
			  ? gpio_chips_new(gpio, settings->chips.values, settings->chips.n)
			  : gpio_sim_new(gpio, settings->lines, log_level);

	if (!ret && !gpio->n_lines) {
		fprintf(stderr, "vu-gpio: no lines\n");
		ret = -EINVAL;
	}
	return ret ? ret : gpio_make_names(gpio);
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	struct port *port = state;
	struct gpio *gpio = &port->gpio;
	int ret;

	gpio->finish = port_finish;
	ret = port_make_lines(gpio, vu_program_settings(program), vu_program_log_level(program));
	if (!ret)
		ret = port_make_device(port, program);
	if (!ret)
		ret = vu_group_add_timer(vu_device_group(gpio->dev), on_strays, port,
					 &port->strays);
	return ret ? ret : gpio_control_new(gpio, program);
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	/* Those of <linux/gpio.h>, whichever libgpiod makes. */
	static const struct sandbox_ioctl gpio_ioctls[] = {{0xff00, 0xb4 << 8}};
	struct settings *settings = vu_program_settings(program);
	const struct port *port = state;

	(void)index;
	settings->shut_in.needs.ioctls = gpio_ioctls;
	settings->shut_in.needs.n_ioctls = settings->chips.n ? 1 : 0;
	return shut_in_enter(&settings->shut_in, port->gpio.dev);
}

static void destroy(void *state)
{
	struct port *port = state;

	gpio_control_free(&port->gpio);
	gpio_end(&port->gpio);
}

static const struct vu_option options[] = {
	{VU_OPTION_STRING("lines", "FILE",
			  "description of simulated lines (default: 8 without names)",
			  struct settings, lines)},
	{VU_OPTION_LIST("chip", "CHIP[:LINES]",
			"lines of this machine (\"gpiochip0:0-3,LED\"; repeatable); not simulated",
			struct settings, chips, MAX_CHIPS)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct settings settings = {0};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-gpio", "gpio", "A vhost-user GPIO controller."),
		SHUT_IN_PROGRAM(options, &settings, gpio_commands, struct port, create, destroy,
				opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
