/* SPDX-License-Identifier: MIT */
/* The ends inside of the process: a bus of its guests, a loopback, and nothing at all. */
#include "can.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- null: what the guest sends is gone --- */

static int null_send(struct can_port *port, const struct can_message *message)
{
	return 0;
}

static const struct can_end_ops null_ops = {.send = null_send};

/* --- loopback: it comes back --- */

static int loopback_send(struct can_port *port, const struct can_message *message)
{
	can_port_receive(port, message);
	return 0;
}

static const struct can_end_ops loopback_ops = {.send = loopback_send, .heard = can_port_signal};

/* --- bus: all others hear it --- */

static int bus_send(struct can_port *port, const struct can_message *message)
{
	const struct can_bus *bus = port->bus;

	for (uint32_t i = 0; i < bus->n; i++)
		if (bus->ports[i] != port)
			can_port_receive(bus->ports[i], message);
	return 0;
}

static void bus_heard(struct can_port *port)
{
	const struct can_bus *bus = port->bus;

	for (uint32_t i = 0; i < bus->n; i++)
		if (bus->ports[i] != port)
			can_port_signal(bus->ports[i]);
}

static void bus_free(struct can_port *port)
{
	struct can_bus *bus = port->bus;

	for (uint32_t i = 0; i < bus->n; i++)
		if (bus->ports[i] == port)
			bus->ports[i] = bus->ports[--bus->n];
}

static const struct can_end_ops bus_ops = {.send = bus_send, .heard = bus_heard, .free = bus_free};

static int bus_open(struct can_port *port)
{
	struct can_bus *bus = port->bus;

	if (bus->n == CAN_PORTS) {
		fprintf(stderr, "vu-can: a bus has %d guests\n", CAN_PORTS);
		return -E2BIG;
	}
	bus->ports[bus->n++] = port;
	port->end = &bus_ops;
	return 0;
}

int can_end_open(struct can_port *port, const char *backend)
{
	static const char socketcan[] = "socketcan:";

	/* Here a frame is on the bus, or lost, before its request is answered. */
	port->offers = CAN_F_CLASSIC | CAN_F_FD | CAN_F_RTR | CAN_F_LATE_TX_ACK;
	if (!strncmp(backend, socketcan, strlen(socketcan)))
		return can_socket_open(port, backend + strlen(socketcan));
	if (!strcmp(backend, "bus"))
		return bus_open(port);
	if (!strcmp(backend, "loopback"))
		port->end = &loopback_ops;
	else if (!strcmp(backend, "null"))
		port->end = &null_ops;
	if (port->end)
		return 0;
	fprintf(stderr, "vu-can: --backend=%s: not bus, loopback, null, socketcan:NAME\n", backend);
	return -EINVAL;
}
