/* SPDX-License-Identifier: MIT */
/*
 * The least that a socket device could do: what a guest alone costs.  For vsock/guest.py.
 *
 *	bench-vsock-nobody --socket-path=SOCKET --bytes=N
 *
 * There is no program behind it, and no byte is read or written.  What is sent to port 1000 is
 * forgotten, and when it is N bytes a byte comes back; who connects to port 1001 is sent N bytes,
 * whatever is in the buffers; at port 1002 each packet comes back at once.  One connection at a
 * time.  It is told of credit no more often than Linux needs, which takes no more than its own
 * buffer's size to be on the way, whatever it is told.
 */
#include <endian.h>

#include "../../../examples/vsock/vsock_packet.h"

enum { RXQ, TXQ, EVENTQ, N_QUEUES };
enum { SINK = 1000, SOURCE, ECHO, ALL_CREDIT = 1 << 30, UPDATE = 128 << 10 };

struct nobody {
	uint64_t bytes;	   /* of a case */
	struct packet got; /* the connection's last packet */
	uint32_t tx_cnt, rx_cnt, told;
	uint64_t left;	     /* to be sent, or to be awaited */
	uint16_t op;	     /* of the packet that is owed; 0: none */
	uint32_t owed_bytes; /* in RW packets */
};

static uint32_t room(const struct nobody *n)
{
	uint32_t on_the_way = n->tx_cnt - n->got.fwd_cnt;

	return on_the_way < n->got.buf_alloc ? n->got.buf_alloc - on_the_way : 0;
}

static void receive(struct nobody *n, const struct packet *p)
{
	n->got = *p;
	switch (p->op) {
	case VIRTIO_VSOCK_OP_REQUEST:
		n->tx_cnt = n->rx_cnt = n->told = n->owed_bytes = 0;
		n->left = n->bytes;
		n->op = VIRTIO_VSOCK_OP_RESPONSE;
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		n->op = VIRTIO_VSOCK_OP_RST;
		n->owed_bytes = 0;
		break;
	case VIRTIO_VSOCK_OP_RW:
		n->rx_cnt += p->len;
		if (p->dst_port == ECHO)
			n->owed_bytes += p->len;
		if (p->dst_port == SINK && n->left && !(n->left -= p->len))
			n->owed_bytes = 1;
		if (n->rx_cnt - n->told >= UPDATE)
			n->op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		n->op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
		break;
	default:
		break;
	}
}

/* false: there is nothing to be said, or not yet. */
static bool answer(struct nobody *n, struct vu_req *req, uint64_t *written)
{
	struct packet p = {
		.src_cid = n->got.dst_cid,
		.src_port = n->got.dst_port,
		.dst_cid = n->got.src_cid,
		.dst_port = n->got.src_port,
		.type = n->got.type,
		.op = n->op,
		.buf_alloc = ALL_CREDIT,
		.fwd_cnt = n->rx_cnt,
	};

	if (!p.op) {
		p.op = VIRTIO_VSOCK_OP_RW;
		p.len = packet_room(req, n->owed_bytes < room(n) ? n->owed_bytes : room(n));
		if (!p.len)
			return false;
		n->owed_bytes -= p.len;
		n->tx_cnt += p.len;
	} else if (p.op == VIRTIO_VSOCK_OP_RESPONSE && n->got.dst_port == SOURCE) {
		n->owed_bytes = (uint32_t)n->left;
	}
	n->op = 0;
	n->told = n->rx_cnt;
	*written = packet_write(req, &p) + p.len;
	return true;
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct nobody *n = opaque;
	struct vu_device *dev = vu_queue_device(queue);
	struct vu_queue *rx = vu_device_queue(dev, RXQ), *tx = vu_device_queue(dev, TXQ);
	struct vu_req *req;
	struct packet p;
	uint64_t written;

	while (vu_queue_next(tx, &req) == 1) {
		if (packet_read(req, &p))
			receive(n, &p);
		vu_req_complete(req, 0);
	}
	while ((n->op || (n->owed_bytes && room(n))) && vu_queue_next(rx, &req) == 1) {
		if (answer(n, req, &written))
			vu_req_complete(req, written);
		else if (vu_req_put_back(req))
			break;
	}
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	static const struct virtio_vsock_config config = {.guest_cid = 3};
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = queue_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = 19,
		.n_queues = N_QUEUES,
		.config = &config,
		.config_size = sizeof(config),
	};
	struct vu_device *dev;

	(void)index;
	(void)state;
	return vu_program_add_device(program, &info, &ops, vu_program_settings(program), &dev);
}

int main(int argc, char **argv)
{
	struct nobody nobody = {.bytes = 0};
	const struct vu_option options[] = {
		{VU_OPTION_NUMBER("bytes", "N", "of a case", struct nobody, bytes, 1, UINT32_MAX)},
		{.name = NULL},
	};
	const struct vu_program_info info = {
		VU_PROGRAM("bench-vsock-nobody", "vsock", "A socket device with nobody behind it."),
		VU_PROGRAM_OPTIONS(options, &nobody),
		.create = create,
	};

	return vu_program_main(&info, argc, argv);
}
