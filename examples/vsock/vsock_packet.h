/* SPDX-License-Identifier: MIT */
/*
 * A packet's header (virtio 1.3 §5.10.6) in this machine's byte order.
 *
 * It is copied out of the guest's memory once, and only the copy is looked at.
 */
#ifndef VSOCK_PACKET_H
#define VSOCK_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>

#include <libvu/vu.h>

enum { PACKET_HEAD = sizeof(struct virtio_vsock_hdr) };
enum { VSOCK_SHUTDOWN_BOTH = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND };

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
};

/* false: it is shorter than a header. */
bool packet_read(const struct vu_req *req, struct packet *packet);
/* How much of so many bytes of payload fits behind a header; the buffer is larger than that. */
static inline uint32_t packet_room(const struct vu_req *req, uint32_t most)
{
	uint64_t room = req->writable_len - PACKET_HEAD;

	return room < most ? (uint32_t)room : most;
}

/* How many bytes were written: PACKET_HEAD where the buffer has room for them. */
size_t packet_write(const struct vu_req *req, const struct packet *packet);

#endif
