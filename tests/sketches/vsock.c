/* SPDX-License-Identifier: MIT */
/*
 * A vsock device that joins one guest stream to one host socket, as a user of the library would
 * write it.  Its queues depend on each other: a packet the guest sends (tx) may need an answer in a
 * buffer the guest gives (rx), so tx stands still while too many answers wait for rx buffers.
 *
 * Compiled against the public headers only, as a test that they suffice; never linked or run.
 * Both queues are on the device thread.
 */
#include <endian.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <linux/virtio_vsock.h>
#include <libvu/vu.h>

enum { RXQ, TXQ, EVENTQ, N_QUEUES };
enum { ANSWERS_MAX = 16, SEGS = 16, CREDIT = 65536, HEAD = sizeof(struct virtio_vsock_hdr) };

struct vsock {
	struct vu_queue *rx, *tx;
	int fd; /* the host's end, non-blocking */
	struct vu_source *source;
	struct virtio_vsock_hdr answers[ANSWERS_MAX]; /* fixed: the guest can't make it grow */
	uint32_t first, n;
	struct vu_req *stuck;	      /* a tx packet the host socket took only a part of */
	struct virtio_vsock_hdr peer; /* addresses of the stream, as we send them */
	uint32_t credit, sent, fwd_cnt;
};

struct packet { /* vu_req.priv of tx requests */
	uint64_t done, len;
};

static void vsock_answer(struct vsock *vs, uint16_t op)
{
	struct virtio_vsock_hdr *hdr = &vs->answers[(vs->first + vs->n++) % ANSWERS_MAX];

	*hdr = vs->peer;
	hdr->op = htole16(op);
	hdr->buf_alloc = htole32(CREDIT);
	hdr->fwd_cnt = htole32(vs->fwd_cnt);
}

/* Host to guest, one packet, straight into the guest's buffer, which is taken only now. */
static void vsock_receive(struct vsock *vs, struct vu_req *req)
{
	struct virtio_vsock_hdr hdr = vs->peer;
	uint64_t len = req->writable_len > HEAD ? req->writable_len - HEAD : 0;
	struct iovec iov[SEGS];
	ssize_t got = 0;
	int n;

	if (len > vs->credit - vs->sent)
		len = vs->credit - vs->sent;
	n = vu_iov_slice(req->writable, req->n_writable, HEAD, len, iov, SEGS);
	if (n > 0)
		got = readv(vs->fd, iov, n);
	if (got <= 0) {
		if (vu_req_put_back(req)) /* nothing to put into it after all */
			vu_req_complete(req, 0);
		if (got == 0 || errno != EAGAIN)
			vsock_answer(vs, VIRTIO_VSOCK_OP_RST);
		return;
	}
	hdr.op = htole16(VIRTIO_VSOCK_OP_RW);
	hdr.len = htole32((uint32_t)got);
	vs->sent += (uint32_t)got;
	vu_req_write(req, 0, &hdr, HEAD);
	vu_req_complete(req, HEAD + (uint64_t)got);
}

/* Guest to host.  A packet the socket doesn't take whole stays outstanding, with its progress. */
static void vsock_forward(struct vsock *vs, struct vu_req *req)
{
	struct packet *p = req->priv;
	struct iovec iov[SEGS];
	int n = vu_iov_slice(req->readable, req->n_readable, HEAD + p->done, p->len - p->done, iov,
			     SEGS);
	ssize_t put = n > 0 ? writev(vs->fd, iov, n) : 0;

	vs->stuck = NULL;
	if (put < 0 && errno != EAGAIN)
		vsock_answer(vs, VIRTIO_VSOCK_OP_RST);
	else if (put > 0)
		p->done += (uint64_t)put;
	if (n > 0 && p->done < p->len && (put > 0 || errno == EAGAIN)) {
		vs->stuck = req;
		return;
	}
	vs->fwd_cnt += (uint32_t)p->len;
	vu_req_complete(req, 0);
}

static void vsock_packet(struct vsock *vs, struct vu_req *req)
{
	struct virtio_vsock_hdr hdr;
	struct packet *p = req->priv;

	if (vu_req_read(req, 0, &hdr, HEAD) == HEAD &&
	    le32toh(hdr.len) <= req->readable_len - HEAD) {
		vs->credit = le32toh(hdr.fwd_cnt) + le32toh(hdr.buf_alloc);
		p->len = le32toh(hdr.len);
		if (le16toh(hdr.op) == VIRTIO_VSOCK_OP_RW) {
			vsock_forward(vs, req);
			return;
		}
		if (le16toh(hdr.op) == VIRTIO_VSOCK_OP_REQUEST)
			vsock_answer(vs, VIRTIO_VSOCK_OP_RESPONSE);
	}
	vu_req_complete(req, 0);
}

/* Whatever happened, everything that can move on does: the queues wait for each other. */
static void vsock_move(struct vsock *vs)
{
	struct vu_req *req;
	uint32_t want = 0;

	for (;;) {
		/* A packet adds at most one answer: without room for it, it stays in the ring. */
		while (!vs->stuck && vs->n < ANSWERS_MAX && vu_queue_next(vs->tx, &req) > 0)
			vsock_packet(vs, req);
		if (vs->n == 0 || vu_queue_next(vs->rx, &req) <= 0)
			break;
		vu_req_complete(req, vu_req_write(req, 0, &vs->answers[vs->first], HEAD));
		vs->first = (vs->first + 1) % ANSWERS_MAX;
		vs->n--;
	}
	/* Watch the host only for what we could use; queue_ready tells when there are buffers. */
	if (vs->n == 0 && vs->sent != vs->credit && vu_queue_available(vs->rx))
		want |= EPOLLIN;
	if (vs->stuck)
		want |= EPOLLOUT;
	vu_source_set_events(vs->source, want);
}

static void vsock_queue_ready(struct vu_queue *queue, void *opaque)
{
	vsock_move(opaque);
}

static void vsock_host_ready(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct vsock *vs = opaque;
	struct vu_req *req;

	if (vs->stuck)
		vsock_forward(vs, vs->stuck);
	if ((events & EPOLLIN) && vs->n == 0 && vu_queue_next(vs->rx, &req) > 0)
		vsock_receive(vs, req);
	vsock_move(vs);
}

/* The one request that could stay outstanding for as long as the host's reader likes. */
static void vsock_queue_stop(struct vu_queue *queue, void *opaque)
{
	struct vsock *vs = opaque;

	if (vs->stuck && queue == vs->tx)
		vu_req_complete(vs->stuck, 0);
	if (queue == vs->tx)
		vs->stuck = NULL;
}

int vsock_new(struct vsock *vs, uint64_t cid, struct vu_device **dev);

int vsock_new(struct vsock *vs, uint64_t cid, struct vu_device **dev)
{
	const uint64_t config = htole64(cid);
	const struct vu_ops ops = {.size = sizeof(ops),
				   .queue_ready = vsock_queue_ready,
				   .queue_stop = vsock_queue_stop};
	const struct vu_device_info info = {.size = sizeof(info),
					    .device_id = 19,
					    .n_queues = N_QUEUES,
					    .config = &config,
					    .config_size = sizeof(config),
					    .priv_size = sizeof(struct packet)};
	int err = vu_device_new(&info, &ops, vs, dev);

	if (err)
		return err;
	vs->rx = vu_device_queue(*dev, RXQ);
	vs->tx = vu_device_queue(*dev, TXQ);
	return vu_group_add_fd(vu_device_group(*dev), vs->fd, 0, vsock_host_ready, vs, &vs->source);
}
