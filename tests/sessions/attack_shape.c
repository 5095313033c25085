/* SPDX-License-Identifier: MIT */
/* Requests that look like a device's own, so that sessions get behind its first checks. */
#include "attack.h"

#include <endian.h>
#include <string.h>
#include <linux/virtio_vsock.h>

/*
 * A few ports, so that packets meet; whatever they do there.  Credit is mostly as it should be, as
 * is the length.
 */
static uint32_t shape_vsock(struct attack *a, unsigned char *at, uint64_t *behind)
{
	static const uint32_t allocs[] = {0, 1, 65536, 262144, 262144, UINT32_MAX};
	static const uint16_t ops[] = {
		VIRTIO_VSOCK_OP_REQUEST,
		VIRTIO_VSOCK_OP_REQUEST,
		VIRTIO_VSOCK_OP_REQUEST,
		VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_RST,
		VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_CREDIT_UPDATE,
		VIRTIO_VSOCK_OP_CREDIT_REQUEST,
		VIRTIO_VSOCK_OP_INVALID,
		UINT16_MAX,
	};
	struct chance *c = &a->chance;
	uint16_t op = ops[chance_below(c, sizeof(ops) / sizeof(ops[0]))];
	bool alone = op != VIRTIO_VSOCK_OP_RW && chance_percent(c, 90);
	const struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(chance_percent(c, 98) ? 3 : chance_value(c)),
		.dst_cid = htole64(chance_percent(c, 95) ? 2 : chance_below(c, 6)),
		.src_port = htole32(chance_below(c, 4)),
		.dst_port = htole32(chance_below(c, 4)),
		.len = htole32(alone		       ? 0
			       : chance_percent(c, 90) ? (uint32_t)*behind
						       : (uint32_t)chance_value(c)),
		.type = htole16((uint16_t)(1 + chance_percent(c, 30))),
		.op = htole16(op),
		.flags = htole32(chance_below(c, 4)),
		.buf_alloc = htole32(allocs[chance_below(c, 6)]),
		.fwd_cnt = htole32(chance_percent(c, 80) ? 0 : (uint32_t)chance_value(c)),
	};

	if (alone)
		*behind = 0;
	memcpy(at, &hdr, sizeof(hdr));
	return sizeof(hdr);
}

static const struct attack_shape shapes[] = {
	{"vsock", 1, shape_vsock},
};

const struct attack_shape *attack_find_shape(const char *name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (!strcmp(shapes[i].name, name))
			return &shapes[i];
	return NULL;
}
