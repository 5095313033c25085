/* SPDX-License-Identifier: MIT */
/* See vsock_packet.h. */
#include "vsock_packet.h"

#include <endian.h>

bool packet_read(const struct vu_req *req, struct packet *packet)
{
	struct virtio_vsock_hdr hdr;

	if (vu_req_read(req, 0, &hdr, sizeof(hdr)) < sizeof(hdr))
		return false;
	*packet = (struct packet){
		.src_cid = le64toh(hdr.src_cid),
		.dst_cid = le64toh(hdr.dst_cid),
		.src_port = le32toh(hdr.src_port),
		.dst_port = le32toh(hdr.dst_port),
		.len = le32toh(hdr.len),
		.type = le16toh(hdr.type),
		.op = le16toh(hdr.op),
		.flags = le32toh(hdr.flags),
		.buf_alloc = le32toh(hdr.buf_alloc),
		.fwd_cnt = le32toh(hdr.fwd_cnt),
	};
	return true;
}

size_t packet_write(const struct vu_req *req, const struct packet *packet)
{
	const struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(packet->src_cid),
		.dst_cid = htole64(packet->dst_cid),
		.src_port = htole32(packet->src_port),
		.dst_port = htole32(packet->dst_port),
		.len = htole32(packet->len),
		.type = htole16(packet->type),
		.op = htole16(packet->op),
		.flags = htole32(packet->flags),
		.buf_alloc = htole32(packet->buf_alloc),
		.fwd_cnt = htole32(packet->fwd_cnt),
	};

	return vu_req_write(req, 0, &hdr, sizeof(hdr));
}
