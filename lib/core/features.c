/* SPDX-License-Identifier: MIT */
/* Feature bits: what is required, what was accepted.  Device thread. */
#include "core/features.h"

#include <errno.h>

#include "core/device.h"

#define BIT(n) (UINT64_C(1) << (n))

/* vhost's own bits, which are none of the device's. */
static const uint64_t vhost_bits = BIT(VU_F_PROTOCOL_FEATURES) | BIT(VU_F_LOG_ALL);

/*
 * What is required and not acked.  A driver without VERSION_1 is a legacy one (virtio 1.3 §2.2.3);
 * it cannot ack bits above 31, and its rings and fields are in the guest's byte order.  Where that
 * is not the host's, the front-end has to say so (SET_VRING_ENDIAN, offered on demand); so on a
 * little-endian host it is ours unless it does, and on a big-endian host nobody knows.
 */
static uint64_t features_missing(const struct vu_device *dev, uint64_t acked)
{
	bool little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	bool legacy_ok = (dev->info.flags & VU_DEVICE_LEGACY) && little_endian && !(acked >> 32);

	return (dev->info.required | (legacy_ok ? 0 : BIT(VU_F_VERSION_1))) & ~acked;
}

void features_log_refusal(struct vu_device *dev)
{
	uint64_t missing = features_missing(dev, dev->acked);
	struct log *log = &dev->log;

	if (missing & BIT(VU_F_VERSION_1))
		log_peer_error(
			log,
			"cannot start: VERSION_1 is not among the features %#llx that the driver "
			"accepted: it is a legacy driver, which this device does not serve.  Give "
			"QEMU's PCI device disable-legacy=on,disable-modern=off or put it behind a "
			"pcie-root-port; for virtio-mmio: -global virtio-mmio.force-legacy=off",
			(unsigned long long)dev->acked);
	else if (missing)
		log_peer_error(log,
			       "cannot start: the driver accepted features %#llx; the device also "
			       "needs %#llx",
			       (unsigned long long)dev->acked, (unsigned long long)missing);
	else
		log_peer_error(log,
			       "cannot start: the driver accepted features %#llx, which the device "
			       "cannot work with",
			       (unsigned long long)dev->acked);
}

/*
 * What the driver chose.  QEMU's generic front-ends ack bits that we never offered: those of the
 * ring that the library knows are obeyed, the others are only reported.
 */
static int features_check(struct vu_device *dev, uint64_t acked)
{
	uint64_t unoffered = acked & ~dev->offered;
	uint64_t missing = features_missing(dev, acked);

	if (unoffered && (!dev->acked_any || acked != dev->acked))
		log_peer_warn(&dev->log,
			      "the front-end acked features that were not offered: %#llx",
			      (unsigned long long)unoffered);
	dev->acked = acked;
	dev->acked_any = true;
	atomic_store(&dev->features, acked & dev->offered & ~vhost_bits);
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

int features_accept(struct vu_device *dev, uint64_t acked)
{
	int err;

	/* A migration begins or ends: nothing that a device that runs has to hear of. */
	if (dev->running.n_rings && !((acked ^ dev->acked) & ~BIT(VU_F_LOG_ALL))) {
		dev->acked = acked;
		return dev->acked_ok ? 0 : -EINVAL;
	}
	err = features_check(dev, acked);

	dev->acked_ok = !err;
	return err;
}

void features_use(const struct vu_device *dev, struct ring_config *c)
{
	c->is_translated = dev->acked >> VU_F_ACCESS_PLATFORM & 1;
	c->packed = dev->acked >> VU_F_RING_PACKED & 1;
	c->in_order = dev->acked >> VU_F_IN_ORDER & 1;
	c->event_idx = dev->acked >> VU_F_EVENT_IDX & 1;
	c->indirect = dev->acked >> VU_F_INDIRECT_DESC & 1;
	c->indirect_offered = dev->offered >> VU_F_INDIRECT_DESC & 1;
}
