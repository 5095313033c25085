/* SPDX-License-Identifier: MIT */
/*
 * What vu-console knows of its driver, on its way to another host: which ports the driver was told
 * of and has open, what it is still to be told, and emergency output that is not out yet.  Who is
 * at the ports' other ends is each host's own matter: the driver is told if that differs.
 */
#include "console.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum { TAG_DRIVER = 1, TAG_PORT, TAG_EMERGENCY };
enum { DRIVER_SAID_READY = 1, DRIVER_READY = 2 };

struct saved_port {
	uint32_t id;
	uint16_t flags; /* enum control_port_flags */
	uint16_t pending;
};

static int save(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		void *opaque)
{
	const struct console *c = opaque;
	const struct control *control = &c->control;

	(void)dev;
	(void)answer;
	vu_state_put_u64(state, TAG_DRIVER, 0,
			 (control->said_ready ? DRIVER_SAID_READY : 0) |
				 (control->driver_ready ? DRIVER_READY : 0));
	for (uint32_t i = 0; i < c->max_ports; i++) {
		const struct saved_port port = {
			.id = htole32(i),
			.flags = htole16(control_port_flags(control, i)),
			.pending = htole16(control->ports[i].pending),
		};

		if (port.flags || port.pending)
			vu_state_put(state, TAG_PORT, 0, &port, sizeof(port));
	}
	return vu_state_put(state, TAG_EMERGENCY, VU_STATE_OPTIONAL, c->emergency, c->n_emergency);
}

static int load_port(struct console *c, const void *data, size_t len)
{
	struct saved_port port;

	if (len != sizeof(port))
		return -EBADMSG;
	memcpy(&port, data, sizeof(port));
	return control_restore_port(&c->control, le32toh(port.id), le16toh(port.flags),
				    le16toh(port.pending));
}

static int load_ports(struct console *c, struct vu_state *state)
{
	const void *data;
	size_t len;
	int err = 0;

	/* The least hostile of sources has a port once. */
	for (uint32_t i = 0; !err && !vu_state_get(state, TAG_PORT, i, &data, &len); i++)
		err = load_port(c, data, len);
	return err;
}

static int load(struct vu_device *dev, struct vu_state *state, struct vu_answer *answer,
		void *opaque)
{
	struct console *c = opaque;
	const void *data;
	uint64_t driver;
	size_t len;
	int err = vu_state_get_u64(state, TAG_DRIVER, &driver);

	(void)dev;
	(void)answer;
	if (err)
		return err;
	control_reset(&c->control);
	c->control.said_ready = driver & DRIVER_SAID_READY;
	c->control.driver_ready = driver & DRIVER_READY;
	err = load_ports(c, state);
	if (err) {
		control_reset(&c->control);
		return err;
	}
	control_announce(&c->control);
	if (!vu_state_get(state, TAG_EMERGENCY, 0, &data, &len) && len <= CONSOLE_EMERGENCY) {
		memcpy(c->emergency, data, len);
		c->n_emergency = (uint32_t)len;
		port_pump(&c->ports[0]);
	}
	return 0;
}

int console_set_state_ops(struct console *c)
{
	static const struct vu_state_ops ops = {.size = sizeof(ops), .save = save, .load = load};

	return vu_device_set_state_ops(c->dev, &ops);
}
