/* SPDX-License-Identifier: MIT */
/* See console_control.h. */
#include "console_control.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

struct control_header {
	uint32_t id;
	uint16_t event;
	uint16_t value;
};

/* In this order: the end of an old port before a new one of its number; its role before its size.
 */
static const uint8_t control_order[] = {
	CONTROL_PORT_REMOVE, CONTROL_PORT_ADD,	  CONTROL_CONSOLE_PORT, CONTROL_RESIZE,
	CONTROL_PORT_NAME,   CONTROL_PORT_CLOSED, CONTROL_PORT_OPEN,
};

static void control_tell(struct control_port *port, enum control_event event)
{
	port->pending |= (uint16_t)(1U << event);
}

void control_init(struct control *c, uint32_t max_ports)
{
	memset(c, 0, sizeof(*c));
	c->max_ports = max_ports < CONTROL_MAX_PORTS ? max_ports : CONTROL_MAX_PORTS;
}

void control_reset(struct control *c)
{
	c->said_ready = c->driver_ready = false;
	for (uint32_t i = 0; i < c->max_ports; i++) {
		struct control_port *port = &c->ports[i];

		port->added = port->ready = port->guest_open = false;
		port->pending = 0;
	}
}

/* --- from the driver --- */

static int control_device_ready(struct control *c, uint16_t value)
{
	control_reset(c);
	if (!value)
		return -EIO;
	c->said_ready = c->driver_ready = true;
	for (uint32_t i = 0; i < c->max_ports; i++)
		if (c->ports[i].exists)
			control_tell(&c->ports[i], CONTROL_PORT_ADD);
	return CONTROL_DEVICE_READY;
}

static int control_port_ready(struct control *c, struct control_port *port, uint16_t value)
{
	port->ready = value;
	if (!value)
		return -EIO;
	if (port->console) {
		control_tell(port, CONTROL_CONSOLE_PORT);
		if (c->sized)
			control_tell(port, CONTROL_RESIZE);
	}
	if (port->name[0])
		control_tell(port, CONTROL_PORT_NAME);
	if (port->host_open)
		control_tell(port, CONTROL_PORT_OPEN);
	return CONTROL_PORT_READY;
}

static int control_known_port(struct control *c, uint32_t id, struct control_port **port)
{
	if (id >= c->max_ports || !c->ports[id].exists)
		return -ENODEV;
	*port = &c->ports[id];
	control_adopt(c, id);
	return (*port)->added ? 0 : -ENODEV;
}

int control_receive(struct control *c, const void *message, size_t len, uint32_t *id)
{
	struct control_port *port;
	struct control_header header;
	uint16_t value;
	int err;

	if (len < sizeof(header))
		return -EMSGSIZE;
	memcpy(&header, message, sizeof(header));
	*id = le32toh(header.id);
	value = le16toh(header.value);
	switch (le16toh(header.event)) {
	case CONTROL_DEVICE_READY:
		return value > 1 ? -EINVAL : control_device_ready(c, value);
	case CONTROL_PORT_READY:
		err = value > 1 ? -EINVAL : control_known_port(c, *id, &port);
		return err ? err : control_port_ready(c, port, value);
	case CONTROL_PORT_OPEN:
		err = value > 1 ? -EINVAL : control_known_port(c, *id, &port);
		if (!err)
			port->guest_open = value;
		return err ? err : CONTROL_PORT_OPEN;
	default:
		return -ENOTSUP;
	}
}

/* --- to the driver --- */

bool control_has_next(const struct control *c)
{
	for (uint32_t i = 0; i < c->max_ports; i++)
		if (c->ports[i].pending)
			return true;
	return false;
}

/*
 * The specification has columns before rows; Linux took them the other way round until 2025.
 * No feature bit says which of the two a driver is: the user has to.
 */
static size_t control_make(const struct control *c, uint32_t id, enum control_event event,
			   unsigned char *out)
{
	const struct control_port *port = &c->ports[id];
	const uint16_t first = c->rows_first ? c->rows : c->cols;
	const uint16_t second = c->rows_first ? c->cols : c->rows;
	const uint16_t size[2] = {htole16(first), htole16(second)};
	struct control_header header = {.id = htole32(id), .event = htole16(event)};
	size_t len = 0;

	switch (event) {
	case CONTROL_CONSOLE_PORT:
	case CONTROL_PORT_OPEN:
		header.value = htole16(1);
		break;
	case CONTROL_PORT_CLOSED:
		header.event = htole16(CONTROL_PORT_OPEN);
		break;
	case CONTROL_RESIZE:
		len = sizeof(size);
		memcpy(out + sizeof(header), size, len);
		break;
	case CONTROL_PORT_NAME:
		header.value = htole16(1);
		len = strlen(port->name); /* without the 0 */
		memcpy(out + sizeof(header), port->name, len);
		break;
	default:
		break;
	}
	memcpy(out, &header, sizeof(header));
	return sizeof(header) + len;
}

static void control_sent(struct control_port *port, enum control_event event)
{
	port->pending &= (uint16_t) ~(1U << event);
	if (event == CONTROL_PORT_ADD)
		port->added = true;
	else if (event == CONTROL_PORT_REMOVE)
		port->added = port->ready = false;
}

