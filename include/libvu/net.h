/* SPDX-License-Identifier: MIT */
/*
 * What the front-end of a network device tells it besides virtio.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_NET_H
#define LIBVU_NET_H

#include <libvu/answer.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * struct vu_net_ops - for a network device; see vu_device_set_net_ops().
 *
 * @size: sizeof(struct vu_net_ops).
 * @set_mtu: this MTU will be in the guest's configuration space.  0; -errno: it cannot be, and
 *	the front-end hears so if it asked; or VU_LATER.  NULL: MTU is not offered.  Device thread.
 * @send_rarp: the virtual machine has moved here: announce @mac, its address of 6 bytes, by a
 *	broadcast RARP.  0, -errno or VU_LATER.  NULL: RARP is not offered.  Device thread.
 *
 * The last argument of each is the opaque pointer of vu_device_new(); the one before is for
 * VU_LATER.
 *
 * vhost-user NET_SET_MTU, SEND_RARP.
 * Since: 0.1
 */
struct vu_net_ops {
	size_t size;
	int (*set_mtu)(struct vu_device *dev, uint16_t mtu, struct vu_answer *answer, void *opaque);
	int (*send_rarp)(struct vu_device *dev, const uint8_t *mac, struct vu_answer *answer,
			 void *opaque);
};

/**
 * vu_device_set_net_ops() - make it a network device: offers MTU and RARP as far as there are
 * callbacks.
 *
 * @ops: copied.  NULL: it is none any more.
 *
 * Return: as vu_device_set_state_ops(), but no callback is needed.  Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_set_net_ops(struct vu_device *dev, const struct vu_net_ops *ops);

VU_END_DECLS

#endif
