/* SPDX-License-Identifier: MIT */
/* Handlers: feature bits, protocol features, ownership, number of queues.  Device thread. */
#include <errno.h>
#include <string.h>

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

/*
 * What is required and not acked.  A driver without VERSION_1 is a legacy one (virtio 1.3 §2.2.3);
 * it cannot ack bits above 31, and its rings and fields are in the guest's byte order.  Where that
 * is not the host's, the front-end would have to say so (SET_VRING_ENDIAN, which is not offered);
 * so on a little-endian host it is ours, and on a big-endian host nobody knows.
 */
static uint64_t features_missing(const struct vu_device *dev, uint64_t acked)
{
	bool little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	bool legacy_ok = (dev->info.flags & VU_DEVICE_LEGACY) && little_endian && !(acked >> 32);

	return (dev->info.required | (legacy_ok ? 0 : BIT(VU_F_VERSION_1))) & ~acked;
}

void features_log_refusal(const struct session *s)
{
	uint64_t missing = features_missing(s->dev, s->features);
	struct log *log = &s->dev->log;

	if (missing & BIT(VU_F_VERSION_1))
		log_peer_error(
			log,
			"cannot start: VERSION_1 is not among the features %#llx that the driver "
			"accepted: it is a legacy driver, which this device does not serve.  Give "
			"QEMU's PCI device disable-legacy=on,disable-modern=off or put it behind a "
			"pcie-root-port; for virtio-mmio: -global virtio-mmio.force-legacy=off",
			(unsigned long long)s->features);
	else if (missing)
		log_peer_error(log,
			       "cannot start: the driver accepted features %#llx; the device also "
			       "needs %#llx",
			       (unsigned long long)s->features, (unsigned long long)missing);
	else
		log_peer_error(log,
			       "cannot start: the driver accepted features %#llx, which the device "
			       "cannot work with",
			       (unsigned long long)s->features);
}

/*
 * What the driver chose.  QEMU's generic front-ends ack bits that we never offered: those of the
 * ring that the library knows are obeyed, the others are only reported.
 */
static int features_check(struct session *s, uint64_t acked)
{
	struct vu_device *dev = s->dev;
	uint64_t unoffered = acked & ~dev->offered;
	uint64_t missing = features_missing(dev, acked);

	if (unoffered && (!s->features_set || acked != s->features))
		log_peer_warn(&dev->log,
			      "the front-end acked features that were not offered: %#llx",
			      (unsigned long long)unoffered);
	s->features = acked;
	s->features_set = true;
	atomic_store(&dev->features, acked & dev->offered & ~BIT(VU_F_PROTOCOL_FEATURES));
	if (missing) {
		/* Fatal only if it starts like this: QEMU also sends features before the guest's
		 * driver chose any. */
		log_debug(&dev->log, "required features are missing: %#llx",
			  (unsigned long long)missing);
		return -EINVAL;
	}
	if (!dev->ops.features_acked)
		return 0;
	return dev->ops.features_acked(dev, vu_device_features(dev), 0, dev->opaque);
}

static int features_done(struct session *s, struct wire_msg *msg)
{
	(void)s;
	(void)msg;
	return MESSAGE_DONE;
}

int on_set_features(struct session *s, struct wire_msg *msg)
{
	uint64_t acked = payload_u64(msg);

	s->features_ok = features_check(s, acked) == 0;
	if (acked & BIT(VU_F_PROTOCOL_FEATURES))
		return MESSAGE_DONE;
	/* vhost-user "Ring states": without that bit all rings are enabled at once. */
	for (uint32_t i = 0; i < s->dev->info.n_queues; i++) {
		struct vu_queue *q = &s->dev->queues[i];

		if (q->want.enabled)
			continue;
		q->want.enabled = true;
		queue_give(q, QUEUE_CONFIGURE);
	}
	return session_wait(s, msg, features_done);
}

void session_use_features(const struct session *s, struct ring_config *c)
{
	c->packed = s->features >> VU_F_RING_PACKED & 1;
	c->in_order = s->features >> VU_F_IN_ORDER & 1;
	c->event_idx = s->features >> VU_F_EVENT_IDX & 1;
	c->indirect = s->features >> VU_F_INDIRECT_DESC & 1;
	c->indirect_offered = s->dev->offered >> VU_F_INDIRECT_DESC & 1;
}

int on_get_protocol_features(struct session *s, struct wire_msg *msg)
{
	int err = session_reply_u64(s, msg, s->dev->offered_protocol);

	return err ? -EPROTO : MESSAGE_REPLIED;
}

int on_set_protocol_features(struct session *s, struct wire_msg *msg)
{
	uint64_t acked = payload_u64(msg), unoffered = acked & ~s->dev->offered_protocol;
	const uint64_t inband_needs = BIT(WIRE_PF_BACKEND_REQ) | BIT(WIRE_PF_REPLY_ACK);
	bool inband = acked >> WIRE_PF_INBAND_NOTIFICATIONS & 1;

	if (unoffered)
		log_peer_warn(&s->dev->log,
			      "the front-end acked protocol features that were not offered: %#llx",
			      (unsigned long long)unoffered);
	s->protocol = acked & s->dev->offered_protocol;
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
	for (uint32_t i = 0; i < s->dev->info.n_queues; i++)
		s->dev->queues[i].want.inband = session_has(s, WIRE_PF_INBAND_NOTIFICATIONS);
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
