/* SPDX-License-Identifier: MIT */
/*
 * The data of a port, in both directions.
 *
 * Bytes go between the guest's buffers and the host's fds directly.  A buffer is taken when there
 * is something to be done with it at once, and put back if that was not so: none is ever held.
 *
 * From the host: while the guest has the port open and has buffers.  Without them nothing is read,
 * and the queue_ready of new ones goes on.
 * To the host: while it takes anything.  If not, the buffers stay in the ring, the first perhaps
 * written in part, and the event that there is room, or that it is this port's turn again, goes on.
 * Nobody there: what the guest writes is gone, as on a line without a cable.
 */
#include "console.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct vu_queue *port_queue(const struct port *port, uint32_t transmit)
{
	return vu_device_queue(port->console->dev, (port->id ? 2 * port->id + 2 : 0) + transmit);
}

static const struct control_port *port_state(const struct port *port)
{
	return &port->console->control.ports[port->id];
}

/* --- from the host --- */

static bool port_takes_input(const struct port *port)
{
	const struct console *c = port->console;

	return c->driver && (c->multiport ? port_state(port)->guest_open : port->id == 0);
}

/* Fill one buffer: its bytes, 0 when there are none and it was put back. */
static ssize_t port_fill(struct port *port, struct vu_req *req)
{
	ssize_t n;

	if (req->n_readable)
		console_complain(port->console, "a receive queue has buffers to read from", 0);
	if (!req->writable_len) {
		vu_req_complete(req, 0);
		return 1;
	}
	n = backend_read(port->backend, req->writable, (int)req->n_writable);
	if (n == -EAGAIN && !vu_req_put_back(req))
		return 0;
	vu_req_complete(req, n > 0 ? (uint64_t)n : 0); /* memory that is gone: the guest's loss */
	return 1;
}

static bool port_input(struct port *port)
{
	struct vu_queue *queue = port_queue(port, 0);
	struct backend *b = port->backend;
	struct vu_req *req;
	bool moved = false;

	while (b->connected && b->readable && !port->closed && port_takes_input(port) &&
	       vu_queue_next(queue, &req) == 1) {
		if (!port_fill(port, req))
			break;
		moved = true;
	}
	return moved;
}

/* --- to the host --- */

static bool port_has_output(const struct port *port)
{
	return port->console->multiport ? port_state(port)->added : port->id == 0;
}

static bool port_is_deaf(const struct port *port)
{
	return port->closed || !port->backend->connected || port->backend->hung_up;
}

/* Write out one buffer: false when it was put back, for the host takes no more. */
static bool port_drain(struct port *port, struct vu_req *req)
{
	uint64_t done = vu_req_progress(req);
	struct iovec *iov = port->console->iov;

	if (req->n_writable)
		console_complain(port->console, "a transmit queue has buffers to write to", 0);
	while (done < req->readable_len && !port_is_deaf(port)) {
		int n = vu_iov_slice(req->readable, req->n_readable, done, req->readable_len - done,
				     iov, CONSOLE_SEGS);
		ssize_t put = backend_write(port->backend, iov, n);

		if (put == -EFAULT)
			break;
		if (put < 0 && !port_is_deaf(port)) {
			/* For want of memory the rest is lost, rather than the beginning sent
			 * twice. */
			if (vu_req_set_progress(req, done) || vu_req_put_back(req))
				break;
			return false;
		}
		done += put > 0 ? (uint64_t)put : 0;
	}
	vu_req_complete(req, 0);
	return true;
}

static bool port_drain_emergency(struct port *port)
{
	struct console *c = port->console;

	while (c->n_emergency && !port->id) {
		const struct iovec iov = {.iov_base = c->emergency, .iov_len = c->n_emergency};
		ssize_t put = port_is_deaf(port) ? -EAGAIN : backend_write(port->backend, &iov, 1);

		if (put <= 0)
			return port_is_deaf(port);
		c->n_emergency -= (uint32_t)put;
		memmove(c->emergency, c->emergency + put, c->n_emergency);
	}
	return true;
}

static bool port_output(struct port *port)
{
	struct vu_queue *queue = port_queue(port, 1);
	struct vu_req *req;
	bool moved = false;

	if (!port_drain_emergency(port) || !port_has_output(port))
		return false;
	while ((port->backend->writable || port_is_deaf(port)) && vu_queue_next(queue, &req) == 1) {
		if (!port_drain(port, req))
			break;
		moved = true;
	}
	return moved;
}

/* --- both --- */

/* What each side has to know of the other. */
static void port_sync(struct port *port)
{
	struct console *c = port->console;
	struct backend *b = port->backend;

	backend_set_wanted(b, port_takes_input(port));
	do {
		control_set_host_open(&c->control, port->id, b->connected && !port->closed);
		console_flush_control(c);
	} while (!b->connected && !port->closed && backend_accept(b));
	if (!port->id && b->cols && (b->cols != c->control.cols || b->rows != c->control.rows)) {
		console_set_size(c, b->cols, b->rows);
		b->cols = b->rows = 0; /* until it changes */
	}
}

void port_pump(struct port *port)
{
	bool moved;

	if (!port->backend)
		return;
	do {
		port_sync(port);
		moved = port_output(port);
		moved |= port_input(port);
	} while (moved);
	port_sync(port);
}

static void port_on_change(void *opaque)
{
	struct port *port = opaque;

	port_pump(port);
}

/* --- life --- */

int port_add(struct console *c, uint32_t id, const char *name, const char *backend)
{
	struct port *port = &c->ports[id];
	int err = control_add_port(&c->control, id, name, id == 0);

	if (err)
		return err;
	port->console = c;
	port->id = id;
	port->closed = false;
	snprintf(port->label, sizeof(port->label), "%s", name ? name : "console");
	err = backend_open(c->dev, c->index, port->label, backend, port_on_change, port,
			   &port->backend);
	if (err)
		control_remove_port(&c->control, id);
	else
		port_pump(port);
	return err;
}

void port_remove(struct port *port)
{
	backend_close(port->backend);
	port->backend = NULL;
	control_remove_port(&port->console->control, port->id);
	console_flush_control(port->console);
}

void port_set_closed(struct port *port, bool closed)
{
	port->closed = closed;
	port_pump(port);
}
