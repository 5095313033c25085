/* SPDX-License-Identifier: MIT */
/*
 * A block device on io_uring, as a user of the library would write it: a group and a ring per
 * queue, many requests in flight, completed in whatever order the kernel finishes them.
 *
 * Compiled against the public headers only, as a test that they suffice; never linked or run.
 * Each queue's state belongs to its group's thread.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <liburing.h>
#include <linux/virtio_blk.h>
#include <libvu/vu.h>

enum { N_QUEUES = 4, DEPTH = 128, SEG_MAX = 126, SCRATCH = 1024 };

struct disk_queue {
	struct vu_queue *vq;
	struct vu_group *group; /* a thread of ours runs vu_group_process() on it */
	struct vu_source *source;
	struct io_uring ring;
	int eventfd;
	unsigned int scratch_used;
	struct iovec scratch[SCRATCH]; /* until submit: the kernel copies what it needs then */
};

struct disk {
	int fd;
	uint64_t bytes;
	struct disk_queue queues[N_QUEUES];
};

/* Lives in vu_req.priv, zeroed when the request is handed out: nothing is allocated. */
struct disk_io {
	uint64_t offset;
	uint64_t len;
	uint64_t done;
	uint8_t write;
};

static void disk_finish(struct vu_req *req, uint8_t status)
{
	uint64_t last = req->writable_len - 1;

	vu_req_write(req, last, &status, 1);
	/* After an error the data is worth nothing, but the status byte lies behind it. */
	vu_req_complete(req, last + 1);
}

static void disk_submit(struct disk_queue *q)
{
	io_uring_submit(&q->ring);
	q->scratch_used = 0;
}

/* Queue what is left of a read or write. */
static int disk_transfer(const struct disk *disk, struct disk_queue *q, struct vu_req *req)
{
	struct disk_io *io = req->priv;
	uint64_t left = io->len - io->done, at = io->offset + io->done;
	struct io_uring_sqe *sqe;
	struct iovec *iov;
	int n;

	if (SCRATCH - q->scratch_used < SEG_MAX + 2 || !io_uring_sq_space_left(&q->ring))
		disk_submit(q);
	iov = &q->scratch[q->scratch_used];
	if (io->write)
		n = vu_iov_slice(req->readable, req->n_readable,
				 sizeof(struct virtio_blk_outhdr) + io->done, left, iov,
				 SEG_MAX + 2);
	else /* all writable bytes but the status at their end */
		n = vu_iov_slice(req->writable, req->n_writable, io->done, left, iov, SEG_MAX + 2);
	sqe = n < 0 ? NULL : io_uring_get_sqe(&q->ring);
	if (!sqe)
		return -EIO;
	q->scratch_used += (unsigned int)n;
	if (io->write)
		io_uring_prep_writev(sqe, disk->fd, iov, (unsigned int)n, at);
	else
		io_uring_prep_readv(sqe, disk->fd, iov, (unsigned int)n, at);
	io_uring_sqe_set_data(sqe, req);
	return 0;
}

static void disk_start(const struct disk *disk, struct disk_queue *q, struct vu_req *req)
{
	struct disk_io *io = req->priv;
	struct virtio_blk_outhdr hdr;
	uint64_t sector;

	/* Out of the guest's reach first, checked second. */
	if (vu_req_read(req, 0, &hdr, sizeof(hdr)) < sizeof(hdr) || !req->writable_len) {
		vu_req_complete(req, 0); /* no place even for a status */
		return;
	}
	io->write = le32toh(hdr.type) == VIRTIO_BLK_T_OUT;
	io->len = io->write ? req->readable_len - sizeof(hdr) : req->writable_len - 1;
	sector = le64toh(hdr.sector);
	io->offset = sector * 512;
	if (!io->write && le32toh(hdr.type) != VIRTIO_BLK_T_IN)
		disk_finish(req, VIRTIO_BLK_S_UNSUPP);
	else if (sector > disk->bytes / 512 || io->len > disk->bytes - sector * 512 ||
		 disk_transfer(disk, q, req))
		disk_finish(req, VIRTIO_BLK_S_IOERR);
}

static void disk_queue_ready(struct vu_queue *vq, void *opaque)
{
	struct disk *disk = opaque;
	struct disk_queue *q = &disk->queues[vu_queue_index(vq)];
	struct vu_req *reqs[32];
	int i, n;

	while ((n = vu_queue_next_batch(vq, reqs, 32)) > 0)
		for (i = 0; i < n; i++)
			disk_start(disk, q, reqs[i]);
	disk_submit(q); /* one system call for the whole pass */
}

/* The ring's eventfd: completions, in any order.  The library signals once, after we return. */
static void disk_done(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct disk_queue *q = opaque;
	struct disk *disk = vu_device_opaque(vu_queue_device(q->vq));
	struct io_uring_cqe *cqe;
	eventfd_t ignored;

	eventfd_read(fd, &ignored);
	while (io_uring_peek_cqe(&q->ring, &cqe) == 0) {
		struct vu_req *req = io_uring_cqe_get_data(cqe);
		struct disk_io *io = req->priv;
		int res = cqe->res;

		io_uring_cqe_seen(&q->ring, cqe);
		if (res > 0)
			io->done += (uint64_t)res;
		if (res > 0 && io->done < io->len && disk_transfer(disk, q, req) == 0)
			continue; /* a short transfer: the rest is under way */
		disk_finish(req, io->done == io->len ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
	}
	disk_submit(q);
}

int disk_new(struct disk *disk, struct vu_device **dev);

int disk_new(struct disk *disk, struct vu_device **dev)
{
	struct virtio_blk_config config = {.capacity = htole64(disk->bytes / 512),
					   .seg_max = htole32(SEG_MAX),
					   .num_queues = htole16(N_QUEUES)};
	/* No queue_stop: what is in flight ends by itself, soon. */
	const struct vu_ops ops = {.size = sizeof(ops), .queue_ready = disk_queue_ready};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = 2,
		.n_queues = N_QUEUES,
		.features = 1u << VIRTIO_BLK_F_SEG_MAX | 1u << VIRTIO_BLK_F_MQ,
		.config = &config,
		.config_size = sizeof(config),
		.max_segs = SEG_MAX + 2,
		.priv_size = sizeof(struct disk_io),
	};
	int err = vu_device_new(&info, &ops, disk, dev);

	for (uint32_t i = 0; !err && i < N_QUEUES; i++) {
		struct disk_queue *q = &disk->queues[i];

		q->vq = vu_device_queue(*dev, i);
		q->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if ((err = io_uring_queue_init(DEPTH, &q->ring, 0)) ||
		    (err = io_uring_register_eventfd(&q->ring, q->eventfd)) ||
		    (err = vu_group_new(&q->group)) ||
		    (err = vu_queue_set_group(vu_device_queue(*dev, i), q->group)))
			break;
		err = vu_group_add_fd(q->group, q->eventfd, EPOLLIN, disk_done, q, &q->source);
	}
	return err;
}