static enum control_event control_first(const struct control_port *port)
{
	uint32_t i = 0;

	while (!(port->pending >> control_order[i] & 1))
		i++;
	return control_order[i];
}

int control_next(struct control *c, void *message, size_t room)
{
	unsigned char made[CONTROL_MESSAGE];

	for (uint32_t i = 0; i < c->max_ports; i++) {
		struct control_port *port = &c->ports[i];
		enum control_event event;
		size_t len;

		if (!port->pending)
			continue;
		event = control_first(port);
		len = control_make(c, i, event, made);
		if (len > room)
			return -EMSGSIZE;
		memcpy(message, made, len);
		control_sent(port, event);
		return (int)len;
	}
	return 0;
}

/* --- from the host --- */

int control_add_port(struct control *c, uint32_t id, const char *name, bool console)
{
	struct control_port *port;

	if (id >= c->max_ports)
		return -ERANGE;
	port = &c->ports[id];
	if (port->exists)
		return -EEXIST;
	if (name && strlen(name) >= CONTROL_NAME)
		return -EINVAL;
	strcpy(port->name, name ? name : "");
	port->exists = true;
	port->console = console;
	port->host_open = false;
	if (c->driver_ready)
		control_tell(port, CONTROL_PORT_ADD);
	return 0;
}

void control_remove_port(struct control *c, uint32_t id)
{
	struct control_port *port = &c->ports[id];

	port->exists = port->host_open = port->guest_open = port->ready = false;
	port->pending = 0;
	if (port->added)
		control_tell(port, CONTROL_PORT_REMOVE);
}

void control_set_host_open(struct control *c, uint32_t id, bool open)
{
	struct control_port *port = &c->ports[id];

	if (port->host_open == open)
		return;
	port->host_open = open;
	if (!port->ready)
		return;
	if (!open)
		port->pending &= (uint16_t) ~(1U << CONTROL_PORT_OPEN);
	control_tell(port, open ? CONTROL_PORT_OPEN : CONTROL_PORT_CLOSED);
}

void control_set_size(struct control *c, uint16_t cols, uint16_t rows)
{
	c->cols = cols;
	c->rows = rows;
	for (uint32_t i = 0; i < c->max_ports; i++)
		if (c->sized && c->ports[i].ready && c->ports[i].console)
			control_tell(&c->ports[i], CONTROL_RESIZE);
}

void control_adopt(struct control *c, uint32_t id)
{
	struct control_port *port = &c->ports[id];

	if (!port->exists || port->added || c->said_ready)
		return;
	c->driver_ready = true;
	port->added = port->ready = port->guest_open = true;
	port->pending = 0;
	control_tell(port, port->host_open ? CONTROL_PORT_OPEN : CONTROL_PORT_CLOSED);
}

/* --- to and from another host --- */

uint16_t control_port_flags(const struct control *c, uint32_t id)
{
	const struct control_port *port = &c->ports[id];

	return (uint16_t)((port->added ? CONTROL_FLAG_ADDED : 0) |
			  (port->ready ? CONTROL_FLAG_READY : 0) |
			  (port->guest_open ? CONTROL_FLAG_GUEST_OPEN : 0) |
			  (port->added && port->host_open ? CONTROL_FLAG_HOST_OPEN : 0));
}

static uint16_t control_known_events(void)
{
	uint16_t known = 0;

	for (size_t i = 0; i < sizeof(control_order); i++)
		known |= (uint16_t)(1U << control_order[i]);
	return known;
}

int control_restore_port(struct control *c, uint32_t id, uint16_t flags, uint16_t pending)
{
	const uint16_t open = 1U << CONTROL_PORT_OPEN, closed = 1U << CONTROL_PORT_CLOSED;
	struct control_port *port;
	bool was_open;

	if (id >= CONTROL_MAX_PORTS || flags > 15 || pending & ~control_known_events())
		return -EINVAL;
	/* There is no queue for it, nor may there be. */
	if (id >= c->max_ports)
		return -EINVAL;
	port = &c->ports[id];
	port->added = flags & CONTROL_FLAG_ADDED;
	port->pending = pending;
	if (!port->exists) {
		port->pending = 0;
		if (port->added)
			control_tell(port, CONTROL_PORT_REMOVE);
		return 0;
	}
	port->ready = flags & CONTROL_FLAG_READY;
	port->guest_open = flags & CONTROL_FLAG_GUEST_OPEN;
	was_open = flags & CONTROL_FLAG_HOST_OPEN;
	if (port->ready && port->host_open != was_open) {
		port->pending &= (uint16_t) ~(open | closed);
		control_tell(port, port->host_open ? CONTROL_PORT_OPEN : CONTROL_PORT_CLOSED);
	}
	return 0;
}

void control_announce(struct control *c)
{
	for (uint32_t i = 0; c->driver_ready && i < c->max_ports; i++)
		if (c->ports[i].exists && !c->ports[i].added)
			control_tell(&c->ports[i], CONTROL_PORT_ADD);
}
