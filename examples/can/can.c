/* SPDX-License-Identifier: MIT */
/*
 * vu-can: a CAN controller (virtio 1.4 §5.20) on a bus of this process' guests, or on one of this
 * machine's by SocketCAN.
 */
#include "can.h"

#include <errno.h>

#include "../common/shut_in.h"

enum { CAN_ID = 36 };

struct settings {
	const char *backend;
	int no_fd;
	struct can_bus *bus;
	struct shut_in shut_in;
};

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	can_port_serve(opaque, queue);
}

static void on_retry(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	can_port_go_on(opaque);
}

/* A guest that is merely paused stays on the bus; one with other features began anew. */
static int started(struct vu_device *dev, void *opaque)
{
	struct can_port *port = opaque;
	uint64_t features = vu_device_features(dev) & port->offers;

	if (features != port->features)
		can_port_reset(port);
	port->features = features;
	return 0;
}

static void reset(struct vu_device *dev, void *opaque)
{
	can_port_reset(opaque);
}

static void session_end(struct vu_device *dev, int why, void *opaque)
{
	can_port_reset(opaque);
}

static int make_device(struct can_port *port, struct vu_program *program)
{
	static const uint16_t status;
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.reset = reset,
		.started = started,
		.queue_ready = queue_ready,
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = CAN_ID,
		.n_queues = CAN_QUEUES,
		.features = port->offers,
		.config = &status,
		.config_size = sizeof(status),
	};

	return vu_program_add_device(program, &info, &ops, port, &port->dev);
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct settings *settings = vu_program_settings(program);
	struct can_port *port = state;
	int ret;

	(void)index;
	port->fd = -1;
	port->bus = settings->bus;
	ret = can_end_open(port, settings->backend);
	if (settings->no_fd)
		port->offers &= ~(uint64_t)CAN_F_FD;
	if (!ret)
		ret = make_device(port, program);
	if (!ret)
		ret = vu_group_add_timer(vu_device_group(port->dev), on_retry, port, &port->retry);
	if (!ret)
		ret = can_socket_begin(port);
	return ret ? ret : vu_program_add_control(program, NULL, port, &port->script);
}

static void destroy(void *state)
{
	struct can_port *port = state;

	if (port->end && port->end->free)
		port->end->free(port);
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	struct settings *settings = vu_program_settings(program);
	const struct can_port *port = state;

	(void)index;
	return shut_in_enter(&settings->shut_in, port->dev);
}

static const struct vu_option options[] = {
	{VU_OPTION_STRING("backend", "BACKEND",
			  "where frames go: bus (default: the guests of this process), loopback, "
			  "null, or socketcan:NAME",
			  struct settings, backend)},
	{VU_OPTION_FLAG("no-fd", "a controller without CAN FD", struct settings, no_fd)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct can_bus bus = {0};
	struct settings settings = {.backend = "bus", .bus = &bus};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-can", "can", "A vhost-user CAN controller."),
		SHUT_IN_PROGRAM(options, &settings, can_commands, struct can_port, create, destroy,
				opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
