/* SPDX-License-Identifier: MIT */
/* Handlers: feature bits, protocol features, ownership, number of queues.  Device thread. */
#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

#define BIT(n) (UINT64_C(1) << (n))

static uint64_t payload_u64(const struct wire_msg *msg)
{
	uint64_t value;

	memcpy(&value, msg->payload, sizeof(value));
	return value;
}

int on_get_features(struct session *s, struct wire_msg *msg)
{
	int err = session_reply_u64(s, msg, s->dev->offered);

	return err ? -EPROTO : MESSAGE_REPLIED;
}

int on_set_features(struct session *s, struct wire_msg *msg)
{
	uint64_t acked = payload_u64(msg);

	/* Only a start with what cannot be is an error. */
	(void)control_set_features(s->dev, acked);
	return session_wait(s, msg, control_use_features(s->dev, &s->wait.waiter), NULL);
}

int on_get_protocol_features(struct session *s, struct wire_msg *msg)
{
	int err = session_reply_u64(s, msg, session_offered_protocol(s));

	return err ? -EPROTO : MESSAGE_REPLIED;
}

int on_set_protocol_features(struct session *s, struct wire_msg *msg)
{
	uint64_t acked = payload_u64(msg), unoffered = acked & ~session_offered_protocol(s);
	const uint64_t inband_needs = BIT(WIRE_PF_BACKEND_REQ) | BIT(WIRE_PF_REPLY_ACK);
	bool inband = acked >> WIRE_PF_INBAND_NOTIFICATIONS & 1;

	if (unoffered)
		log_peer_warn(&s->dev->log,
			      "the front-end acked protocol features that were not offered: %#llx",
			      (unsigned long long)unoffered);
	s->protocol = acked & session_offered_protocol(s);
	if (inband && (s->protocol & inband_needs) != inband_needs) {
		/* vhost-user "In-band notifications": there is no other way to say so. */
		log_peer_error(
			&s->dev->log,
			"in-band notifications were acked without BACKEND_REQ and REPLY_ACK");
		return -EPROTO;
	}
	if (session_has(s, WIRE_PF_GET_VRING_BASE_INFLIGHT) &&
	    !session_has(s, WIRE_PF_INFLIGHT_SHMFD)) {
		log_peer_warn(&s->dev->log, "GET_VRING_BASE_INFLIGHT means nothing without "
					    "INFLIGHT_SHMFD");
		s->protocol &= ~BIT(WIRE_PF_GET_VRING_BASE_INFLIGHT);
	}
	control_leave_inflight(s->dev, session_has(s, WIRE_PF_GET_VRING_BASE_INFLIGHT));
	control_set_guest_addresses(s->dev, session_has(s, WIRE_PF_GPA_ADDRESSES));
	control_set_inband(s->dev, session_has(s, WIRE_PF_INBAND_NOTIFICATIONS));
	return MESSAGE_DONE;
}

int on_set_owner(struct session *s, struct wire_msg *msg)
{
	(void)s;
	(void)msg;
	return MESSAGE_DONE;
}

/* Deprecated; ignoring it is one of the two ways that the specification recommends. */
int on_reset_owner(struct session *s, struct wire_msg *msg)
{
	(void)s;
	(void)msg;
	return MESSAGE_DONE;
}

int on_get_queue_num(struct session *s, struct wire_msg *msg)
{
	int err = session_reply_u64(s, msg, s->dev->info.n_queues);

	return err ? -EPROTO : MESSAGE_REPLIED;
}
