/* SPDX-License-Identifier: MIT */
/* Handlers: configuration space and the back-end channel.  Device thread. */
#include <errno.h>
#include <string.h>

#include "vhost_user/channel.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

/*
 * A read beyond the end gives zeros: QEMU asks for the size that its own header has, and
 * User-mode Linux always reads from offset 0.
 */
int on_get_config(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct wire_config *c = (struct wire_config *)(void *)msg->payload;
	unsigned char *data = msg->payload + sizeof(*c);
	uint32_t size = (uint32_t)sizeof(*c) + c->size;
	int err = 0;

	config_read(&dev->config, c->offset, data, c->size);
	if (dev->ops.config_read)
		err = dev->ops.config_read(dev, c->offset, data, c->size, dev->opaque);
	if (err) {
		/* vhost-user GET_CONFIG: an empty payload says so. */
		log_peer_warn(&dev->log,
			      "the device refused to read %u bytes of its configuration "
			      "space at %u: %s",
			      c->size, c->offset, strerror(-err));
		size = 0;
	}
	err = session_reply(s, msg, msg->payload, size, NULL, 0);
	return err ? -EPROTO : MESSAGE_REPLIED;
}

int on_set_config(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	const unsigned char *data = msg->payload + sizeof(struct wire_config);
	struct wire_config c;
	int err;

	memcpy(&c, msg->payload, sizeof(c));
	if (c.flags & WIRE_CONFIG_F_MIGRATION) {
		err = config_set(&dev->config, c.offset, data, c.size);
		if (err > 0)
			err = 0;
	} else {
		err = config_write(&dev->config, c.offset, data, c.size);
	}
	if (err) {
		log_peer_warn(&dev->log, "configuration space: %u bytes at %u cannot be written",
			      c.size, c.offset);
		/* No way to refuse without an ack, and no reason to end the session: a guest can
		 * cause this at will. */
		return msg->hdr.flags & WIRE_NEED_REPLY ? err : MESSAGE_DONE;
	}
	if (dev->ops.config_written)
		err = dev->ops.config_written(dev, c.offset, c.size, dev->opaque);
	if (err)
		log_peer_warn(&dev->log,
			      "the device refused %u bytes at %u of its configuration space: %s",
			      c.size, c.offset, strerror(-err));
	return err && msg->hdr.flags & WIRE_NEED_REPLY ? err : MESSAGE_DONE;
}

int on_set_backend_req_fd(struct session *s, struct wire_msg *msg)
{
	int err = channel_open(s, wire_msg_take_fd(msg));

	if (err)
		log_peer_error(&s->dev->log, "the back-end channel's descriptor: %s",
			       strerror(-err));
	return err;
}
