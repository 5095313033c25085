/* SPDX-License-Identifier: MIT */
/* A console driver for tests of vu-console: control messages and data of ports. */
#ifndef DEVICES_CONSOLE_H
#define DEVICES_CONSOLE_H

#include "client.h"
#include "rig.h"

#include <linux/virtio_console.h>

enum { CONTROL_RX = 2, CONTROL_TX = 3, CONTROL_SIZE = 8, CONTROL_ROOM = 128 };
enum {
	READY = VIRTIO_CONSOLE_DEVICE_READY,
	ADD = VIRTIO_CONSOLE_PORT_ADD,
	REMOVE = VIRTIO_CONSOLE_PORT_REMOVE,
	PORT_READY = VIRTIO_CONSOLE_PORT_READY,
	CONSOLE = VIRTIO_CONSOLE_CONSOLE_PORT,
	RESIZE = VIRTIO_CONSOLE_RESIZE,
	OPEN = VIRTIO_CONSOLE_PORT_OPEN,
	NAME = VIRTIO_CONSOLE_PORT_NAME,
};

/* A buffer for data, on a port's queue. */
struct chunk {
	struct rig_buffer buffer;
};

static inline uint32_t rx_of(uint32_t port)
{
	return port ? 2 * port + 2 : 0;
}

static inline uint32_t tx_of(uint32_t port)
{
	return rx_of(port) + 1;
}

/* Start vu-console with --control and these options; ports: how many there can be. */
void console_start(struct rig *rig, uint32_t ports, const char *const *options);
/* Send a control message. */
void console_tell(struct rig *rig, uint32_t port, uint16_t event, uint16_t value);
/* The next control message is this one. */
void console_hear(struct rig *rig, uint32_t port, uint16_t event, uint16_t value);
/* The same, with these bytes behind it. */
void console_hear_more(struct rig *rig, uint32_t port, uint16_t event, uint16_t value,
		       const void *more, uint32_t len);
/* There is none. */
void console_hear_nothing(struct rig *rig);
/* The whole beginning: the ports 0 to n - 1, all opened by the driver, with these names. */
void console_begin(struct rig *rig, uint32_t n, const char *const *names, uint32_t host_open);

/* The answer to "ports", without what the device said by itself before it. */
const char *console_ports(struct rig *rig);

/* A buffer for input; one with output. */
void console_offer_input(struct rig *rig, uint32_t port, struct chunk *chunk, uint32_t len);
void console_offer_output(struct rig *rig, uint32_t port, struct chunk *chunk, const void *data,
			  uint32_t len);
/* The next input buffer is this one: its bytes. */
uint32_t console_wait_input(struct rig *rig, uint32_t port, struct chunk *chunk);
/* Output until it is taken. */
void console_write(struct rig *rig, uint32_t port, const void *data, uint32_t len);
/* Input until that much is there. */
void console_read(struct rig *rig, uint32_t port, void *data, uint32_t len);
/* The next input is this text. */
void console_expect(struct rig *rig, uint32_t port, const char *text);

#endif
