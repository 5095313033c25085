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

#include <libvu/vu.h>

enum {
	PACKET_HEAD = 44,
	PACKET_SEGS = 64, /* of a packet's payload in one piece of work; more are copied */
};

enum { VSOCK_CID_HYPERVISOR = 0, VSOCK_CID_LOCAL = 1, VSOCK_CID_HOST = 2 };
enum { VSOCK_STREAM = 1, VSOCK_SEQPACKET = 2 };

enum packet_op {
	OP_INVALID,
	OP_REQUEST,
	OP_RESPONSE,
	OP_RST,
	OP_SHUTDOWN,
	OP_RW,
	OP_CREDIT_UPDATE,
	OP_CREDIT_REQUEST,
	N_OPS,
};

/* Flags of SHUTDOWN: who sends them will not receive, or not send, any more. */
enum { SHUT_NO_RECEIVE = 1, SHUT_NO_SEND = 2, SHUT_BOTH = 3 };
/* Flags of RW on seqpacket: the last of a message, of a record. */
enum { SEQ_EOM = 1, SEQ_EOR = 2 };

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
/* How many bytes were written: PACKET_HEAD where the buffer has room for them. */
size_t packet_write(const struct vu_req *req, const struct packet *packet);

#endif
