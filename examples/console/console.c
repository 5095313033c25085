/* SPDX-License-Identifier: MIT */
/*
 * vu-console: a console device (virtio 1.3 §5.3) with a console and any number of named ports.
 *
 * Here: the virtio device, its configuration space, and its two control queues.  How a port's data
 * moves is in console_port.c, what the control messages mean in console_control.c.
 */
#include "console.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CONSOLE_F_SIZE, CONSOLE_F_MULTIPORT, CONSOLE_F_EMERG_WRITE };
enum { QUEUE_CONTROL_RX = 2, QUEUE_CONTROL_TX = 3 };

struct console_config {
	uint16_t cols, rows;
	uint32_t max_nr_ports;
	uint32_t emerg_wr;
};

void console_complain(struct console *c, const char *text, int error)
{
	vu_device_log_peerf(c->dev, VU_LOG_WARNING, "%s%s%s", text, error ? ": " : "",
			    error ? strerror(error) : "");
}

/* --- control queues --- */

void console_flush_control(struct console *c)
{
	struct vu_queue *queue = vu_device_queue(c->dev, QUEUE_CONTROL_RX);
	unsigned char message[CONTROL_MESSAGE];
	struct vu_req *req;

	while (c->multiport && control_has_next(&c->control) && vu_queue_next(queue, &req) == 1) {
		uint64_t room = req->writable_len;
		int len = control_next(&c->control, message,
				       room < sizeof(message) ? (size_t)room : sizeof(message));

		if (len < 0)
			console_complain(c, "a buffer is too small for a control message", 0);
		vu_req_complete(req, len > 0 ? vu_req_write(req, 0, message, (size_t)len) : 0);
	}
}

static void console_take_message(struct console *c, const void *message, size_t len)
{
	uint32_t id = 0;
	int what = control_receive(&c->control, message, len, &id);

	switch (what) {
	case CONTROL_DEVICE_READY:
		break;
	case CONTROL_PORT_OPEN:
		console_say_port(c, c->control.ports[id].guest_open ? "guest-open" : "guest-closed",
				 id);
		port_pump(&c->ports[id]);
		break;
	case CONTROL_PORT_READY:
		port_pump(&c->ports[id]);
		break;
	default:
		console_complain(c, what == -EIO ? "the driver failed" : "bad control message",
				 -what);
	}
}

static void console_take_messages(struct console *c, struct vu_queue *queue)
{
	unsigned char message[CONTROL_HEADER];
	struct vu_req *req;

	while (c->multiport && vu_queue_next(queue, &req) == 1) {
		size_t len = vu_req_read(req, 0, message, sizeof(message));

		/* Linux spins until it is used. */
		vu_req_complete(req, 0);
		console_take_message(c, message, len);
	}
	console_flush_control(c);
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct console *c = opaque;
	uint32_t index = vu_queue_index(queue);
	uint32_t id = index < 2 ? 0 : index / 2 - 1;

	if (index == QUEUE_CONTROL_RX) {
		console_flush_control(c);
	} else if (index == QUEUE_CONTROL_TX) {
		console_take_messages(c, queue);
	} else {
		/* A driver that we did not tell of the port, but uses it, knew the back-end before.
		 */
		if (c->multiport && vu_queue_available(queue))
			control_adopt(&c->control, id);
		port_pump(&c->ports[id]);
	}
}

/* --- the driver's life --- */

static int started(struct vu_device *dev, void *opaque)
{
	struct console *c = opaque;
	uint64_t features = vu_device_features(dev);

	c->driver = true;
	c->multiport = features >> CONSOLE_F_MULTIPORT & 1;
	c->control.sized = features >> CONSOLE_F_SIZE & 1;
	return 0;
}

static void console_driver_gone(struct console *c)
{
	c->driver = false;
	control_reset(&c->control);
	for (uint32_t i = 0; i < c->max_ports; i++)
		port_pump(&c->ports[i]); /* input is not wanted any more */
}

static void reset(struct vu_device *dev, void *opaque)
{
	console_driver_gone(opaque);
	(void)dev;
}

/* Whoever comes next may be the same driver, which then will use its ports: control_adopt(). */
static void session_end(struct vu_device *dev, int why, void *opaque)
{
	console_driver_gone(opaque);
	(void)dev;
	(void)why;
}

/* --- configuration space --- */

static int config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	const uint32_t at = offsetof(struct console_config, emerg_wr);
	struct console *c = opaque;

	/* "The lower byte"; a front-end that writes more than the driver did wrote that, too. */
	if (offset > at || len <= at - offset)
		return 0;
	if (c->n_emergency == CONSOLE_EMERGENCY) {
		console_complain(c, "nobody reads emergency output", 0);
		return 0;
	}
	if (!vu_config_get(dev, at, &c->emergency[c->n_emergency], 1))
		c->n_emergency++;
	port_pump(&c->ports[0]);
	return 0;
}

void console_set_size(struct console *c, uint16_t cols, uint16_t rows)
{
	const uint16_t size[2] = {htole16(cols), htole16(rows)};

	control_set_size(&c->control, cols, rows);
	vu_config_set(c->dev, offsetof(struct console_config, cols), size, sizeof(size));
	console_flush_control(c);
}

/* --- life --- */

static int console_make_device(struct console *c, struct vu_program *program)
{
	const struct console_settings *s = c->settings;
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.started = started,
		.reset = reset,
		.queue_ready = queue_ready,
		.config_written = config_written,
	};
	const struct console_config config = {
		.cols = htole16(s->cols),
		.rows = htole16(s->rows),
		.max_nr_ports = htole32(c->max_ports),
	};
	static const struct console_config writable = {.emerg_wr = UINT32_MAX};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = 3,
		.n_queues = s->no_multiport ? 2 : 2 * (c->max_ports + 1),
		.features = 1 << CONSOLE_F_SIZE | 1 << CONSOLE_F_EMERG_WRITE |
			    (s->no_multiport ? 0 : 1 << CONSOLE_F_MULTIPORT),
		.config = &config,
		.config_writable = &writable,
		.config_size = sizeof(config),
		.max_segs = CONSOLE_SEGS,
		.flags = VU_DEVICE_LEGACY,
	};

	return vu_program_add_device(program, &info, &ops, c, &c->dev);
}

static int console_add_ports(struct console *c)
{
	const struct console_settings *s = c->settings;
	int err = port_add(c, 0, NULL, s->console);

	for (uint32_t i = 0; i < s->n_ports && !err; i++) {
		const char *equals = strchr(s->ports[i], '=');
		char name[CONTROL_NAME];

		snprintf(name, sizeof(name), "%.*s", (int)(equals - s->ports[i]), s->ports[i]);
		err = port_add(c, i + 1, name, equals + 1);
	}
	return err;
}

int console_init(struct console *c, struct vu_program *program, uint32_t index)
{
	const struct console_settings *s = vu_program_settings(program);
	int err;

	c->settings = s;
	c->index = index;
	c->max_ports = s->max_ports ? (uint32_t)s->max_ports : s->n_ports + 1;
	control_init(&c->control, c->max_ports);
	c->control.rows_first = s->rows_first;
	control_set_size(&c->control, s->cols, s->rows);
	err = console_make_device(c, program);
	if (!err)
		err = console_set_state_ops(c);
	if (!err)
		err = console_add_ports(c);
	return err ? err : vu_program_add_control(program, NULL, c, &c->script);
}

void console_fini(struct console *c)
{
	for (uint32_t i = 0; i < c->max_ports; i++)
		backend_close(c->ports[i].backend);
}
