/* SPDX-License-Identifier: MIT */
/* Handlers: device status and reset.  Device thread. */
#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

/* virtio 1.3 §2.1 */
enum { STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_BITS = 0xff };

static int reset_done(struct session *s, struct wire_msg *msg)
{
	(void)msg;
	s->status = 0;
	return MESSAGE_DONE;
}

/* Stop and disable every ring, then reset the device; the session stays. */
int on_reset_device(struct session *s, struct wire_msg *msg)
{
	return session_wait(s, msg, control_reset(s->dev, &s->wait.waiter), reset_done);
}

int on_set_status(struct session *s, struct wire_msg *msg)
{
	uint64_t status;

	memcpy(&status, msg->payload, sizeof(status));
	if (status & ~(uint64_t)STATUS_BITS) {
		log_peer_error(&s->dev->log, "a device status of %#llx has more than 8 bits",
			       (unsigned long long)status);
		return -EPROTO;
	}
	if (!status)
		return on_reset_device(s, msg);
	/* virtio 1.3 §3.1.1: leaving FEATURES_OK clear is how a device turns features down.  A
	 * legacy driver knows no such step, so QEMU takes it by itself; the start has the reason
	 * then. */
	if ((status & STATUS_FEATURES_OK) && !s->dev->acked_ok) {
		if (s->dev->acked >> VU_F_VERSION_1 & 1)
			log_peer_error(&s->dev->log,
				       "features %#llx are turned down: FEATURES_OK stays clear",
				       (unsigned long long)s->dev->acked);
		status &= ~(uint64_t)STATUS_FEATURES_OK;
	}
	s->status = (uint8_t)status;
	return MESSAGE_DONE;
}

int on_get_status(struct session *s, struct wire_msg *msg)
{
	return session_reply_u64(s, msg, s->status) ? -EPROTO : MESSAGE_REPLIED;
}
