/* SPDX-License-Identifier: MIT */
/* Requests that look like a device's own, so that sessions get behind its first checks. */
#include "attack.h"

#include <endian.h>
#include <linux/fuse.h>
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

/* Mostly of the root, as long as it says, and with as many arguments as it has to have. */
static uint32_t shape_fs(struct attack *a, unsigned char *at, uint64_t *behind)
{
	static const struct {
		uint32_t opcode, args;
	} rows[] = {
		{FUSE_INIT, 16},	 {FUSE_INIT, 16},	  {FUSE_LOOKUP, 2},
		{FUSE_GETATTR, 16},	 {FUSE_READDIR, 24},	  {FUSE_STATFS, 0},
		{FUSE_FORGET, 8},	 {FUSE_BATCH_FORGET, 24}, {FUSE_RELEASEDIR, 24},
		{FUSE_GETXATTR, 10},	 {FUSE_LISTXATTR, 8},	  {FUSE_LSEEK, 24},
		{FUSE_REMOVEMAPPING, 4}, {FUSE_SYNCFS, 8},	  {FUSE_DESTROY, 0},
	};
	struct chance *c = &a->chance;
	uint32_t i = chance_below(c, sizeof(rows) / sizeof(rows[0])), args = rows[i].args;
	const uint32_t init[] = {7, 45, 0, UINT32_MAX};
	struct fuse_in_header hdr = {
		.opcode = chance_percent(c, 80) ? rows[i].opcode : chance_below(c, 64),
		.unique = chance_value(c),
		.nodeid = chance_percent(c, 80) ? FUSE_ROOT_ID : chance_value(c),
		.total_extlen = chance_percent(c, 95) ? 0 : (uint16_t)chance_value(c),
	};

	/* What is open outlives a session, until the next INIT; target_check() counts. */
	if (hdr.opcode == FUSE_OPENDIR)
		hdr.opcode = FUSE_READDIRPLUS;
	if (chance_percent(c, 50))
		*behind = 0;
	hdr.len = chance_percent(c, 95) ? (uint32_t)(sizeof(hdr) + args + *behind)
					: (uint32_t)chance_value(c);
	memset(at + sizeof(hdr), 0, args);
	if (hdr.opcode == FUSE_LOOKUP)
		at[sizeof(hdr)] = '.';
	if (hdr.opcode == FUSE_INIT && args == sizeof(init))
		memcpy(at + sizeof(hdr), init, sizeof(init));
	memcpy(at, &hdr, sizeof(hdr));
	return (uint32_t)sizeof(hdr) + args;
}

static const struct attack_shape shapes[] = {
	{"vsock", 1, false, shape_vsock},
	{"fs", 1, true, shape_fs},
};

const struct attack_shape *attack_find_shape(const char *name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (!strcmp(shapes[i].name, name))
			return &shapes[i];
	return NULL;
}
