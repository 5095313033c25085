/* SPDX-License-Identifier: MIT */
/*
 * An interface of this machine's, by a raw socket of SocketCAN's (Linux, networking/can.rst), which
 * is opened before the sandbox.  An interface that is not configured for CAN FD has classic frames
 * only.
 */
#include "can.h"

#include <errno.h>
#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64 };

static int socket_send(struct can_port *port, const struct can_message *m)
{
	/* The same for both kinds, as far as a classic frame reaches. */
	struct canfd_frame frame = {
		.can_id = m->id | (m->flags & CAN_EXTENDED ? CAN_EFF_FLAG : 0) |
			  (m->flags & CAN_RTR ? CAN_RTR_FLAG : 0),
		.len = (uint8_t)m->len,
	};
	size_t size = m->flags & CAN_FD ? CANFD_MTU : CAN_MTU;
	ssize_t ret;

	memcpy(frame.data, m->data, m->len);
	do
		ret = write(port->fd, &frame, size);
	while (ret < 0 && errno == EINTR);
	if (ret == (ssize_t)size)
		return 0;
	if (ret >= 0)
		return -EIO;
	/* The interface's queue is full. */
	return errno == ENOBUFS || errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static void socket_take(struct can_port *port, const struct canfd_frame *frame, bool is_fd)
{
	struct can_message m = {
		.flags = (frame->can_id & CAN_EFF_FLAG ? CAN_EXTENDED : 0) |
			 (frame->can_id & CAN_RTR_FLAG ? CAN_RTR : 0) | (is_fd ? CAN_FD : 0),
		.id = frame->can_id & (frame->can_id & CAN_EFF_FLAG ? CAN_EFF_MASK : CAN_SFF_MASK),
		.len = frame->len <= CAN_DATA ? frame->len : CAN_DATA,
	};

	if (frame->can_id & CAN_ERR_FLAG) {
		if (frame->can_id & CAN_ERR_BUSOFF)
			can_port_bus_off(port);
		return;
	}
	if (!(m.flags & CAN_RTR))
		memcpy(m.data, frame->data, m.len);
	can_port_receive(port, &m);
}

static void socket_read(struct can_port *port, int fd)
{
	struct canfd_frame frame;

	for (int i = 0; i < BATCH; i++) {
		ssize_t ret;

		memset(&frame, 0, sizeof(frame));
		ret = read(fd, &frame, sizeof(frame));
		if (ret == CAN_MTU || ret == CANFD_MTU) {
			socket_take(port, &frame, ret == CANFD_MTU);
			continue;
		}
		/* One that was taken down is there again when it is up. */
		if (ret < 0 && errno != EAGAIN && errno != EINTR)
			can_port_complain(port, "the interface", -errno);
		return;
	}
}

static void on_frames(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	socket_read(opaque, fd);
	can_port_signal(opaque);
}

static void socket_free(struct can_port *port)
{
	vu_source_remove(port->source);
	if (port->fd >= 0)
		close(port->fd);
}

static int socket_bind(struct can_port *port, const char *name)
{
	const can_err_mask_t errors = CAN_ERR_BUSOFF;
	const int on = 1;
	struct sockaddr_can address = {.can_family = AF_CAN};
	struct ifreq request = {0};

	strcpy(request.ifr_name, name);
	if (ioctl(port->fd, SIOCGIFINDEX, &request) < 0)
		return -errno;
	address.can_ifindex = request.ifr_ifindex;
	if (ioctl(port->fd, SIOCGIFMTU, &request) < 0)
		return -errno;
	/* One for CAN XL has a greater one, and FD as well. */
	if (request.ifr_mtu < (int)CANFD_MTU)
		port->offers &= ~(uint64_t)CAN_F_FD;
	if (setsockopt(port->fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof(on)) < 0 ||
	    setsockopt(port->fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &errors, sizeof(errors)) < 0 ||
	    bind(port->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

int can_socket_open(struct can_port *port, const char *name)
{
	static const struct can_end_ops ops = {.send = socket_send, .free = socket_free};
	int ret = *name && strlen(name) < IFNAMSIZ ? 0 : -ENODEV;

	port->end = &ops;
	/* It would have to be heard that a frame was sent. */
	port->offers &= ~(uint64_t)CAN_F_LATE_TX_ACK;
	if (!ret) {
		port->fd = socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
		ret = port->fd < 0 ? -errno : socket_bind(port, name);
	}
	if (ret)
		fprintf(stderr, "vu-can: socketcan:%s: %s\n", name,
			ret == -EAFNOSUPPORT || ret == -EPROTONOSUPPORT
				? "this kernel has no SocketCAN (modules can and can_raw)"
			: ret == -ENODEV ? "no such CAN interface"
					 : strerror(-ret));
	return ret;
}

int can_socket_begin(struct can_port *port)
{
	if (port->fd < 0)
		return 0;
	return vu_group_add_fd(vu_device_group(port->dev), port->fd, EPOLLIN, on_frames, port,
			       &port->source);
}
