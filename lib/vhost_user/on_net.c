/* SPDX-License-Identifier: MIT */
/* Handlers: what a network device is told.  Device thread. */
#include <errno.h>
#include <string.h>

#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

int on_net_set_mtu(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct vu_answer *answer;
	uint64_t mtu;

	memcpy(&mtu, msg->payload, sizeof(mtu));
	/* virtio 1.3 §5.1.4: it has 16 bits. */
	if (mtu > UINT16_MAX)
		return session_refuse(s, msg, -EINVAL);
	answer = answer_new(dev, "the device's answer to NET_SET_MTU", NULL, NULL);
	if (!answer)
		return session_refuse(s, msg, -ENOMEM);
	return session_answer(s, msg, answer,
			      dev->class.net.set_mtu(dev, (uint16_t)mtu, answer, dev->opaque),
			      session_ack);
}

int on_send_rarp(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct vu_answer *answer = answer_new(dev, "the device's answer to SEND_RARP", NULL, NULL);

	if (!answer)
		return session_refuse(s, msg, -ENOMEM);
	/* vhost-user SEND_RARP: the first six bytes of the payload. */
	return session_answer(s, msg, answer,
			      dev->class.net.send_rarp(dev, msg->payload, answer, dev->opaque),
			      session_ack);
}
