/* SPDX-License-Identifier: MIT */
/*
 * The control channel of a console with several ports (virtio 1.3 §5.3.6.2), as a state machine
 * without queues: what the driver says goes in by control_receive(), what it has to be told comes
 * out of control_next().
 *
 * Nothing is ever queued: each port has one bit for each message that the driver does not know yet,
 * and a message is made from the state of the moment it is sent.  So a driver that gives no buffers
 * costs no memory, and one that is late learns how things are, not how they were; but it learns
 * that there was another port, or another one at the port's other end.
 *
 * One thread.
 */
#ifndef CONSOLE_CONTROL_H
#define CONSOLE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONTROL_MAX_PORTS = 127, /* a device has at most 256 queues */
	CONTROL_NAME = 64,	 /* bytes of a name, with a 0 */
	CONTROL_HEADER = 8,
	CONTROL_MESSAGE = CONTROL_HEADER + CONTROL_NAME, /* the longest */
};

/* Values of event (virtio 1.3 §5.3.6.2). */
enum control_event {
	CONTROL_DEVICE_READY = 0,
	CONTROL_PORT_ADD = 1,
	CONTROL_PORT_REMOVE = 2,
	CONTROL_PORT_READY = 3,
	CONTROL_CONSOLE_PORT = 4,
	CONTROL_RESIZE = 5,
	CONTROL_PORT_OPEN = 6,
	CONTROL_PORT_NAME = 7,
	CONTROL_PORT_CLOSED = 8, /* ours alone: CONTROL_PORT_OPEN with value 0 */
};

struct control_port {
	char name[CONTROL_NAME];
	bool exists;
	bool console;
	bool host_open;
	bool added; /* the driver was told of it, and not of its end */
	bool ready; /* the driver said so */
	bool guest_open;
	uint16_t pending; /* messages to send: bits 1 << enum control_event, see control_order */
};

struct control {
	struct control_port ports[CONTROL_MAX_PORTS];
	uint32_t max_ports;
	uint16_t cols, rows;
	bool sized;	   /* the driver wants to know the size */
	bool rows_first;   /* as Linux expected it for long, see control_make() */
	bool said_ready;   /* the driver, to us */
	bool driver_ready; /* or to a back-end before us: control_adopt() */
};

void control_init(struct control *c, uint32_t max_ports);
/* The driver is gone: reset, or another one. */
void control_reset(struct control *c);

/*
 * What the driver sent.  Returns CONTROL_DEVICE_READY, CONTROL_PORT_READY or CONTROL_PORT_OPEN when
 * that is what changed (the last two: of port *id), or -errno, by which nothing has changed:
 * -EMSGSIZE: too short; -ENODEV: no such port, or the driver was not told of it; -ENOTSUP: no event
 * that a driver sends; -EINVAL: a value that the event does not have; -EIO: the driver says that it
 * failed, which has been noted.  Bytes behind the header are ignored.
 */
int control_receive(struct control *c, const void *message, size_t len, uint32_t *id);

/*
 * The next message for the driver: its length, 0 if it knows everything, -EMSGSIZE if that takes
 * more than room bytes (it stays to be sent).
 */
int control_next(struct control *c, void *message, size_t room);
bool control_has_next(const struct control *c);

/* 0; -ERANGE for the number, -EEXIST, -EINVAL for the name (NULL or "": none). */
int control_add_port(struct control *c, uint32_t id, const char *name, bool console);
void control_remove_port(struct control *c, uint32_t id);
void control_set_host_open(struct control *c, uint32_t id, bool open);
void control_set_size(struct control *c, uint16_t cols, uint16_t rows);

/*
 * The driver uses a port's queues without having been told of it: it was, by a back-end before us.
 * The port is taken for ready and open, for the driver won't say so again.
 */
void control_adopt(struct control *c, uint32_t id);

/* What the driver knows of a port and the port of it, for another host. */
enum control_port_flags {
	CONTROL_FLAG_ADDED = 1,
	CONTROL_FLAG_READY = 2,
	CONTROL_FLAG_GUEST_OPEN = 4,
	CONTROL_FLAG_HOST_OPEN = 8, /* ... so the driver was told, or will be */
};

uint16_t control_port_flags(const struct control *c, uint32_t id);
/*
 * After control_reset(), for each port that the other host had: it is as it was there, and the
 * driver will be told of what is not so here.  pending as in struct control_port.  -EINVAL for what
 * cannot be.
 */
int control_restore_port(struct control *c, uint32_t id, uint16_t flags, uint16_t pending);
/* After those: ports that only this host has are new to the driver. */
void control_announce(struct control *c);

#endif
