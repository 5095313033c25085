/* SPDX-License-Identifier: MIT */
/*
 * vu-console's control channel: an input is a row of steps by the driver (any bytes as a message,
 * buffers of any size for ours) and the host (ports come, go, open, close; the size changes).  What
 * the driver is told is checked against what a device must not say (virtio 1.3 §5.3.6.2): a port
 * that exists is not added, one that does not is not removed, and nothing is said of it.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "console_control.h"
#include "fuzz.h"

enum { PORTS = 5, TOO_MANY = 200 };

struct driver {
	struct control control;
	bool knows[PORTS]; /* of a port */
	bool silent;	   /* never said that it is ready: then it may know of ports by adoption */
};

static uint16_t driver_u16(const unsigned char *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

/* A message arrived: may it be sent? */
static void driver_hear(struct driver *d, const unsigned char *message, size_t len)
{
	uint32_t id = message[0] | (uint32_t)message[1] << 8 | (uint32_t)message[2] << 16 |
		      (uint32_t)message[3] << 24;
	uint16_t event = driver_u16(message + 4), value = driver_u16(message + 6);

	require(id < PORTS);
	switch (event) {
	case CONTROL_PORT_ADD:
		require(len == CONTROL_HEADER && !d->knows[id]);
		d->knows[id] = true;
		return;
	case CONTROL_PORT_REMOVE:
		require(len == CONTROL_HEADER && d->knows[id]);
		d->knows[id] = false;
		return;
	case CONTROL_RESIZE:
		require(len == CONTROL_HEADER + 4 && d->control.sized);
		break;
	case CONTROL_PORT_NAME:
		require(len > CONTROL_HEADER && len < CONTROL_MESSAGE);
		break;
	default:
		require(event == CONTROL_CONSOLE_PORT || event == CONTROL_PORT_OPEN);
		require(len == CONTROL_HEADER && value <= 1);
	}
	require(d->knows[id] && d->control.ports[id].exists);
}

static void driver_listen(struct driver *d, size_t room)
{
	/* Of exactly that size, so that a byte too much is seen. */
	unsigned char *message = malloc(room ? room : 1);
	int len = control_next(&d->control, message, room);

	require(len <= (int)room && (len >= 0 || len == -EMSGSIZE));
	require((len != 0) == (len < 0 || len >= CONTROL_HEADER));
	if (len > 0)
		driver_hear(d, message, (size_t)len);
	free(message);
}

static void driver_say(struct driver *d, struct fuzz_input *in)
{
	size_t len = fuzz_u8(in) % 12;
	unsigned char *message = malloc(len ? len : 1);
	uint32_t id = UINT32_MAX;
	int what;

	for (size_t i = 0; i < len; i++)
		message[i] = fuzz_u8(in);
	what = control_receive(&d->control, message, len, &id);
	free(message);
	require(what < 0 || len >= CONTROL_HEADER);
	if (what == CONTROL_DEVICE_READY || (what == -EIO && !d->control.driver_ready)) {
		memset(d->knows, 0, sizeof(d->knows));
		d->silent = what < 0;
	} else if (what >= 0) {
		require(what == CONTROL_PORT_READY || what == CONTROL_PORT_OPEN);
		require(id < PORTS && (d->knows[id] || d->silent));
		d->knows[id] = true;
	} else if (what == -EIO && d->silent && id < PORTS) {
		d->knows[id] |= d->control.ports[id].added;
	}
}

static void host_step(struct driver *d, struct fuzz_input *in)
{
	static const char *const names[] = {
		NULL,
		"",
		"a",
		"org.test.port",
		"012345678901234567890123456789012345678901234567890123456789012",
		"0123456789012345678901234567890123456789012345678901234567890123"};
	uint8_t code = fuzz_u8(in);
	uint32_t id = fuzz_u8(in) % PORTS;

	switch (code % 6) {
	case 0:
		control_add_port(&d->control, id, names[code / 6 % 6], id < 2);
		break;
	case 1:
		if (d->control.ports[id].exists)
			control_remove_port(&d->control, id);
		break;
	case 2:
		if (d->control.ports[id].exists)
			control_set_host_open(&d->control, id, code & 0x80);
		break;
	case 3:
		control_set_size(&d->control, code, (uint16_t)id);
		break;
	case 4:
		control_adopt(&d->control, id);
		d->knows[id] |= d->control.ports[id].added;
		break;
	default:
		control_reset(&d->control);
		memset(d->knows, 0, sizeof(d->knows));
		d->silent = true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	static struct driver d;

	memset(&d, 0, sizeof(d));
	d.silent = true;
	control_init(&d.control, PORTS);
	d.control.sized = fuzz_u8(&in) & 1;
	while (in.at < in.end) {
		uint8_t code = fuzz_u8(&in);

		if (code < 80)
			driver_say(&d, &in);
		else if (code < 160)
			host_step(&d, &in);
		else
			driver_listen(&d, (size_t)code - 160);
	}
	/* It has an end: what there is to say does not grow by being said. */
	for (int i = 0; control_has_next(&d.control); i++) {
		require(i < TOO_MANY);
		driver_listen(&d, CONTROL_MESSAGE);
	}
	return 0;
}
