/* SPDX-License-Identifier: MIT */
/*
 * A socket driver for tests of vu-vsock: packets, one by one, as a guest sends and gets them.
 *
 * A struct line is one connection as the guest sees it; its counters are what the next packet says.
 * Receive buffers are VSOCK_BUFFER bytes; one goes back as soon as its packet was looked at.
 */
#ifndef DEVICES_VSOCK_H
#define DEVICES_VSOCK_H

#include "client.h"
#include "rig.h"

#include <linux/virtio_vsock.h>

enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENTS, VSOCK_QUEUES };
enum {
	VSOCK_HEAD = sizeof(struct virtio_vsock_hdr),
	VSOCK_BUFFER = 4096,
	VSOCK_BUFFERS = 16,
	VSOCK_LARGEST = 65536,
	VSOCK_PIECES = 256,
	GUEST_CID = 3,
	HOST_CID = 2,
};
enum { STREAM = VIRTIO_VSOCK_TYPE_STREAM, SEQPACKET = VIRTIO_VSOCK_TYPE_SEQPACKET };
enum {
	REQUEST = VIRTIO_VSOCK_OP_REQUEST,
	RESPONSE = VIRTIO_VSOCK_OP_RESPONSE,
	RST = VIRTIO_VSOCK_OP_RST,
	SHUTDOWN = VIRTIO_VSOCK_OP_SHUTDOWN,
	RW = VIRTIO_VSOCK_OP_RW,
	CREDIT_UPDATE = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
	CREDIT_REQUEST = VIRTIO_VSOCK_OP_CREDIT_REQUEST,
};
enum {
	NO_RECEIVE = VIRTIO_VSOCK_SHUTDOWN_RCV,
	NO_SEND = VIRTIO_VSOCK_SHUTDOWN_SEND,
	BOTH = NO_RECEIVE | NO_SEND,
};
enum { EOM = VIRTIO_VSOCK_SEQ_EOM, EOR = VIRTIO_VSOCK_SEQ_EOR };

struct guest_end {
	struct rig *rig; /* its driver's */
	uint64_t cid;
	struct rig_buffer tx;		     /* what is sent, one packet at a time */
	struct rig_buffer rx[VSOCK_BUFFERS]; /* what is received */
	struct rig_buffer *held;	     /* the one that was received last */
	uint32_t n_pieces; /* descriptors of a sent packet, at most VSOCK_PIECES; 0: header, data */
};

/* A packet that was received. */
struct got {
	struct virtio_vsock_hdr header;
	const unsigned char *data; /* valid until the next one is received */
};

struct line {
	struct guest_end *guest;
	uint64_t peer_cid;
	uint32_t port, peer_port;
	uint16_t type;
	uint32_t buf_alloc, fwd_cnt;   /* as the guest says */
	uint32_t tx_cnt;	       /* sent by the guest */
	uint32_t peer_alloc, peer_fwd; /* as the device said last */
};

/* Start vu-vsock with these options (NULL: none). */
void vsock_spawn(struct rig *rig, const char *const *options);
/* The same, and a driver with buffers in its queues. */
void vsock_start(struct rig *rig, struct guest_end *guest, const char *const *options);
/* A driver, once the program runs and the rig is connected (rig_connect()). */
void vsock_begin(struct rig *rig, struct guest_end *guest, uint64_t cid);
/* Without buffers to receive in, which vsock_give() gives then. */
void vsock_begin_empty(struct rig *rig, struct guest_end *guest, uint64_t cid);
void vsock_give(struct guest_end *guest, uint32_t n);

/* A packet with any header and len bytes of data. */
void vsock_send_raw(struct guest_end *guest, const struct virtio_vsock_hdr *header,
		    const void *data, uint32_t len);
/* The next packet. */
struct got vsock_get(struct guest_end *guest);
/* There is none. */
void vsock_get_nothing(struct guest_end *guest);

/* A connection that does not exist yet; 256 KiB of credit. */
struct line line_new(struct guest_end *guest, uint16_t type, uint32_t port, uint32_t peer_port);
/* Of a packet of it with len bytes. */
struct virtio_vsock_hdr line_header(const struct line *line, uint16_t op, uint32_t flags,
				    uint32_t len);
/* Send; data only with RW. */
void line_send(struct line *line, uint16_t op, uint32_t flags);
void line_write(struct line *line, const void *data, uint32_t len, uint32_t flags);
/* The next packet that is no news of credit is of this connection and this kind. */
struct got line_get(struct line *line, uint16_t op);
/* Nobody is there: its request gets RST. */
void line_expect_refused(struct line *line);
/* The same, of SHUTDOWN with these flags. */
void line_get_shutdown(struct line *line, uint32_t flags);
/* So many bytes, in as many packets as it takes; read at once, as credit says. */
void line_read(struct line *line, void *data, uint32_t len);
void line_expect(struct line *line, const char *text);
/* Have n receive buffers used, which do not go back before vsock_give(). */
void line_use_up(struct line *line, uint32_t n);
/* REQUEST, RESPONSE. */
void line_connect(struct line *line);
/* The other way round: a REQUEST comes, whose ports are the line's, and is accepted. */
struct line line_accept(struct guest_end *guest, uint16_t type, uint32_t port);

#endif
