/* SPDX-License-Identifier: MIT */
/*
 * A controller (virtio 1.4 §5.20.5).  It is stopped, and takes part in the bus when the driver has
 * started it; a bus off stops it, and is told by the configuration space.
 *
 * What comes from the bus waits for the guest's buffers, CAN_WAITING frames of it; more are
 * dropped, as by a controller whose memory is full.  Nobody waits for anybody.
 *
 * Who sends notifies those who heard it when its turn is over, not for each frame.
 */
#include "can.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum { MODE_START = 0x0201, MODE_STOP = 0x0202 };
enum { RETRY_NS = 1000000 };

static struct vu_queue *port_queue(const struct can_port *port, uint32_t index)
{
	return vu_device_queue(port->dev, index);
}

void can_port_complain(struct can_port *port, const char *what, int error)
{
	if (error != port->error)
		vu_device_log_peerf(port->dev, VU_LOG_WARNING, "%s: %s", what, strerror(-error));
	port->error = error;
}

static void port_answer(struct can_port *port, struct vu_req *req, uint8_t result)
{
	size_t written = vu_req_write(req, 0, &result, sizeof(result));

	if (!written)
		vu_device_log_peer(port->dev, VU_LOG_WARNING,
				   "a request has no room for its result");
	vu_req_complete(req, written);
}

/* --- to the bus --- */

static void port_tell(struct can_port *port, const struct can_message *m)
{
	char text[CAN_TEXT];

	if (!port->watched)
		return;
	can_frame_print(m, text);
	vu_script_sayf(port->script, "sent %s", text);
}

/* CAN_OK, CAN_NOT_OK, or -EAGAIN. */
static int port_send(struct can_port *port, const struct vu_req *req)
{
	struct can_message m;
	const char *fault;
	int ret;

	/* A driver may have some in its queue when it happens: no line. */
	fault = port->started ? can_frame_read(req, port->features, &m) : "";
	if (fault) {
		if (*fault)
			vu_device_log_peerf(port->dev, VU_LOG_WARNING, "a frame is refused: %s",
					    fault);
		port->counts.refused++;
		return CAN_NOT_OK;
	}
	ret = port->end->send(port, &m);
	if (ret == -EAGAIN)
		return ret;
	if (ret) {
		can_port_complain(port, "frames are lost", ret);
		port->counts.lost++;
		return CAN_NOT_OK;
	}
	port->error = 0;
	port->counts.sent++;
	port_tell(port, &m);
	return CAN_OK;
}

/* 1: a request; 0: none now; a negative value: none before the queue runs again. */
static int port_send_next(struct can_port *port, struct vu_queue *queue)
{
	struct vu_req *req;
	int ret = vu_queue_next(queue, &req), result;

	if (ret != 1)
		return ret;
	result = port_send(port, req);
	if (result != -EAGAIN) {
		port_answer(port, req, (uint8_t)result);
		return 1;
	}
	if (vu_req_put_back(req)) /* cannot be: it is the newest */
		port_answer(port, req, CAN_NOT_OK);
	/* No interface says when it has room: Linux' own senders try again, too. */
	vu_source_set_timer(port->retry, RETRY_NS, 0);
	return 0;
}

/* Send what is in the ring; stopped, answer that it was not sent. */
static void port_send_all(struct can_port *port)
{
	struct vu_queue *queue = port_queue(port, CAN_TX);
	int ret;

	do
		ret = port_send_next(port, queue);
	while (ret == 1);
	/* A turn may end before the ring does. */
	port->cancelling &= !ret && vu_queue_available(queue);
	if (port->end->heard)
		port->end->heard(port);
}

void can_port_go_on(struct can_port *port)
{
	bool cancelling = port->cancelling;

	port_send_all(port);
	if (cancelling && !port->cancelling)
		can_port_serve(port, port_queue(port, CAN_CONTROL));
}

/* --- from the bus --- */

static void port_deliver(struct can_port *port)
{
	struct vu_queue *queue = port_queue(port, CAN_RX);
	struct vu_req *req;

	while (port->n_waiting && vu_queue_next(queue, &req) == 1) {
		uint64_t written = can_frame_write(req, &port->waiting[port->first]);

		if (!written)
			vu_device_log_peerf(port->dev, VU_LOG_WARNING,
					    "a receive buffer of %llu bytes is too small",
					    (unsigned long long)req->writable_len);
		vu_req_complete(req, written);
		if (!written)
			continue;
		port->first = (port->first + 1) % CAN_WAITING;
		port->n_waiting--;
		port->counts.received++;
	}
}

void can_port_signal(struct can_port *port)
{
	vu_queue_signal(port_queue(port, CAN_RX));
}

void can_port_receive(struct can_port *port, const struct can_message *m)
{
	if (!port->started)
		return;
	if (port->n_waiting == CAN_WAITING || can_frame_fault(m, port->features)) {
		port->counts.dropped++;
		return;
	}
	port->waiting[(port->first + port->n_waiting++) % CAN_WAITING] = *m;
	port_deliver(port);
}

/* --- its state --- */

static void port_set(struct can_port *port, bool started, bool bus_off)
{
	uint16_t status = htole16(bus_off ? 1 : 0);

	port->started = started;
	if (!started)
		port->n_waiting = 0;
	if (bus_off != port->bus_off)
		vu_config_set(port->dev, 0, &status, sizeof(status));
	port->bus_off = bus_off;
}

void can_port_reset(struct can_port *port)
{
	port_set(port, false, false);
	port->cancelling = false;
	vu_source_set_timer(port->retry, 0, 0);
}

/* What the driver wanted to send is answered: not sent. */
static void port_stop(struct can_port *port, bool bus_off)
{
	port_set(port, false, bus_off);
	vu_source_set_timer(port->retry, 0, 0);
	port->cancelling = true;
	port_send_all(port);
}

void can_port_bus_off(struct can_port *port)
{
	if (port->started)
		port_stop(port, true);
}

/* CAN_OK, CAN_NOT_OK, or -EAGAIN: when all that was pending is cancelled. */
static int port_control(struct can_port *port, const struct vu_req *req)
{
	uint16_t type;

	if (vu_req_read(req, 0, &type, sizeof(type)) != sizeof(type))
		return CAN_NOT_OK;
	switch (le16toh(type)) {
	case MODE_START:
		if (port->held)
			return CAN_NOT_OK;
		port_set(port, true, false);
		return CAN_OK;
	case MODE_STOP:
		port_stop(port, false);
		return port->cancelling ? -EAGAIN : CAN_OK;
	default:
		return CAN_NOT_OK;
	}
}

static void port_serve_control(struct can_port *port, struct vu_queue *queue)
{
	struct vu_req *req;

	while (!port->cancelling && vu_queue_next(queue, &req) == 1) {
		int result = port_control(port, req);

		/* can_port_go_on() comes back to it. */
		if (result == -EAGAIN && !vu_req_put_back(req))
			return;
		port_answer(port, req, (uint8_t)(result == -EAGAIN ? CAN_OK : result));
	}
}

void can_port_serve(struct can_port *port, struct vu_queue *queue)
{
	switch (vu_queue_index(queue)) {
	case CAN_TX:
		can_port_go_on(port);
		break;
	case CAN_RX:
		port_deliver(port);
		break;
	default:
		port_serve_control(port, queue);
	}
}
